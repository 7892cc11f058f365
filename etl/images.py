"""Studies and series as OMOP holds them: merged from what all cases of a person say of them.

The scan of its headers knows a series best; the form knows when it was made, at which visit, by which
procedure. Of several that say the same thing, the newest case counts. A row keeps its id as long as there is
a statement of that id, so that lineage leads from it to a case; no row is made before there is a person.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, TextClause, text

from etl.delete import delete_cases, delete_rows
from etl.dicom.tags import keywords
from omop_schema.imaging import radiology_image, radiology_occurrence
from omop_schema.statements import FOLLOWS, STATEMENTS

#: The mapping of scanned headers.
HEADERS = "dicom"


def store_images(connection: Connection, persons: Iterable[int]) -> None:
    """Merge anew what is said of the studies and series of these persons, in the caller's transaction.

    Curations of series that are no longer known are released: they wait for their series again. A statement
    on another person's study or series is not merged, and its case has a problem, until that person's cases
    speak of it no more.
    """
    values: dict[str, Any] = {"persons": sorted(set(persons)), "headers": HEADERS}
    if not connection.execute(_ANY, values).scalar_one():
        return
    heirs = connection.execute(_HEIRS, values).scalars().all()
    values["persons"] = sorted({*values["persons"], *heirs})
    release_curations(connection, connection.execute(_WITHOUT_SERIES, values).scalars().all())
    connection.execute(_merging(), values | _levels())


def release_curations(connection: Connection, cases: Iterable[int]) -> int:
    """Forget these cases of curations, but not the curations, and say how many rows went."""
    released = list(cases)
    if not released:
        return 0
    rows = delete_rows(connection, released)
    connection.execute(_RELEASE, {"cases": released})
    delete_cases(connection, released)
    return rows


def count_images(connection: Connection, persons: Iterable[int]) -> int:
    """How many rows of studies and series OMOP has of these persons."""
    return int(connection.execute(_COUNT_IMAGES, {"persons": list(persons)}).scalar_one())


def waiting_series(connection: Connection, series: Iterable[str]) -> int:
    """How many of these series OMOP does not have: no form of their patient came, or they are another's."""
    return int(connection.execute(_WAITING, {"series": list(series)}).scalar_one())


def contenders(connection: Connection, persons: Iterable[int]) -> list[int]:
    """Other persons whose cases speak of studies or series that these persons have now."""
    return list(connection.execute(_CONTENDERS, {"persons": list(persons)}).scalars())


def _levels() -> dict[str, list[str]]:
    """What DICOM says of studies and of series, by keyword, as the merging asks it."""
    return {"of_study": list(keywords("study", "instance")), "of_study_alone": list(keywords("study"))}


@cache
def _merging() -> TextClause:
    """All steps in one round trip: each sees what the last one did."""
    study, series = (radiology_occurrence, "study_instance_uid"), (radiology_image, "series_instance_uid")
    steps = (
        _renumber(*series),
        _renumber(*study),
        _forget(*series),
        _forget(*study),
        _merge(*study),
        _merge(*series),
        _COUNT,
        _LINK_FEATURES,
        _UNTELL,
        _tell(*study),
        _tell(*series),
    )
    return text(";\n".join(steps))


def _key(table: Table) -> str:
    return next(iter(table.primary_key.columns)).name


def _renumber(table: Table, uid: str) -> str:
    """Take ids away that are no statement's on the same UID any more; merging gives others."""
    key, said = _key(table), STATEMENTS[table.name]
    return (
        f"UPDATE omop.{table.name} AS known SET {key} = -{key}"  # noqa: S608 - names of our own tables
        f" WHERE person_id = ANY(:persons) AND {key} > 0 AND NOT EXISTS (SELECT FROM lake.{said.name} AS said"
        f" WHERE said.{key} = known.{key} AND said.{uid} = known.{uid} AND said.person_id = known.person_id)"
    )


def _forget(table: Table, uid: str) -> str:
    said = STATEMENTS[table.name]
    return (
        f"DELETE FROM omop.{table.name} AS known"  # noqa: S608 - names of our own tables
        f" WHERE person_id = ANY(:persons) AND NOT EXISTS (SELECT FROM lake.{said.name} AS said"
        f" WHERE said.person_id = known.person_id AND said.{uid} = known.{uid})"
    )


def _merge(table: Table, uid: str) -> str:
    """Write the rows of what is said; where several persons speak of a UID, those of whom it is already."""
    key, said = _key(table), STATEMENTS[table.name]
    columns = [each.name for each in table.columns if each.name not in {key, "person_id", uid, *FOLLOWS}]
    parent = ["radiology_occurrence_id"] if table is radiology_image else []
    of_study = [*parent, *_STUDY_DAYS.values()] if parent else []
    day = "" if parent else f", {_DAY.format(key=key, uid=uid)}"
    days = "" if parent else _DAYS_OF_SERIES
    undated = f", {_UNDATED} AS undated" if parent else ""
    of_form = f", {_OF_FORM} AS of_form" if parent else ""
    study = " JOIN omop.radiology_occurrence AS study USING (study_instance_uid, person_id)" if parent else ""
    names = ["person_id", uid, *columns, *parent]
    new, old = (", ".join(f"{row}.{name}" for name in (key, *names)) for row in ("excluded", "known"))
    return (
        f"WITH said AS (SELECT said.*, cases.case_id, cases.mapping = :headers AS header{day}"  # noqa: S608
        f" FROM lake.{said.name} AS said JOIN omop.person USING (person_id)"
        f" JOIN lake.cases ON cases.case_id = (said.{key} >> 32)::integer{days}"
        f" WHERE said.person_id = ANY(:persons)), merged AS (SELECT person_id, {uid},"
        f" min({key}) AS first, array_agg({key}) AS ids, {', '.join(_first(table, name) for name in columns)}"
        f"{undated} FROM said GROUP BY person_id, {uid}), chosen AS (SELECT DISTINCT ON (merged.{uid})"
        f" merged.*{''.join(f', study.{name}' for name in of_study)}{of_form} FROM merged{study}"
        f" LEFT JOIN omop.{table.name} AS holder ON holder.{uid} = merged.{uid} ORDER BY merged.{uid},"
        " coalesce(holder.person_id = merged.person_id, false) DESC, merged.first)"
        f" INSERT INTO omop.{table.name} AS known ({key}, {', '.join(names)})"
        f" SELECT coalesce(old.{key}, first), {', '.join(map(_chosen, names))} FROM chosen"
        f" LEFT JOIN omop.{table.name} AS old ON old.{uid} = chosen.{uid} AND old.{key} = ANY(ids)"
        f" ORDER BY chosen.{uid} ON CONFLICT ({uid}) DO UPDATE SET ({key}, {', '.join(names)}) = ROW ({new})"
        f" WHERE known.person_id = excluded.person_id AND ({old}) IS DISTINCT FROM ({new})"
    )


def _chosen(name: str) -> str:
    """A column of what was merged: a series that forms name without a day has its study's.

    Its header's own day goes before one that only headers give the study.
    """
    if name in _STUDY_DAYS:
        studys = f"undated AND (of_form OR chosen.series_date IS NULL) THEN chosen.{_STUDY_DAYS[name]}"
        return f"coalesce(CASE WHEN {studys} END, chosen.{name})"
    return f"chosen.{name}"


def _first(table: Table, name: str) -> str:
    """The first that is said of a column: by the headers, but for days and links by the form."""
    key, column = _key(table), table.columns[name]
    mapped = name.endswith("concept_id")
    value = f"nullif({name}, 0)" if mapped else name
    form_first = name.endswith(("_date", "_datetime")) or name in _LINKS
    # A study is what its first series were: what tools derive from them comes later.
    newest = "DESC" if table is radiology_image else "ASC"
    told = "" if table is radiology_image else " told DESC,"
    order = f"header {'ASC' if form_first else 'DESC'},{told} case_id {newest}, {key}"
    # An examination of another day is not the one that the study was made in.
    fits = " AND (radiology_occurrence_date = day) IS NOT FALSE" if name in _LINKS else ""
    found = f"(array_agg({value} ORDER BY {order}) FILTER (WHERE {value} IS NOT NULL{fits}))[1]"
    if name == "attributes":
        return f"{_OF_SERIES if table is radiology_image else _OF_STUDY} AS {name}".format(found)
    return f"coalesce({found}, 0) AS {name}" if mapped and not column.nullable else f"{found} AS {name}"


def _tell(table: Table, uid: str) -> str:
    """A problem for each statement on what is another person's."""
    key, said = _key(table), STATEMENTS[table.name]
    return (
        "INSERT INTO lake.problems (case_id, version, rule_id, kind, path, reason)"  # noqa: S608
        f" SELECT cases.case_id, cases.loaded_version, (said.{key} >> 20 & 4095)::smallint, 'invalid',"
        f" coalesce((SELECT item_path FROM lake.lineage(said.{key})), '$'), '{uid}{_ANOTHERS}'"
        f" FROM lake.{said.name} AS said JOIN omop.person USING (person_id)"
        f" JOIN lake.cases ON cases.case_id = (said.{key} >> 32)::integer"
        " WHERE said.person_id = ANY(:persons) AND cases.loaded_version IS NOT NULL"
        f" AND NOT EXISTS (SELECT FROM omop.{table.name} AS known"
        f" WHERE known.{uid} = said.{uid} AND known.person_id = said.person_id)"
        f" ORDER BY said.{key}"
    )


# Each header says everything; a study has what is DICOM's of studies, the series have the rest.
_OF_STUDY = """(
    SELECT jsonb_object_agg(key, value) FROM jsonb_each({}) WHERE key = ANY(CAST(:of_study AS text[])))"""
_OF_SERIES = "({}) - CAST(:of_study_alone AS text[])"
#: Ends what is told of a statement on another patient's study or series, after the name of the UID.
_ANOTHERS = " is that of another patient; nothing of it was stored"
_LINKS = ("visit_occurrence_id", "procedure_occurrence_id", "condition_occurrence_id")

#: A series' days, and what its study has for them.
_STUDY_DAYS = {
    "series_date": "radiology_occurrence_date",
    "series_datetime": "radiology_occurrence_datetime",
}
_UNDATED = "bool_or(NOT header) AND NOT bool_or(NOT header AND series_date IS NOT NULL)"
_OF_FORM = """EXISTS (
    SELECT FROM lake.study_statements AS form
        JOIN lake.cases ON cases.case_id = (form.radiology_occurrence_id >> 32)::integer
    WHERE form.person_id = merged.person_id AND form.study_instance_uid = merged.study_instance_uid
        AND form.radiology_occurrence_date IS NOT NULL AND cases.mapping <> :headers)"""
# What a form says of a study that it gives no day has the day of a visit. A day that a form gives a series of
# the study goes before it, whichever came first.
_DAYS_OF_SERIES = """ LEFT JOIN (
        SELECT DISTINCT series.person_id, series.study_instance_uid, series.series_date
        FROM lake.series_statements AS series JOIN lake.cases ON case_id = (series.image_id >> 32)::integer
        WHERE series.person_id = ANY(:persons) AND cases.mapping <> :headers
    ) AS given ON cases.mapping <> :headers AND given.person_id = said.person_id
        AND given.study_instance_uid = said.study_instance_uid
        AND given.series_date = said.radiology_occurrence_date"""
# Whether a form gives a series this day, and the day of the study that it is said of: the first that is said.
_DAY = """given.series_date IS NOT NULL AS told, first_value(said.radiology_occurrence_date) OVER (
    PARTITION BY said.person_id, said.{uid}
    ORDER BY said.radiology_occurrence_date IS NULL, cases.mapping = :headers, given.series_date IS NULL,
        cases.case_id, said.{key}
) AS day"""

_ANY = text("""
    SELECT EXISTS (SELECT FROM lake.study_statements WHERE person_id = ANY(:persons))
        OR EXISTS (SELECT FROM lake.series_statements WHERE person_id = ANY(:persons))
        OR EXISTS (SELECT FROM omop.radiology_occurrence WHERE person_id = ANY(:persons))
        OR EXISTS (
            SELECT FROM lake.curations JOIN lake.cases USING (case_id) WHERE person_id = ANY(:persons))
""")
# Who else speaks of what these persons' cases speak of no more.
_HEIRS = text("""
    SELECT person_id FROM lake.patients WHERE person_id IN (
        SELECT said.person_id
        FROM omop.radiology_occurrence AS known JOIN lake.study_statements AS said USING (study_instance_uid)
        WHERE known.person_id = ANY(:persons) AND said.person_id <> known.person_id AND NOT EXISTS (
            SELECT FROM lake.study_statements AS own WHERE own.person_id = known.person_id
                AND own.study_instance_uid = known.study_instance_uid)
        UNION
        SELECT said.person_id
        FROM omop.radiology_image AS known JOIN lake.series_statements AS said USING (series_instance_uid)
        WHERE known.person_id = ANY(:persons) AND said.person_id <> known.person_id AND NOT EXISTS (
            SELECT FROM lake.series_statements AS own WHERE own.person_id = known.person_id
                AND own.series_instance_uid = known.series_instance_uid))
    ORDER BY person_id FOR NO KEY UPDATE
""")
# A series is known that a case speaks of, of a person that there is.
_WITHOUT_SERIES = text("""
    SELECT DISTINCT case_id FROM lake.curations JOIN lake.cases USING (case_id)
    WHERE person_id = ANY(:persons) AND NOT EXISTS (
        SELECT FROM lake.series_statements AS said JOIN omop.radiology_image AS image
            USING (person_id, series_instance_uid)
        WHERE said.person_id = cases.person_id AND said.series_instance_uid = source_series_uid)
    ORDER BY case_id
""")
_RELEASE = text("UPDATE lake.curations SET case_id = NULL WHERE case_id = ANY(:cases)")
_COUNT_IMAGES = text("""
    SELECT (SELECT count(*) FROM omop.radiology_occurrence WHERE person_id = ANY(CAST(:persons AS bigint[])))
        + (SELECT count(*) FROM omop.radiology_image WHERE person_id = ANY(CAST(:persons AS bigint[])))
""")
_WAITING = text("""
    SELECT count(*) FROM unnest(CAST(:series AS text[])) AS said (uid)
    WHERE NOT EXISTS (SELECT FROM omop.radiology_image WHERE series_instance_uid = uid)
""")
_CONTENDERS = text("""
    SELECT DISTINCT said.person_id
    FROM omop.radiology_occurrence AS known JOIN lake.study_statements AS said USING (study_instance_uid)
    WHERE known.person_id = ANY(:persons) AND said.person_id <> ALL(:persons)
    UNION
    SELECT DISTINCT said.person_id
    FROM omop.radiology_image AS known JOIN lake.series_statements AS said USING (series_instance_uid)
    WHERE known.person_id = ANY(:persons) AND said.person_id <> ALL(:persons)
""")
_UNTELL = f"""
    DELETE FROM lake.problems USING lake.cases
    WHERE problems.case_id = cases.case_id AND person_id = ANY(:persons)
        AND kind = 'invalid' AND reason LIKE '%{_ANOTHERS}'
"""  # noqa: S608 - our own words
_COUNT = """
    UPDATE omop.radiology_occurrence AS study
    SET count_of_series = counted.series, image_total_count = counted.images
    FROM (
        SELECT radiology_occurrence_id, count(image_id) AS series, sum(image_count) AS images
        FROM omop.radiology_occurrence LEFT JOIN omop.radiology_image USING (radiology_occurrence_id)
        WHERE radiology_occurrence.person_id = ANY(:persons) GROUP BY radiology_occurrence_id) AS counted
    WHERE study.radiology_occurrence_id = counted.radiology_occurrence_id
        AND (count_of_series, image_total_count) IS DISTINCT FROM (counted.series, counted.images)
"""
_LINK_FEATURES = """
    UPDATE omop.image_feature SET image_occurrence_id = image_id
    FROM omop.radiology_image AS image
    WHERE image_feature.series_instance_uid = image.series_instance_uid
        AND image_feature.person_id = ANY(:persons) AND image_occurrence_id IS DISTINCT FROM image_id
"""
