"""Searches of images by their attributes in a large lake. Floor: one small SELECT over the same HTTP.

The floor is ``/readyz``, which asks the database for one row and needs no token; ours are answered with
whole pages, to a token, with the audit trail on the disk. Patients, studies (ten series each) and series are
written by SQL; ``--cases`` is the number of series. Every other patient has dummies, as de-identification
writes them: one name and one birth date for all, and one accession number, which those of the provider who
stopped lack.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta

import orjson
from sqlalchemy import Engine, text

from tests.benchmarks.databases import fresh, template
from tests.benchmarks.measure import Report, Setting, Taken, alternate
from tests.benchmarks.race import percentiles, race
from tests.benchmarks.service import Client, connected, headers, served

SERIES = 1_000_000
#: How often each search is asked for in a pair.
TIMES = 20
#: Providers; the last one stopped long ago, and its patients are the oldest.
PROVIDERS = 12
_PER_STUDY, _PER_PATIENT = 10, 2
#: Studies of a patient with a name and of the next one, who has dummies.
_TURN = 2 * _PER_PATIENT
#: As many attributes as a header has after de-identification.
_HEADER = {
    "Modality": "MR", "Rows": 384, "Columns": 384, "FlipAngle": 160, "ScanOptions": ["PFP", "FS"],
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "NORM", "DIS2D"], "PixelSpacing": [0.5208333, 0.5208333],
    "SequenceName": "*tse2d1_25", "PatientPosition": "FFS", "SequenceVariant": ["SK", "SP", "OSP"],
    "SoftwareVersions": ["syngo MR E11"], "ScanningSequence": ["SE"], "AcquisitionMatrix": [0, 384, 269, 0],
    "MRAcquisitionType": "2D", "BodyPartExamined": "PROSTATE", "EchoTrainLength": 25,
    "NumberOfAverages": 3, "ImagingFrequency": 123.253, "SpacingBetweenSlices": 3.6,
    "FrameOfReferenceUID": "1.2.826.0.1.3680043.8.9",
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PatientIdentityRemoved": "YES", "PatientSex": "M",
    "LongitudinalTemporalInformationModified": "MODIFIED", "AcquisitionPlane": "axial", "PatientAge": "067Y",
    "DeidentificationMethodCodeSequence": [
        {"CodeValue": code, "CodeMeaning": "An option of the profile", "CodingSchemeDesignator": "DCM"}
        for code in ("113100", "113105", "113107", "113108", "113109", "113111")
    ],
}  # fmt: skip

_FILL = (
    text("""
        INSERT INTO lake.patients (person_id, patient_id) OVERRIDING SYSTEM VALUE
        SELECT number, 'PCa-' || number FROM generate_series(1, CAST(:patients AS bigint)) AS number
    """),
    text("""
        INSERT INTO lake.cases (mapping, patient_id, form, person_id, organisation, version)
        SELECT 'prostate', patient_id, '1', person_id,
            'provider' || CASE WHEN person_id <= :patients / 20 THEN :providers - 1
                ELSE person_id % (:providers - 1) END, 1
        FROM lake.patients
    """),
    text("""
        INSERT INTO omop.person (person_id, gender_concept_id, year_of_birth, race_concept_id,
            ethnicity_concept_id, person_source_value, gender_source_concept_id, race_source_concept_id,
            ethnicity_source_concept_id)
        SELECT person_id, 8507, 1935, 0, 0, patient_id, 0, 0, 0 FROM lake.patients
    """),
    text("""
        INSERT INTO omop.radiology_occurrence (radiology_occurrence_id, person_id, study_instance_uid,
            radiology_occurrence_date, device_concept_id, radiology_modality_concept_id,
            radiology_protocol_concept_id, accession_number, study_description, count_of_series,
            image_total_count, attributes)
        SELECT number, person, '1.2.826.0.1.3680043.8.' || number,
            DATE '2000-01-01' + CAST(number * 7919 % 3650 AS integer), 0, 0, 0,
            CASE WHEN NOT dummy THEN 'A' || number WHEN person > :patients / 20 THEN '0' END,
            'Description ' || number % 61, :per_study, :per_study * 24,
            CAST(:header AS jsonb) || jsonb_build_object(
                'PatientName', CASE WHEN dummy THEN 'ANON'
                    ELSE 'Family' || number * 31 % 997 || '^Given' || number * 17 % 211 END,
                'ReferringPhysicianName', 'Doctor' || number % 307 || '^Who',
                'PatientBirthDate', CASE WHEN dummy THEN '1900-01-01'
                    ELSE CAST(DATE '1920-01-01' + CAST(number * 104729 % 14600 AS integer) AS text) END)
        FROM generate_series(1, CAST(:studies AS bigint)) AS number,
            LATERAL (SELECT 1 + (number - 1) / :per_patient) AS whose (person),
            LATERAL (SELECT person % 2 = 0) AS are (dummy)
    """),
    text("""
        INSERT INTO omop.radiology_image (image_id, radiology_occurrence_id, person_id, series_instance_uid,
            study_instance_uid, radiology_phase_concept_id, modality_concept_id, modality, image_count,
            image_no, manufacturer_model_name, series_description, magnetic_field_strength, attributes)
        SELECT number, study, 1 + (study - 1) / :per_patient, '1.2.826.0.1.3680043.9.' || number,
            '1.2.826.0.1.3680043.8.' || study, 0, 0,
            coalesce((ARRAY['SEG', 'CT', 'CT', 'PT'])[1 + number * 7907 % 41], 'MR'), 24, number % :per_study,
            'Model ' || study % 43, 'T2 axial', 3,
            CAST(:header AS jsonb) || jsonb_build_object('PerformedProcedureStepStartDate',
                CAST(DATE '2000-01-01' + CAST(study * 7919 % 3650 AS integer) AS text))
        FROM generate_series(1, CAST(:studies * :per_study AS bigint)) AS number,
            LATERAL (SELECT 1 + (number - 1) / :per_study) AS whose (study)
    """),
)
_VACUUM = text("VACUUM ANALYZE lake.cases, omop.person, omop.radiology_occurrence, omop.radiology_image")

#: A year of birth, a month of studies: some thousand studies each.
_YEAR, _MONTH = "{year}0101-{year}1231", "{studied}01-{studied}28"
_SERIES_SEARCHES = {
    "everything": "",
    "everything, 1,000 further": "offset=1000",
    "everything, 200 with all fields": "limit=200&includefield=all",
    "StudyInstanceUID": "StudyInstanceUID=1.2.826.0.1.3680043.8.{study}",
    "SeriesInstanceUID": "SeriesInstanceUID=1.2.826.0.1.3680043.9.{study}7",
    "PatientID": "PatientID=pca-{patient}",
    "PatientName": "PatientName=family{family}^given{given}",
    "PatientName, fuzzy": "PatientName=giv family{family}&fuzzymatching=true",
    "PatientName, fuzzy, everybody's": "PatientName=fam&fuzzymatching=true",
    "PatientBirthDate": "PatientBirthDate={born}",
    "PatientBirthDate, a year": f"PatientBirthDate={_YEAR}",
    "AccessionNumber": "AccessionNumber=a{study}",
    "ReferringPhysicianName": "ReferringPhysicianName=DOCTOR{doctor}^WHO",
    "ReferringPhysicianName, fuzzy": "ReferringPhysicianName=doctor{doctor}&fuzzymatching=true",
    "StudyDate": "StudyDate={day}",
    "StudyDate, a month": f"StudyDate={_MONTH}",
    "StudyDescription": "StudyDescription=description {kind}",
    "Modality, most": "Modality=MR",
    "Modality, few": "Modality=SEG",
    "PerformedProcedureStepStartDate": "PerformedProcedureStepStartDate={day}",
    "ManufacturerModelName": "ManufacturerModelName=model {model}",
    "Modality, model, dates": f"Modality=PT&ManufacturerModelName=model {{model}}&StudyDate={_MONTH}",
}
#: What others' studies have as well, and what few have.
_DUMMIES = {
    "PatientName, dummy": "PatientName=ANON",
    "PatientBirthDate, dummy": "PatientBirthDate=19000101",
    "AccessionNumber, dummy": "AccessionNumber=0",
}
_FEW = {
    each: _SERIES_SEARCHES[each]
    for each in ("PatientName", "PatientBirthDate", "AccessionNumber", "ReferringPhysicianName", "StudyDate")
}
_STUDY_SEARCHES = {
    name: query
    for name, query in _SERIES_SEARCHES.items()
    if not name.startswith(("Series", "Modality", "Performed", "Manufacturer"))
}
#: Name, who asks, and what.
SEARCHES: tuple[tuple[str, int, str], ...] = (
    *((f"series: {name}", 0, f"/series?{query}") for name, query in _SERIES_SEARCHES.items()),
    *((f"studies: {name}", 0, f"/studies?{query}") for name, query in _STUDY_SEARCHES.items()),
    ("series of a study", 0, "/studies/1.2.826.0.1.3680043.8.{study}/series?"),
    ("a provider's series", 1, "/series?"),
    ("a provider's series: SeriesInstanceUID", 1, f"/series?{_SERIES_SEARCHES['SeriesInstanceUID']}"),
    ("a provider's series: PatientID", 1, "/series?PatientID=pca-{patient}"),
    ("a provider's series: Modality, few", 1, "/series?Modality=SEG"),
    ("a provider's series: StudyDate, a month", 1, f"/series?StudyDate={_MONTH}"),
    ("a provider's who stopped: series", 2, "/series?"),
    ("a provider's who stopped: Modality, few", 2, "/series?Modality=SEG"),
    *(
        (f"{whose} {level}: {name}", who, f"/{level}?{query}")
        for who, whose in enumerate(("everybody's", "a provider's", "a provider's old"))
        for level in ("series", "studies")
        for name, query in (_DUMMIES | (_FEW if who else {})).items()
    ),
)


def measure(setting: Setting) -> Report:
    studies = max((setting.cases or SERIES) // _PER_STUDY, PROVIDERS)
    with ExitStack() as stack:
        name = stack.enter_context(template(setting.server_url))
        engine = stack.enter_context(fresh(setting.server_url, name))
        fill(engine, studies)
        address = stack.enter_context(served(engine))
        tokens = [headers("admins")]
        tokens += [headers("data-providers", organisation=f"provider{each}") for each in (0, PROVIDERS - 1)]
        # One connection for all: the service closes one that is idle while the others ask.
        side = Side(stack.enter_context(connected(address, {})), tokens, studies)
        race(range(len(SEARCHES)), side.search, side.look)

        def takes() -> Iterator[Taken]:
            while True:
                ours, floor = race(range(len(SEARCHES) * TIMES), side.search, side.look)
                yield side.searched(ours)
                yield side.looked(floor)

        taken = takes()
        pairs = alternate(lambda: next(taken), lambda: next(taken), setting.pairs)
    return Report("dicomweb", pairs, tuple(side.notes()))


def fill(engine: Engine, studies: int) -> None:
    """A lake of so many studies."""
    values = {
        "patients": -(-studies // _PER_PATIENT),
        "studies": studies,
        "providers": PROVIDERS,
        "per_patient": _PER_PATIENT,
        "per_study": _PER_STUDY,
        "header": orjson.dumps(_HEADER).decode(),
    }
    with engine.begin() as connection:
        for statement in _FILL:
            connection.execute(statement, values)
    # As autovacuum does by and by: not while searches are measured.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(_VACUUM)


class Side:
    """What is asked of the service, what it found, and how long that took."""

    def __init__(self, client: Client, tokens: list[dict[str, str]], studies: int) -> None:
        self._client, self._tokens, self._studies = client, tokens, studies
        #: The answers as they came: to read them is the client's work, and not timed.
        self._answers = [b""] * len(SEARCHES)
        self.seconds: list[list[float]] = [[] for _ in SEARCHES]
        self.floor: list[float] = []

    def search(self, number: int) -> None:
        place = number % len(SEARCHES)
        _, who, path = SEARCHES[place]
        address = path.format(**self._values(number)).replace(" ", "%20")
        self._answers[place] = self._client.get(address, self._tokens[who])

    def look(self, _: int) -> None:
        self._client.get("/readyz")

    def searched(self, seconds: list[float]) -> Taken:
        for number, each in enumerate(seconds):
            self.seconds[number % len(SEARCHES)].append(each)
        return Taken(sum(seconds), len(seconds), 0, "")

    def looked(self, seconds: list[float]) -> Taken:
        self.floor += seconds
        return Taken(sum(seconds), len(seconds), 0, "")

    def notes(self) -> Iterator[str]:
        yield f"{'floor':<50}      {percentiles(self.floor)}"
        yield f"{'every search':<50}      {percentiles([each for one in self.seconds for each in one])}"
        for (name, _, _), answer, seconds in zip(SEARCHES, self._answers, self.seconds, strict=True):
            yield f"{name:<50} {len(orjson.loads(answer or b'[]')):>3}  {percentiles(seconds)}"

    def _values(self, number: int) -> dict[str, object]:
        """Another study each time, and what it was given."""
        place = number * 7919 % self._studies
        # The first ones of a turn have no dummies.
        study = 1 + place // _TURN * _TURN + place % _PER_PATIENT
        day = date(2000, 1, 1) + timedelta(study * 7919 % 3650)
        born = date(1920, 1, 1) + timedelta(study * 104729 % 14600)
        return {
            "study": study,
            "patient": 1 + (study - 1) // _PER_PATIENT,
            "family": study * 31 % 997,
            "given": study * 17 % 211,
            "doctor": study % 307,
            "kind": study % 61,
            "model": study % 43,
            "day": f"{day:%Y%m%d}",
            "studied": f"{day:%Y%m}",
            "born": f"{born:%Y%m%d}",
            "year": born.year,
        }
