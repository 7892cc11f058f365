"""The file of a cohort, read and checked: a header in YAML, then one SELECT over the ready views and OMOP.

Nothing is asked of a database here. Parameters become placeholders of the driver, which binds their values.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, NamedTuple

from etl.cohorts.errors import CohortError
from etl.cohorts.header import SQL_TYPES, Header, Parameter
from etl.cohorts.shapes import Lines, read_shape

if TYPE_CHECKING:
    # It takes a tenth of a second, and most commands have no cohort.
    from sqlglot import exp
    from sqlglot.tokenizer_core import Token

#: What a cohort may read: no real date is there.
SCHEMAS = ("research", "omop", "omop54", "results")
#: The columns of the SELECT.
COLUMNS = ("subject_id", "cohort_start_date", "cohort_end_date")

_FILE = re.compile(r"\s*/\*(?P<header>.*?)\*/(?P<query>.*)", re.DOTALL)
#: It could undo what keeps the query to reading.
_FORBIDDEN_CALLS = {"set_config"}
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
    read = _Read(
        file, header, lines, found["query"].rstrip().rstrip(";"), _line_at(text, found.start("query"))
    )
    tokens = _tokens(read)
    _check(read, _parsed(read))
    return Definition(file, text, header, _split(read, tokens))


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _tokens(read: _Read) -> "list[Token]":
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        return sqlglot.tokenize(read.sql, read="postgres")
    except SqlglotError:
        raise CohortError(f"{read.file}:{read.first}: the query is not SQL: is a quote left open?") from None


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
    for line, objection in _objections(read, query):
        raise CohortError(f"{read.file}:{line}: {objection}")


def _objections(read: _Read, query: "exp.Query") -> Iterator[tuple[int, str]]:
    from sqlglot import exp

    writes = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into, exp.Lock, exp.Command)
    for each in query.find_all(*writes):
        yield (
            _line(read, each),
            "a cohort only reads: write a plain SELECT, without INTO, FOR UPDATE or changes",
        )
    named = {each.alias_or_name.lower() for each in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and (objection := _table(table, named)):
            yield _line(read, table), objection
    for call in query.find_all(exp.Anonymous):
        if call.name.lower() in _FORBIDDEN_CALLS:
            yield _line(read, call), f"a cohort may not call {call.name}; remove it"
    ctes = {each.alias_or_name for each in query.ctes}
    for step in read.header.steps:
        if step not in ctes:
            line = read.lines.get(("steps", step), read.first)
            yield (
                line,
                f"there is no CTE of step '{step}': write WITH {step} AS (SELECT ... AS subject_id ...)",
            )


def _table(table: "exp.Table", ctes: set[str]) -> str | None:
    name, schema = table.name, table.db
    if not schema and name.lower() not in ctes:
        return f"say which schema '{name}' is in: {', '.join(SCHEMAS)}"
    if schema and (schema.lower() not in SCHEMAS or table.catalog):
        return f"it reads '{schema}.{name}': a cohort may read schemas {', '.join(SCHEMAS)}"
    return None


def _line(read: _Read, node: "exp.Expression") -> int:
    for each in node.walk():
        if line := each.meta.get("line"):
            return read.first + int(line) - 1
    return read.first


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
