"""The SQL of the tables of sections: what makes them, and what fills them from documents."""

from collections.abc import Iterator

from etl.sections.shape import KEYS, Field, Section
from omop_schema import LAKE

#: Types of the columns that every table begins with.
_KEY_TYPES = ("integer NOT NULL", "integer NOT NULL", "text NOT NULL", "text NOT NULL", "text")
_KEY_COMMENTS = (
    "The case, as in lake.cases", "Its newest document, as in lake.documents", "Pseudonym of the patient",
    "The form", "The clinical site",
)  # fmt: skip
#: The whole numbers that a type has room for.
_ROOM = {"integer": (-(2**31), 2**31 - 1), "bigint": (-(2**63), 2**63 - 1)}
_ISO_DATE = "^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
#: The table of cases that a refresh takes, with their newest documents.
TAKEN = "taken"


def creations(section: Section, schema: str) -> Iterator[str]:
    """What makes a table without rows in a schema, and says what its columns are."""
    name = f"{schema}.{_quoted(section.name)}"
    columns = [f"{key} {kind}" for key, kind in zip(KEYS, _KEY_TYPES, strict=True)]
    columns += [f"{_quoted(number)} integer NOT NULL" for number in section.numbers]
    columns += [f"{_quoted(each.name)} {each.type}" for each in section.fields]
    yield f"CREATE TABLE {name} (\n    {_listed(columns)}\n)"
    for key, comment in zip(KEYS, _KEY_COMMENTS, strict=True):
        yield f"COMMENT ON COLUMN {name}.{key} IS {_text(comment)}"
    for number in section.numbers:
        yield f"COMMENT ON COLUMN {name}.{_quoted(number)} IS 'Place in the list, from 1'"
    for each in section.fields:
        yield f"COMMENT ON COLUMN {name}.{_quoted(each.name)} IS {_text(each.comment)}"


def constraints(section: Section, schema: str, whole: Section) -> Iterator[str]:
    """The keys of a filled table. With its document, a case's rows go out of all tables."""
    name = f"{schema}.{_quoted(section.name)}"
    yield f"ALTER TABLE {name} ADD PRIMARY KEY ({', '.join(('case_id', *map(_quoted, section.numbers)))})"
    if section is whole:
        yield (
            f"ALTER TABLE {name} ADD FOREIGN KEY (case_id, version)"
            f" REFERENCES {LAKE}.documents (case_id, version) ON DELETE CASCADE"
        )
        yield f"CREATE INDEX ON {name} (patient_id)"
    else:
        yield (
            f"ALTER TABLE {name} ADD FOREIGN KEY (case_id)"
            f" REFERENCES {schema}.{_quoted(whole.name)} (case_id) ON DELETE CASCADE"
        )


def insertion(section: Section, schema: str) -> str:
    """What brings the rows of the taken cases."""
    columns = (*KEYS, *map(_quoted, (*section.numbers, *(each.name for each in section.fields))))
    source, item = _source(section)
    values = [*KEYS, *(f"list_{at}.number" for at, _ in enumerate(section.numbers))]
    values += [_value(each, item) for each in section.fields]
    where = f"\n WHERE jsonb_typeof({item}) = 'object'" if section.path or section.lists else ""
    return (
        f"INSERT INTO {schema}.{_quoted(section.name)} ({', '.join(columns)})\n"
        f"SELECT {_listed(values)}\n  FROM {source}{where}"
    )


def _source(section: Section) -> tuple[str, str]:
    """What is read, and the expression of the object that the columns are of."""
    item, source = "document", TAKEN
    for at, (_, path) in enumerate(section.lists):
        held = _at(item, path)
        # What is no list, by an older version of the schema, has no items.
        items = f"CASE jsonb_typeof({held}) WHEN 'array' THEN {held} END"
        source += (
            f"\n CROSS JOIN LATERAL jsonb_array_elements({items}) WITH ORDINALITY AS list_{at} (item, number)"
        )
        item = f"list_{at}.item"
    return source, _at(item, section.path)


def _value(each: Field, item: str) -> str:
    """A column's value; NULL for what the schema of today does not describe."""
    node, text = _at(item, each.path), _at(item, each.path, text=True)
    match each.type:
        case "text":
            return text
        case "jsonb":
            return f"nullif({node}, 'null')"
        case "boolean":
            return f"CASE jsonb_typeof({node}) WHEN 'boolean' THEN ({node})::boolean END"
        case "date":
            return _date(text)
        case "text[]":
            listed = f"SELECT one FROM jsonb_array_elements_text({node}) AS one"  # noqa: S608
            return f"CASE jsonb_typeof({node}) WHEN 'array' THEN ARRAY({listed}) END"
        case kind if kind.endswith("[]"):
            listed = f"SELECT {_number('one', kind[:-2])} FROM jsonb_array_elements({node}) AS one"  # noqa: S608
            return f"CASE jsonb_typeof({node}) WHEN 'array' THEN ARRAY({listed}) END"
    return _number(node, each.type)


def _number(node: str, kind: str) -> str:
    if kind not in _ROOM:
        return f"CASE jsonb_typeof({node}) WHEN 'number' THEN ({node})::numeric END"
    low, high = _ROOM[kind]
    fits = f"({node})::numeric BETWEEN {low} AND {high} AND ({node})::numeric % 1 = 0"
    return f"CASE jsonb_typeof({node}) WHEN 'number' THEN CASE WHEN {fits} THEN ({node})::{kind} END END"


def _date(text: str) -> str:
    """The date; NULL for what no calendar has, which format "date" of JSON Schema lets through."""
    last = f"extract(day FROM (left({text}, 8) || '01')::date + interval '1 month - 1 day')"
    return (
        f"CASE WHEN {text} ~ '{_ISO_DATE}' THEN"
        f" CASE WHEN right({text}, 2)::integer <= {last} THEN ({text})::date END END"
    )


def _at(item: str, path: tuple[str, ...], *, text: bool = False) -> str:
    keys = [_text(key) for key in path]
    if not keys:
        return f"({item} #>> '{{}}')" if text else item
    last = "->>" if text else "->"
    return "(" + " -> ".join((item, *keys[:-1])) + f" {last} {keys[-1]})"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    """A name, in quotes: a key of a form may be a word of SQL."""
    return '"' + name.replace('"', '""') + '"'


def _listed(parts: list[str]) -> str:
    return ",\n    ".join(parts)
