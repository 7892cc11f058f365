"""Complete: curations that waited for their series become cases of the series' patient, and are loaded.

A curation names no patient, but a series. Until that series is in OMOP, the curation is landed and pending.
"""

from collections.abc import Callable, Iterable, Mapping

from sqlalchemy import Connection, text

from etl.land import Landed
from etl.load import Counts, load_later
from etl.pick import BATCH, newest
from etl.plan import Plan
from etl.validate import validator_of

#: The mapping of what was done to series.
CURATION = "curation"


def complete(
    connection: Connection,
    plan_of: Callable[[], Plan],
    *,
    persons: Iterable[int] | None = None,
    curation: int | None = None,
) -> Counts:
    """Load the pending curations whose series is known by now: of these persons, this one, or all.

    ``plan_of`` gives the Plan of curations, and is asked only when there is something to do. The connection
    must be outside a transaction. A curation that is not its sender's to post stays pending. Where loading
    is cut short, the case is a landed one like others, and loaded as they are.
    """
    named = None if persons is None else sorted(set(persons))
    values = {"persons": named, "curation": curation, "limit": BATCH}
    counts = Counts()
    with connection.begin():
        if not connection.execute(_ANY, values).scalar_one():
            return counts
    plan = plan_of()
    while found := _become_cases(connection, values):
        counts += load_later(connection, plan, validator_of(plan), found)
    return counts


def _become_cases(connection: Connection, values: Mapping[str, object]) -> list[Landed]:
    with connection.begin():
        connection.execute(_WAITING, values)
        cases = sorted(set(connection.execute(_CASES).scalars()))
        return [each for batch in newest(connection, cases) for each in batch]


_KNOWN = """
    FROM lake.curations JOIN lake.uploads USING (upload_id)
    JOIN omop.radiology_image AS image ON image.series_instance_uid = source_series_uid
    JOIN lake.patients ON patients.person_id = image.person_id
    CROSS JOIN LATERAL (
        SELECT cases.organisation FROM lake.cases
        WHERE cases.person_id = image.person_id ORDER BY organisation IS NULL, case_id LIMIT 1) AS owner
    WHERE curations.case_id IS NULL
        AND (CAST(:persons AS bigint[]) IS NULL OR image.person_id = ANY(CAST(:persons AS bigint[])))
        AND (CAST(:curation AS bigint) IS NULL OR curation_id = :curation)
        AND (everywhere OR owner.organisation = uploads.organisation)
"""
_ANY = text(f"SELECT EXISTS (SELECT {_KNOWN})")
# Each string is one round trip. Whoever makes a case locks its patient first.
_WAITING = text(f"""
    CREATE TEMPORARY TABLE waiting ON COMMIT DROP AS
    SELECT curation_id, curations.upload_id, digest, image.person_id, patients.patient_id, owner.organisation,
        curation_function || ' ' || left(encode(digest, 'hex'), 16) AS form
    {_KNOWN}
    ORDER BY curation_id LIMIT :limit;

    SELECT FROM waiting JOIN lake.patients USING (person_id)
    ORDER BY person_id FOR NO KEY UPDATE OF patients
""")  # noqa: S608 - our own words
# The same document from two organisations is one case.
_CASES = text("""
    INSERT INTO lake.cases (mapping, patient_id, form, person_id, organisation, version)
    SELECT DISTINCT 'curation', patient_id, form, person_id, organisation, 1 FROM waiting
    ON CONFLICT DO NOTHING;

    INSERT INTO lake.documents (case_id, version, upload_id, position, digest, document)
    SELECT DISTINCT ON (cases.case_id) cases.case_id, 1, waiting.upload_id, 1, waiting.digest, document
    FROM waiting JOIN lake.curations USING (curation_id)
    JOIN lake.cases USING (patient_id, form)
    WHERE cases.mapping = 'curation'
        AND NOT EXISTS (SELECT FROM lake.documents AS known WHERE known.case_id = cases.case_id)
    ORDER BY cases.case_id, curation_id;

    UPDATE lake.curations SET case_id = cases.case_id
    FROM waiting JOIN lake.cases USING (patient_id, form)
    WHERE cases.mapping = 'curation' AND curations.curation_id = waiting.curation_id
    RETURNING curations.case_id
""")
