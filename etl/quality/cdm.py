"""Checks that follow from the CDM's metadata alone: columns, types, keys, concepts, dates."""

from collections.abc import Iterable, Iterator
from functools import cache

from sqlalchemy import Column, Date, DateTime, Table

from etl.mapping.tables import COLUMN_DOMAINS, TARGETS
from etl.quality.check import Check, Declared, Found, Plain, Rows, Test, Values, plain_rows
from etl.quality.life import LIFE, PERIOD, VISIT
from omop_schema import OMOP, metadata, vocabulary
from omop_schema.describe import written
from vocabularies.concepts import PLACEHOLDER

#: Domains of columns by the end of their name; the first that fits. The row's own concept goes by its table.
_DOMAINS: tuple[tuple[str, frozenset[str]], ...] = (
    *COLUMN_DOMAINS.items(),
    ("race_concept_id", frozenset({"Race"})),
    ("ethnicity_concept_id", frozenset({"Ethnicity"})),
    ("admitted_from_concept_id", frozenset({"Visit"})),
    ("discharge_to_concept_id", frozenset({"Visit"})),
    ("place_of_service_concept_id", frozenset({"Visit"})),
    ("condition_status_concept_id", frozenset({"Condition Status"})),
    ("operator_concept_id", frozenset({"Meas Value Operator"})),
    ("route_concept_id", frozenset({"Route"})),
    ("disease_status_concept_id", frozenset({"Spec Disease Status"})),
    ("currency_concept_id", frozenset({"Currency"})),
    ("revenue_code_concept_id", frozenset({"Revenue Code"})),
)
#: Days that an event may be known after death, and around its visit.
_AFTER_DEATH, _AROUND_VISIT = 60, 7
_CDM = "CDM v6.0.0"


@cache
def tables() -> tuple[Table, ...]:
    """Every table of ``omop`` but the vocabulary's, which is checked when it is loaded."""
    known = {each.name for each in vars(vocabulary).values() if isinstance(each, Table)}
    return tuple(
        each
        for each in sorted(metadata.tables.values(), key=lambda one: one.name)
        if each.schema == OMOP and each.name not in known
    )


def key_of(table: Table) -> Column[object]:
    """The column that names a row: its key, or the first part of it, or the first column."""
    return next(iter(table.primary_key.columns), next(iter(table.columns)))


def cdm_checks() -> Iterator[Check]:
    """Every check that follows from the tables as they are declared."""
    for table in tables():
        yield Check("cdmTable", "TABLE", table.name, Declared(), _origin(table))
        for column in table.columns:
            yield from _column_checks(table, column)
        yield from _key_checks(table)
        yield from _time_checks(table)
    yield from _person_checks()


def _origin(table: Table) -> str:
    return _CDM if table.name in _OFFICIAL else "extension of the CDM"


def _field(name: str, table: Table, column: Column[object], test: Test, detail: str = "") -> Check:
    return Check(name, "FIELD", table.name, test, _origin(table), column.name, detail=detail)


def _column_checks(table: Table, column: Column[object]) -> Iterator[Check]:
    yield _field("cdmField", table, column, Declared())
    yield _field("cdmDatatype", table, column, Declared(written(column.type)), written(column.type))
    there = plain_rows(column.name, Plain(required=True))
    yield _field("measureValueCompleteness", table, column, there)
    if not column.nullable:
        yield _field("isRequired", table, column, there)
    if column.name.endswith("concept_id"):
        yield from _concept_checks(table, column)
    else:
        for target in column.foreign_keys:
            yield _field(
                "isForeignKey", table, column, _missing(table, column, target.column), target.target_fullname
            )
    yield from _source_checks(table, column)


def _concept_checks(table: Table, column: Column[object]) -> Iterator[Check]:
    yield _field("isForeignKey", table, column, Values("c.concept_id IS NULL"), "concept")
    domains = domains_of(table, column.name)
    if domains:
        listed = ", ".join(f"'{one}'" for one in sorted(domains))
        test = Values(f"value <> 0 AND c.domain_id NOT IN ({listed})")
        yield _field("fkDomain", table, column, test, " or ".join(sorted(domains)))
    if "source_concept_id" in column.name:
        yield _field("sourceConceptRecordCompleteness", table, column, Values("value = 0"))
        return
    if not column.name.endswith("field_concept_id"):
        yield _field("standardConceptRecordCompleteness", table, column, Values("value = 0"))
        # Of a placeholder it is not known whether it is standard.
        known = f"value IS NOT NULL AND c.vocabulary_id IS DISTINCT FROM '{PLACEHOLDER}'"
        odd = "value <> 0 AND (c.standard_concept IS DISTINCT FROM 'S' OR c.invalid_reason IS NOT NULL)"
        yield _field("isStandardValidConcept", table, column, Values(odd, known))


def domains_of(table: Table, column: str) -> frozenset[str]:
    """The domains that the concepts of a column may have; none: any."""
    target = TARGETS.get(table.name)
    if target is not None and column == target.concept_column:
        return target.domains
    if "source_concept_id" in column:
        return frozenset()
    return next((domains for suffix, domains in _DOMAINS if column.endswith(suffix)), frozenset())


def _missing(table: Table, column: Column[object], target: Column[object]) -> Found:
    lost = (
        f"SELECT r.{key_of(table).name} AS id FROM {table.fullname} AS r WHERE r.{column.name} IS NOT NULL"  # noqa: S608
        f" AND NOT EXISTS (SELECT FROM {target.table} AS o WHERE o.{target.name} = r.{column.name})"
    )
    return Found(lost, _count(table, f"{column.name} IS NOT NULL"))


def _count(table: Table, condition: str = "TRUE") -> str:
    return f"SELECT count(*) FROM {table.fullname} WHERE {condition}"  # noqa: S608


def _source_checks(table: Table, column: Column[object]) -> Iterator[Check]:
    """Of the source value beside a row's own concept."""
    target = TARGETS.get(table.name)
    if target is None or target.concept_column is None or column.name != target.column("source_value"):
        return
    key, concept = key_of(table).name, target.concept_column
    lost = (
        f"SELECT min({key}) AS id FROM {table.fullname}"  # noqa: S608
        f" WHERE {concept} = 0 AND {column.name} IS NOT NULL GROUP BY {column.name}"
    )
    among = f"SELECT count(*) FROM (SELECT DISTINCT {column.name} FROM {table.fullname}) AS one"  # noqa: S608
    yield _field("sourceValueCompleteness", table, column, Found(lost, among))


def _key_checks(table: Table) -> Iterator[Check]:
    columns = [one.name for one in table.primary_key.columns]
    if not columns:
        return
    joined = ", ".join(columns)
    doubled = (
        f"SELECT r.{columns[0]} AS id FROM {table.fullname} AS r WHERE ({joined}) IN"  # noqa: S608
        f" (SELECT {joined} FROM {table.fullname} GROUP BY {joined} HAVING count(*) > 1)"
        # Where the constraint holds, there is nothing to look for.
        " AND NOT EXISTS (SELECT FROM pg_constraint WHERE contype = 'p' AND convalidated"
        f" AND conrelid = '{table.fullname}'::regclass)"
    )
    test = Found(doubled, _count(table))
    yield Check("isPrimaryKey", "FIELD", table.name, test, _origin(table), joined.replace(", ", "+"))


def dates_of(table: Table) -> tuple[str, ...]:
    """The columns with days of a person's life, as the CDM keeps them; not when a tool did its work."""
    target = TARGETS.get(table.name)
    return tuple(
        column.name
        for column in table.columns
        if isinstance(column.type, (Date, DateTime))
        and table.name not in _UNDATED
        and column.name not in {"birth_datetime", "death_datetime", "verbatim_end_date"}
        and (target is None or target.kind(column.name) in {"date", "datetime"})
    )


def _time_checks(table: Table) -> Iterator[Check]:
    dates = dates_of(table)
    for name in dates:
        column = table.columns[name]
        day = f"r.{name}::date"
        late = Rows(f"{day} > current_date + 1", f"r.{name} IS NOT NULL")
        yield _field("plausibleValueHigh", table, column, late, "after tomorrow")
        yield from _ordered(table, column, dates)
        if "person_id" in table.columns:
            yield from _life_checks(table, column, day)
    if (
        "visit_occurrence_id" in table.columns
        and "person_id" in table.columns
        and table.name != "visit_occurrence"
    ):
        known = "r.visit_occurrence_id IS NOT NULL AND v.person_id IS NOT NULL"
        test = Rows("v.person_id <> r.person_id", known, (VISIT,))
        yield _field("visitOfPerson", table, table.columns["visit_occurrence_id"], test)


def _ordered(table: Table, column: Column[object], dates: Iterable[str]) -> Iterator[Check]:
    name = column.name
    if name.endswith("_date") and (time := f"{name}time") in dates:
        both = f"r.{name} IS NOT NULL AND r.{time} IS NOT NULL"
        yield _field("datesAgree", table, column, Rows(f"r.{name} <> r.{time}::date", both), time)
    end = name.replace("_start_", "_end_")
    if "_start_" in name and end in dates:
        yield _field(
            "plausibleStartBeforeEnd", table, column, plain_rows(name, Plain(no_later_than=end)), end
        )  # fmt: skip


def _life_checks(table: Table, column: Column[object], day: str) -> Iterator[Check]:
    there = f"r.{column.name} IS NOT NULL"
    born = Rows(f"{day} < p.born", f"{there} AND p.born IS NOT NULL", (LIFE,))
    died = Rows(f"{day} > p.died + {_AFTER_DEATH}", f"{there} AND p.died IS NOT NULL", (LIFE,))
    yield _field("plausibleAfterBirth", table, column, born)
    yield _field("plausibleBeforeDeath", table, column, died)
    if table.name == "observation_period":
        return
    outside = Rows(f"o.observed IS NULL OR NOT o.observed @> {day}", there, (PERIOD,))
    yield _field("withinObservationPeriod", table, column, outside)
    if (
        "visit_occurrence_id" in table.columns
        and table.name != "visit_occurrence"
        and "_end_" not in column.name
    ):
        far = f"{day} NOT BETWEEN v.first - {_AROUND_VISIT} AND v.last + {_AROUND_VISIT}"
        yield _field(
            "withinVisitDates", table, column, Rows(far, f"{there} AND v.first IS NOT NULL", (VISIT,))
        )


def _person_checks() -> Iterator[Check]:
    persons = "SELECT count(*) FROM omop.person"
    for table in tables():
        if "person_id" not in table.columns or table.name == "person":
            continue
        without = (
            "SELECT person_id AS id FROM omop.person WHERE NOT EXISTS"  # noqa: S608
            f" (SELECT FROM {table.fullname} AS o WHERE o.person_id = person.person_id)"
        )
        yield Check(
            "measurePersonCompleteness", "TABLE", table.name, Found(without, persons), _origin(table),
            witness=("person", "person_id"),
        )  # fmt: skip
    among = "SELECT count(DISTINCT person_id) FROM omop.observation_period"
    yield Check(
        "measureObservationPeriodOverlap", "TABLE", "observation_period", Found(_OVERLAP, among), _CDM,
        witness=("person", "person_id"),
    )  # fmt: skip
    twice = (
        "person_source_value IN (SELECT person_source_value FROM omop.person GROUP BY 1 HAVING count(*) > 1)"
    )
    test = Found(
        f"SELECT person_id AS id FROM omop.person WHERE {twice}",  # noqa: S608
        "SELECT count(*) FROM omop.person WHERE person_source_value IS NOT NULL",
    )
    yield Check("uniqueSourceValue", "FIELD", "person", test, _CDM, "person_source_value")


#: Tables whose dates are not of a person's life.
_UNDATED = frozenset({"cdm_source", "metadata"})
#: Tables of the CDM itself; the others are extensions.
_OFFICIAL = frozenset(
    each.name
    for each in metadata.tables.values()
    if each.schema == OMOP
    and not each.name.startswith(("radiology", "image", "curation", "registration", "episode"))
)
_OVERLAP = """
    SELECT DISTINCT person_id AS id
    FROM (
        SELECT person_id, observation_period_start_date AS first, max(observation_period_end_date) OVER (
            PARTITION BY person_id ORDER BY observation_period_start_date, observation_period_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
        FROM omop.observation_period) AS period
    WHERE first <= before + 1
"""
