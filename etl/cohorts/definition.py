"""The file of a cohort, read and checked: a header in YAML, then one SELECT over the ready views and OMOP.

Nothing is asked of a database here. Parameters become placeholders of the driver, which binds their values.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, NamedTuple

from etl.cohorts.allowed import objections, written_objections
from etl.cohorts.errors import CohortError
from etl.cohorts.header import SQL_TYPES, Header, Parameter
from etl.cohorts.shapes import Lines, read_shape

if TYPE_CHECKING:
    # It takes a tenth of a second, and most commands have no cohort.
    from sqlglot import exp
    from sqlglot.tokenizer_core import Token

#: The columns of the SELECT.
COLUMNS = ("subject_id", "cohort_start_date", "cohort_end_date")

_FILE = re.compile(r"\s*/\*(?P<header>.*?)\*/(?P<query>.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_]\w*")
#: Tokens that a slice can count from.
_COUNTED_FROM = ("VAR", "NUMBER", "R_PAREN", "R_BRACKET")


class Query(NamedTuple):
    """The SELECT in two parts, for psycopg2: parameters as ``%(name)s``, cast to their types."""

    head: str
    """``WITH`` and the CTEs."""
    tail: str
    """The SELECT that they lead to."""
    line: int
    """The file's line on which ``head`` begins."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A cohort as its file defines it."""

    file: str
    text: str
    header: Header
    query: Query
    reads_cohorts: bool
    """Whether its query reads schema results: no state of the data tells that another cohort was run."""

    @property
    def name(self) -> str:
        """Its name, which is the file's too."""
        return self.header.name

    @property
    def steps(self) -> tuple[str, ...]:
        """The CTEs that are its steps, in order."""
        return tuple(self.header.steps)


class _Read(NamedTuple):
    file: str
    header: Header
    lines: Lines
    sql: str
    first: int


def read_definition(path: Traversable, shown: str) -> Definition:
    """Read the file of a cohort; ``shown`` names it in messages. Raises CohortError with file and line."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise CohortError(f"there is no cohort file '{shown}'") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CohortError(f"'{shown}' cannot be read: {type(error).__name__}") from None
    definition = define(text, shown)
    if path.name != f"{definition.name}.sql":
        raise CohortError(
            f"{shown}: its header calls it '{definition.name}'; name the file {definition.name}.sql"
        )
    return definition


def define(text: str, file: str) -> Definition:
    """The cohort that a text defines; ``file`` names it in messages. Raises CohortError with its line."""
    found = _FILE.fullmatch(text)
    if not found:
        raise CohortError(f"{file}:1: begin with a header: /* name: ..., title: ..., as YAML, and */")
    header, lines = read_shape(found["header"], file, Header, _line_at(text, found.start("header")))
    # PostgreSQL ends a comment at a lone carriage return too, where sqlglot reads on.
    sql = found["query"].replace("\r\n", "\n").replace("\r", "\n").rstrip().rstrip(";")
    read = _Read(file, header, lines, sql, _line_at(text, found.start("query")))
    tokens = _tokens(read)
    query = _parsed(read)
    _check(read, query)
    return Definition(file, text, header, _split(read, tokens), _reads_cohorts(query))


def stored_text(definition: Definition, name: str, values: Mapping[str, str]) -> str:
    """What is kept of a cohort: a line with its name, one with each value (values are one line), its file."""
    said = "".join(f"-- :{key} is {value}\n" for key, value in values.items())
    return f"-- {name}\n{said}{definition.text}"


def stored_file(stored: str, values: int) -> str:
    """The file in what ``stored_text`` made of it and so many values."""
    return stored.split("\n", 1 + values)[-1]


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _tokens(read: _Read) -> "list[Token]":
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        tokens = sqlglot.tokenize(read.sql, read="postgres")
    except SqlglotError:
        raise CohortError(f"{read.file}:{read.first}: the query is not SQL: is a quote left open?") from None
    for line, said in written_objections(tokens):
        raise CohortError(f"{read.file}:{read.first + line - 1}: {said}")
    return tokens


def _parsed(read: _Read) -> "exp.Query":
    import sqlglot
    from sqlglot import exp

    try:
        found = [each for each in sqlglot.parse(read.sql, read="postgres") if each is not None]
    except sqlglot.ParseError as error:
        at = error.errors[0] if error.errors else {}
        line = read.first + int(at.get("line") or 1) - 1
        raise CohortError(
            f"{read.file}:{line}: the query is not SQL: {at.get('description', error)}"
        ) from None
    if len(found) != 1 or not isinstance(found[0], exp.Query):
        raise CohortError(f"{read.file}:{read.first}: after the header comes one SELECT, and nothing else")
    return found[0]


def _check(read: _Read, query: "exp.Query") -> None:
    for line, said in objections(query):
        raise CohortError(f"{read.file}:{read.first + line - 1}: {said}")
    ctes = {each.alias_or_name for each in query.ctes}
    for step in read.header.steps:
        if step not in ctes:
            line = read.lines.get(("steps", step), read.first)
            raise CohortError(
                f"{read.file}:{line}: there is no CTE of step '{step}': "
                f"write WITH {step} AS (SELECT ... AS subject_id ...)"
            )


def _reads_cohorts(query: "exp.Query") -> bool:
    from sqlglot import exp

    return any(table.db.lower() == "results" for table in query.find_all(exp.Table))


def _split(read: _Read, tokens: "list[Token]") -> Query:
    """The query's parts, at the SELECT that stands outside of all parentheses."""
    depth, cut = 0, None
    for token in tokens:
        depth += {"L_PAREN": 1, "R_PAREN": -1}.get(token.token_type.name, 0)
        if depth == 0 and token.token_type.name == "SELECT":
            cut = token.start
            break
    if cut is None:
        raise CohortError(
            f"{read.file}:{read.first}: end with a SELECT of {', '.join(COLUMNS)}, not in parentheses"
        )
    parameters = list(_parameters(read, tokens))
    return Query(_bound(read, parameters, 0, cut), _bound(read, parameters, cut, len(read.sql)), read.first)


def _bound(read: _Read, parameters: list[tuple[str, int, int]], start: int, stop: int) -> str:
    """This stretch of the query as psycopg2 takes it."""
    parts = []
    for name, begin, end in parameters:
        if start <= begin < stop:
            kind = SQL_TYPES[read.header.parameters[name].type]
            parts += [read.sql[start:begin].replace("%", "%%"), f"CAST(%({name})s AS {kind})"]
            start = end
    return "".join([*parts, read.sql[start:stop].replace("%", "%%")])


def _parameters(read: _Read, tokens: "list[Token]") -> Iterator[tuple[str, int, int]]:
    """Each ``:name`` of the query, with where it begins and ends."""
    used = set()
    for before, colon, name in zip([None, *tokens], tokens, tokens[1:], strict=False):
        if colon.token_type.name != "COLON" or name.start != colon.end + 1:
            continue
        # In a slice such as [1:n] it stands right behind what it counts from.
        slices = before is not None and before.end + 1 == colon.start
        if slices and before is not None and before.token_type.name in _COUNTED_FROM:
            continue
        if not _NAME.fullmatch(name.text):
            continue
        if name.text not in read.header.parameters:
            raise CohortError(
                f"{read.file}:{read.first + name.line - 1}: {_undeclared(name.text, read.header)}"
            )
        used.add(name.text)
        yield name.text, colon.start, name.end + 1
    for parameter in read.header.parameters.keys() - used:
        line = read.lines.get(("parameters", parameter), read.first)
        raise CohortError(
            f"{read.file}:{line}: the query does not use parameter '{parameter}': write :{parameter} in it"
        )


def _undeclared(name: str, header: Header) -> str:
    declared: Mapping[str, Parameter] = header.parameters
    known = f"; there {'is' if len(declared) == 1 else 'are'} {', '.join(declared)}" if declared else ""
    return f"the header declares no parameter '{name}'{known}"
