"""What the query of a cohort may hold: reading alone, of some schemas, with functions that do nothing else.

PostgreSQL keeps it to the reader's rights, see ``etl.cohorts.draw``; where it cannot, this alone does.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.tokenizer_core import Token

#: What a cohort may read: no real date is there.
SCHEMAS = ("research", "omop", "omop54", "results")
#: Where its functions may be.
_FUNCTION_SCHEMAS: Final = ("research", "pg_catalog")
_READS: Final = "a cohort only reads: write a plain SELECT, without INTO, FOR UPDATE or changes"
#: Strings of PostgreSQL that a reader, or a checker, may take for something else than the database does.
_STRINGS: Final = {"UNICODE_STRING", "BYTE_STRING", "HEREDOC_STRING", "RAW_STRING", "NATIONAL_STRING"}

_NAMES: Final = """
    age array_dims array_lower array_ndims array_positions array_replace array_upper bit_count
    cardinality clock_timestamp datemultirange daterange every gcd generate_subscripts
    int4multirange int4range int8multirange int8range isempty isfinite json_array_elements
    json_array_elements_text json_array_length json_build_array json_build_object json_each
    json_each_text json_object_keys json_typeof jsonb_agg jsonb_array_elements
    jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each
    jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_object_keys jsonb_path_exists
    jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_strip_nulls jsonb_typeof
    lcm lower_inc lower_inf make_date min_scale multirange num_nonnulls num_nulls nummultirange
    numrange pg_typeof range_agg range_intersect_agg range_merge regexp_match regexp_matches
    regexp_split_to_array regexp_split_to_table row row_to_json scale string_to_table to_json
    to_jsonb trim_array trim_scale upper_inc upper_inf
"""
#: Functions beside those that sqlglot has shapes of: they compute from their arguments, and nothing else.
FUNCTIONS: Final = frozenset(_NAMES.split())


class Objection(NamedTuple):
    """What a query may not hold."""

    line: int
    """Of the query, from 1 on."""
    said: str


def written_objections(tokens: Sequence["Token"]) -> Iterator[Objection]:
    """What is wrong with how it is written, before it is parsed."""
    for token, after, last in zip(tokens, tokens[1:], tokens[2:], strict=False):
        escapes = token.text.lower() == "u" and after.token_type.name == "AMP"
        if escapes and after.start == token.end + 1 == last.start - 1:
            yield Objection(token.line, 'write the name as it is, without U&"..."')
    for token in tokens:
        if token.token_type.name in _STRINGS:
            yield Objection(token.line, "write strings in plain single quotes, without U&, E, N or $$")


def objections(query: "exp.Query") -> Iterator[Objection]:
    """What a query may not do."""
    from sqlglot import exp

    writes = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into, exp.Lock, exp.Command)
    for each in query.find_all(*writes):
        yield Objection(_line(each), _READS)
    named = {each.alias_or_name.lower() for each in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and (said := _table(table, named)):
            yield Objection(_line(table), said)
    for call in query.find_all(exp.Func):
        if isinstance(call, (exp.Anonymous, exp.AnonymousAggFunc)) and (said := _call(call)):
            yield Objection(_line(call), said)


def _table(table: "exp.Table", ctes: set[str]) -> str | None:
    name, schema = table.name, table.db
    if not schema and name.lower() not in ctes:
        return f"say which schema '{name}' is in: {', '.join(SCHEMAS)}"
    if schema and (schema.lower() not in SCHEMAS or table.catalog):
        return f"it reads '{schema}.{name}': a cohort may read schemas {', '.join(SCHEMAS)}"
    return None


def _call(call: "exp.Anonymous | exp.AnonymousAggFunc") -> str | None:
    """Why a function may not be called, unless it is harmless."""
    from sqlglot.dialects.postgres import Postgres

    name = call.name.lower()
    schemas = _schemas(call)
    if schemas == ["research"]:
        return None
    known = name in FUNCTIONS or name.upper() in Postgres.Parser.FUNCTIONS
    if known and schemas in ([], ["pg_catalog"]):
        return None
    written = ".".join([*schemas, call.name])
    return (
        f"a cohort may not call {written}(): use operators, PostgreSQL's functions of numbers, texts, dates,"
        " and aggregates, or a function of schema research"
    )


def _schemas(call: "exp.Expression") -> list[str]:
    """What stands in front of a function's name."""
    from sqlglot import exp

    above = call.parent
    if isinstance(above, exp.Table) and above.this is call:
        return [part for part in (above.catalog, above.db) if part]
    if isinstance(above, exp.Dot) and above.expression is call:
        return [each.name for each in above.this.find_all(exp.Identifier)]
    return []


def _line(node: "exp.Expr") -> int:
    for each in (*node.walk(), *_above(node)):
        if line := each.meta.get("line"):
            return int(line)
    return 1


def _above(node: "exp.Expr") -> Iterator["exp.Expr"]:
    """What a node without a line is part of, from the nearest on."""
    while node.parent is not None:
        node = node.parent
        yield from node.walk()
