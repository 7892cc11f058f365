"""Asking for curated series in a large lake. Floor: the same, of a table where the answers stand ready.

Both sides ask docs/queries/coregistered.sql of the database itself; the floor's DWI are looked up in a table
of those that were co-registered, made beforehand. Patients (with PSA, stage and grade), studies and their
ten series, two of them derived, and what was done to them are written by SQL, with the ids that a load gives
its rows: the views read case and rule from them. ``--cases`` is the number of series.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from sqlalchemy import Connection, Engine, text

from tests.benchmarks.databases import fresh, template
from tests.benchmarks.measure import Report, Setting, Taken, alternate, timed

SERIES = 1_000_000
QUERY = Path(__file__).parents[2].joinpath("docs", "queries", "coregistered.sql").read_text(encoding="utf-8")
_PER_STUDY, _PER_PATIENT = 10, 2

_FILL = (
    # A patient has one case, of another number, and that one document.
    text("""
        INSERT INTO lake.patients (person_id, patient_id) OVERRIDING SYSTEM VALUE
        SELECT number, 'P' || number FROM generate_series(1, CAST(:patients AS bigint)) AS number
    """),
    text("""
        INSERT INTO lake.cases (case_id, mapping, patient_id, form, person_id, version, loaded_version)
        OVERRIDING SYSTEM VALUE
        SELECT person_id + :patients, 'prostate', patient_id, '1+2', person_id, 1, 1 FROM lake.patients
    """),
    text("""
        WITH upload AS (
            INSERT INTO lake.uploads (uploader, source, mapping, bytes, sha256)
            VALUES ('somebody', 'cases.ndjson', 'prostate', 2, sha256('')) RETURNING upload_id)
        INSERT INTO lake.documents (case_id, version, upload_id, position, digest, document)
        SELECT case_id, version, upload_id, person_id, sha256(''), CAST('{}' AS jsonb) FROM lake.cases, upload
    """),
    text("""
        INSERT INTO omop.person (person_id, gender_concept_id, year_of_birth, race_concept_id,
            ethnicity_concept_id, gender_source_concept_id, race_source_concept_id,
            ethnicity_source_concept_id)
        SELECT person_id, 8507, 1925 + person_id % 25, 0, 0, 0, 0, 0 FROM lake.patients
    """),
    # The id of the first row that each rule would make of each case, as in etl/identity.py.
    text("""
        CREATE VIEW public.made AS
        SELECT person_id, case_id, name,
            (CAST(case_id AS bigint) << 32) + (CAST(rule_id AS bigint) << 20) AS row_id
        FROM lake.cases JOIN lake.rules USING (mapping)
    """),
    text("""
        INSERT INTO omop.visit_occurrence (visit_occurrence_id, person_id, visit_concept_id, visit_start_date,
            visit_start_datetime, visit_end_date, visit_end_datetime, visit_type_concept_id,
            visit_source_concept_id, admitted_from_concept_id, discharge_to_concept_id)
        SELECT row_id, person_id, concept, day, day, day, day, 32809, 0, 0, 0
        FROM public.made JOIN (VALUES ('visit.baseline', 2000000007, DATE '2000-01-01'),
            ('visit.imaging', 2000000009, DATE '2000-01-20')) AS said (name, concept, day) USING (name)
    """),
    text("""
        INSERT INTO omop.note (note_id, person_id, note_event_field_concept_id, note_date, note_datetime,
            note_type_concept_id, note_class_concept_id, note_title, note_text, encoding_concept_id,
            language_concept_id)
        SELECT row_id, person_id, 0, DATE '2000-01-01', DATE '2000-01-01', 32809, 706391, 'useCaseType',
            '1+2', 32678, 4180186
        FROM public.made WHERE name = 'use_case_type'
    """),
    text("""
        INSERT INTO omop.condition_occurrence (condition_occurrence_id, person_id, condition_concept_id,
            condition_start_date, condition_start_datetime, condition_type_concept_id,
            condition_status_concept_id, condition_source_concept_id)
        SELECT row_id + lesion, person_id, 200962, DATE '2000-01-20', DATE '2000-01-20', 32809, 0, 0
        FROM public.made, generate_series(0, 1) AS lesion WHERE name = 'lesion'
    """),
    # PSA, stage, and patterns of the grade of two lesions.
    text("""
        INSERT INTO omop.measurement (measurement_id, person_id, measurement_concept_id, measurement_date,
            measurement_datetime, measurement_type_concept_id, measurement_source_concept_id, value_as_number,
            value_source_value, visit_occurrence_id)
        SELECT made.row_id + item, made.person_id, concept, day, day, 32809, 0, value,
            coalesce(code, CAST(value AS text)), visit.row_id
        FROM public.made, LATERAL (VALUES
            ('psa_total', 0, 'visit.baseline', 44793131, DATE '2000-01-01', person_id % 20 + 0.5, NULL),
            ('t_mri', 0, 'visit.imaging', 1539231, DATE '2000-01-20', NULL, 'cT2a'),
            ('lesion.gleason1', 0, 'visit.imaging', 4293445, DATE '2000-01-20', 3 + person_id % 3, NULL),
            ('lesion.gleason2', 0, 'visit.imaging', 4297948, DATE '2000-01-20', 3 + person_id % 2, NULL),
            ('lesion.gleason1', 1, 'visit.imaging', 4293445, DATE '2000-01-20', 3, NULL),
            ('lesion.gleason2', 1, 'visit.imaging', 4297948, DATE '2000-01-20', 3 + person_id % 5 / 4, NULL)
        ) AS said (rule, item, place, concept, day, value, code), public.made AS visit
        WHERE made.name = rule AND visit.case_id = made.case_id AND visit.name = place
    """),
    text("""
        INSERT INTO omop.radiology_occurrence (radiology_occurrence_id, person_id, study_instance_uid,
            radiology_occurrence_date, device_concept_id, radiology_modality_concept_id,
            radiology_protocol_concept_id)
        SELECT number, 1 + (number - 1) / :per_patient, '1.2.826.0.1.3680043.8.' || number,
            DATE '2000-01-20', 0, 0, 0
        FROM generate_series(1, CAST(:studies AS bigint)) AS number
    """),
    # In every tenth study, the header alone tells what a derived series came from.
    text("""
        INSERT INTO omop.radiology_image (image_id, radiology_occurrence_id, person_id, series_instance_uid,
            study_instance_uid, radiology_phase_concept_id, modality_concept_id, modality, image_count,
            series_description, magnetic_field_strength, attributes)
        SELECT study * :per_study + place, study, 1 + (study - 1) / :per_patient,
            '1.2.826.0.1.3680043.9.' || study || '.' || place, '1.2.826.0.1.3680043.8.' || study,
            0, 0, 'MR', 24,
            (ARRAY['T2 TSE axial', 'T2 TSE sagittal', 'DWI axial', 'ADC axial', 't1_vibe_dyn_tra', 'T1 axial',
                'localizer', 'T2 TSE coronal', 'corrected', 'aligned'])[place + 1],
            CASE WHEN study % 3 = 0 THEN 1.5 ELSE 3 END,
            CASE WHEN place = 8 AND study % 10 = 0
                THEN jsonb_build_object('ReferencedSeriesUIDs',
                    jsonb_build_array('1.2.826.0.1.3680043.9.' || study || '.2'))
                ELSE CAST('{"Rows": 384, "Columns": 384}' AS jsonb) END
        FROM generate_series(1, CAST(:studies AS bigint)) AS study,
            generate_series(0, :per_study - 1) AS place
    """),
    # In every second study the DWI is corrected, and in three of four of those aligned with the T2w.
    text("""
        INSERT INTO omop.curation_run (curation_run_id, person_id, curation_function, source_series_uid,
            static_series_uid, derived_series_uid, parameters)
        SELECT study * 2 + aligned, 1 + (study - 1) / :per_patient,
            (ARRAY['motion_correction', 'coregistration'])[aligned + 1],
            series || CASE aligned WHEN 0 THEN 2 ELSE 8 END,
            CASE aligned WHEN 1 THEN series || 0 END,
            CASE WHEN study % 10 > 0 THEN series || 8 + aligned END, CAST('{}' AS jsonb)
        FROM generate_series(1, CAST(:studies AS bigint)) AS study, generate_series(0, 1) AS aligned,
            LATERAL (SELECT '1.2.826.0.1.3680043.9.' || study || '.') AS whose (series)
        WHERE study % 2 = 0 AND (aligned = 0 OR study % 8 > 0)
    """),
    text("""
        INSERT INTO omop.curation_approval (curation_approval_id, person_id, source_series_uid,
            derived_series_uid, decision, decided_at)
        SELECT curation_run_id, person_id, source_series_uid, derived_series_uid,
            CASE WHEN curation_run_id % 5 = 0 THEN 'rejected' ELSE 'approved' END, TIMESTAMP '2000-02-01'
        FROM omop.curation_run WHERE derived_series_uid IS NOT NULL AND curation_run_id % 3 = 0
    """),
    # As the statements above have it: an alignment that was not rejected.
    text("""
        CREATE TABLE public.coregistered AS
        SELECT '1.2.826.0.1.3680043.9.' || study || '.' || place AS series_instance_uid
        FROM generate_series(1, CAST(:studies AS bigint)) AS study, unnest(ARRAY[2, 8]) AS place
        WHERE study % 2 = 0 AND study % 8 > 0 AND ((study * 2 + 1) % 15 > 0 OR study % 10 = 0)
    """),
    text("ALTER TABLE public.coregistered ADD PRIMARY KEY (series_instance_uid)"),
)
_VACUUM = text("VACUUM ANALYZE")
#: What the floor asks in the place of the column.
_READY = "EXISTS (SELECT FROM public.coregistered WHERE series_instance_uid = dwi.series_instance_uid)"
_OTHERS = {
    "what is said of every patient": """
        SELECT count(*), count(psa), count(isup_grade), count(clinical_t), count(use_cases)
        FROM research.patient""",
    "every flag of every series": """
        SELECT count(*) FILTER (WHERE is_motion_corrected), count(*) FILTER (WHERE is_coregistered),
            count(*) FILTER (WHERE is_approved), count(*) FILTER (WHERE has_motion_correction),
            count(*) FILTER (WHERE has_coregistration), count(*) FILTER (WHERE has_approval)
        FROM research.series""",
    "no flag": "SELECT count(*) FROM research.series WHERE field_strength = 3",
    "every flag of one series": """
        SELECT is_motion_corrected, is_coregistered, is_approved, has_motion_correction, has_coregistration,
            has_approval FROM research.series WHERE series_instance_uid = '1.2.826.0.1.3680043.9.2.2'""",
}


class NothingFound(AssertionError):
    """The query found no series, or knew nothing of their patients: how long that takes means nothing."""


def measure(setting: Setting) -> Report:
    """Ask for curated series, and of the table that has them. Raises NothingFound when there were none."""
    studies = max((setting.cases or SERIES) // _PER_STUDY, _PER_PATIENT)
    with ExitStack() as stack:
        name = stack.enter_context(template(setting.server_url))
        engine = stack.enter_context(fresh(setting.server_url, name))
        fill(engine, studies)
        connection = stack.enter_context(engine.connect())
        asked, ready = QUERY, QUERY.replace("dwi.has_coregistration", _READY)
        size = studies * _PER_STUDY
        _ask(connection, asked, size)
        pairs = alternate(
            lambda: _ask(connection, asked, size), lambda: _ask(connection, ready, size), setting.pairs
        )
        return Report("curated", pairs, tuple(_notes(connection)))


def fill(engine: Engine, studies: int) -> None:
    """A lake of so many studies, half of them curated."""
    values = {
        "patients": -(-studies // _PER_PATIENT),
        "studies": studies,
        "per_patient": _PER_PATIENT,
        "per_study": _PER_STUDY,
    }
    with engine.begin() as connection:
        for statement in _FILL:
            connection.execute(statement, values)
    # As autovacuum does by and by: not while it is measured.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(_VACUUM)


def _ask(connection: Connection, query: str, size: int) -> Taken:
    seconds, found = timed(lambda: connection.exec_driver_sql(query).all())
    connection.rollback()
    if not found:
        raise NothingFound("the query found no series: see what the views of the mapping read of its rules")
    if unknown := sum(None in row for row in found):
        raise NothingFound(f"{unknown} of {len(found)} series have an empty column: see what the views read")
    return Taken(seconds, size, len(found), hashlib.sha256(repr(found).encode()).hexdigest())


def _notes(connection: Connection) -> Iterator[str]:
    for name, query in _OTHERS.items():
        begin = perf_counter()
        (row,) = connection.exec_driver_sql(query).all()
        yield f"{name:<30} {1000 * (perf_counter() - begin):9.1f} ms  {', '.join(map(str, row))}"
