"""Checks of what leads from row to row, and from a row to the case and the rule that made it."""

from collections.abc import Iterator

from etl.identity import CASE_SHIFT, ITEM_BITS, MAX_RULE
from etl.mapping.bound import BaselineDate, Bound, Constant, Template
from etl.mapping.tables import EPISODE_EVENT, TARGETS, VISIT
from etl.quality.check import Check, Found
from etl.quality.limits import constants
from etl.quality.values import place
from omop_schema import OMOP

_PERSON = ("person", "person_id")


def link_checks() -> Iterator[Check]:
    """Links whose table a field concept names, and links between images, stay within one person."""
    for target in TARGETS.values():
        if target.link is not None:
            event, named = target.link
            some = f"(r.{event} IS NOT NULL OR coalesce(r.{named}, 0) <> 0)"
            lost = (
                f"SELECT r.{target.id_column} AS id FROM {OMOP}.{target.table} AS r"  # noqa: S608
                f" WHERE {some} AND NOT ({_resolved(event, named, 'r.person_id')})"
            )
            yield _link(target.table, event, lost, some)
    resolved = _resolved("event_id", "episode_event_field_concept_id", "e.person_id")
    lost = (
        "SELECT r.episode_id AS id FROM omop.episode_event AS r LEFT JOIN ("  # noqa: S608
        "SELECT episode_id, min(person_id) AS person_id FROM omop.episode GROUP BY episode_id) AS e"
        f" USING (episode_id) WHERE NOT ({resolved})"
    )
    yield _link(EPISODE_EVENT, "event_id", lost, "TRUE", witness=("episode", "episode_id"))
    yield _link("radiology_image", "radiology_occurrence_id", _SERIES, detail="radiology_occurrence")
    yield _link("image_feature", "image_occurrence_id", _FEATURE, detail="radiology_image")


def _link(
    table: str,
    column: str,
    lost: str,
    some: str = "",
    detail: str = "the table that its field concept names",
    witness: tuple[str, str] | None = None,
) -> Check:
    among = f"SELECT count(*) FROM {OMOP}.{table} AS r WHERE {some or f'r.{column} IS NOT NULL'}"  # noqa: S608
    origin = "links of the mapping language"
    return Check(
        "linkResolves", "FIELD", table, Found(lost, among), origin, column, detail=detail, witness=witness
    )  # fmt: skip


def _resolved(event: str, named: str, person: str) -> str:
    """Whether there is such a row. Its field concept decides which of the tables is looked at."""
    cases = " ".join(
        f"WHEN {target.field_concept} THEN EXISTS (SELECT FROM {OMOP}.{target.table} AS o"
        f" WHERE o.{target.id_column} = r.{event} AND o.person_id = {person})"
        for target in TARGETS.values()
        if target.field_concept is not None
    )
    return f"CASE coalesce(r.{named}, 0) {cases} ELSE false END"


def lineage_checks() -> Iterator[Check]:
    """The id of a row leads to a loaded case of that person, and to a rule for that table."""
    for target in TARGETS.values():
        key = f"r.{target.id_column}"
        lost = (
            f"SELECT {key} AS id FROM {OMOP}.{target.table} AS r"  # noqa: S608
            f" LEFT JOIN lake.cases AS k ON k.case_id = {key} >> {CASE_SHIFT}"
            " LEFT JOIN lake.plan_rules AS m ON m.plan = k.plan"
            f" AND m.rule_id = ({key} >> {ITEM_BITS} & {MAX_RULE}) AND m.target = '{target.table}'"
            " WHERE m.target IS NULL OR k.loaded_version IS NULL OR k.person_id <> r.person_id"
        )
        found = Found(lost, f"SELECT count(*) FROM {OMOP}.{target.table}")  # noqa: S608
        yield Check("rowLineage", "FIELD", target.table, found, "row ids", target.id_column)
    found = Found(_NOBODYS, "SELECT count(*) FROM omop.person")
    yield Check("rowLineage", "FIELD", "person", found, "row ids", "person_id")


def case_checks(mapping: Bound) -> Iterator[Check]:
    """What every loaded case of a mapping has: a visit at its baseline, a note of its form."""
    cases = f"FROM lake.cases AS k WHERE mapping = '{mapping.told.name}' AND loaded_version IS NOT NULL"
    among = f"SELECT count(DISTINCT person_id) {cases}"
    for rule in mapping.visits:
        concept, told = constants(rule.concept), mapping.told.baseline
        if (
            told is not None
            and rule.date == (BaselineDate(),)
            and not rule.scope
            and concept
            and len(concept) == 1
        ):
            lost = (
                f"SELECT c.person_id AS id FROM (SELECT DISTINCT person_id {cases}) AS c LEFT JOIN ("  # noqa: S608
                "SELECT person_id, count(*) AS visits, count(DISTINCT visit_occurrence_id >> 32) AS cases,"
                f" bool_and(visit_start_datetime::date = DATE '{told.is_}') AS there FROM {OMOP}.{VISIT}"
                f" WHERE visit_concept_id = {next(iter(concept))} GROUP BY person_id) AS v USING (person_id)"
                " WHERE v.visits IS NULL OR v.visits <> v.cases OR NOT coalesce(v.there, false)"
            )
            yield Check(
                "oneBaselineVisit", "TABLE", VISIT, Found(lost, among), place(rule),
                part=mapping.told.name, detail=str(told.is_), witness=_PERSON,
            )  # fmt: skip
    for rule in mapping.rules:
        text, title = rule.columns.get("note_text"), rule.columns.get("note_title")
        form = mapping.keys.get("form")
        if not isinstance(text, Template) or not isinstance(title, Constant) or len(text.parts) != 1:
            continue
        if isinstance(text.parts[0], str) or text.parts[0].segments != form:
            continue
        there = (
            "SELECT FROM omop.note AS n WHERE n.person_id = k.person_id AND n.note_id >> 32 = k.case_id"
            f" AND n.note_title = '{title.value}' AND n.note_text = k.form"
        )
        lost = f"SELECT DISTINCT person_id AS id {cases} AND NOT EXISTS ({there})"
        yield Check(
            "useCaseNote", "TABLE", "note", Found(lost, among), place(rule),
            part=mapping.told.name, detail=str(title.value), witness=_PERSON,
        )  # fmt: skip


_NOBODYS = """
    SELECT person_id AS id FROM omop.person WHERE NOT EXISTS (
        SELECT FROM lake.cases AS k WHERE k.person_id = person.person_id AND k.loaded_version IS NOT NULL)
"""
_SERIES = """
    SELECT r.image_id AS id FROM omop.radiology_image AS r
    WHERE r.radiology_occurrence_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM omop.radiology_occurrence AS o
        WHERE o.radiology_occurrence_id = r.radiology_occurrence_id AND o.person_id = r.person_id
            AND o.study_instance_uid = r.study_instance_uid)
"""
_FEATURE = """
    SELECT r.image_feature_id AS id FROM omop.image_feature AS r
    WHERE r.image_occurrence_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM omop.radiology_image AS o
        WHERE o.image_id = r.image_occurrence_id AND o.person_id = r.person_id
            AND o.series_instance_uid = r.series_instance_uid)
"""
