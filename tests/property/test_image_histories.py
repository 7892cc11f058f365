"""Whatever forms, scans, curations and withdrawals came: OMOP's images are those of what is left."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from random import Random
from typing import Any, NamedTuple

import orjson
import pytest
from sqlalchemy import Connection, text

from etl.complete import complete
from etl.curation import SAMPLES, curate
from etl.plan import Plan
from etl.post import post
from etl.receive import Sender
from etl.setup import CURATION_MAPPING, DEFAULT_MAPPING, DICOM_MAPPING, prepare
from etl.validate import Validator
from etl.withdraw import NotThere, Remover, withdraw_patient
from tests.conftest import engine_on, new_database
from tests.posting import figure

PATIENTS, SERIES = ("P1", "P2"), ("1.9.1", "1.9.2", "1.8.1")
SENDER, REMOVER = Sender("tool"), Remover("root")


class Lake(NamedTuple):
    """A lake with its plans."""

    connection: Connection
    plan: Plan
    headers: Plan
    curations: Plan

    def form(self, patient: str, series: tuple[str, ...], number: int) -> None:
        named = [
            {"StudyInstanceUID": uid[:3], "SeriesInstanceUID": uid, "NumberOfInstances": number}
            for uid in series
        ]
        self._post(self.plan, figure(patient, dicom=named, site=f"Site {number}"))

    def scan(self, patient: str, uid: str, number: int) -> None:
        header = {"PatientID": patient, "StudyInstanceUID": uid[:3], "SeriesInstanceUID": uid}
        self._post(self.headers, {**header, "NumberOfInstances": number, "Modality": "MR"})

    def curation(self, uid: str, bins: int) -> None:
        document = orjson.loads(SAMPLES.joinpath("motion_correction.json").read_bytes())
        document["meta"]["source_series_uid"] = uid
        document["parameters"]["nbins"] = bins
        stream = BytesIO(orjson.dumps(document))
        curate(self.connection, lambda: self.curations, stream, "curation", SENDER)

    def withdraw(self, patient: str) -> None:
        try:
            withdraw_patient(self.connection, patient, REMOVER)
        except NotThere:
            self.connection.rollback()

    def _post(self, plan: Plan, document: Any) -> None:
        done = post(
            self.connection,
            plan,
            Validator(plan.schema),
            BytesIO(orjson.dumps(document)),
            "body",
            SENDER,
            curation_plan=lambda: self.curations,
        )
        assert done.cases and all(each.loaded for each in done.cases), done

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        with self.connection.begin():
            return {
                name: [tuple(row) for row in self.connection.execute(text(statement))]
                for name, statement in _CONTENT.items()
            }


_CONTENT = {
    "studies": "SELECT person_source_value, study_instance_uid, count_of_series, image_total_count"
    " FROM omop.radiology_occurrence JOIN omop.person USING (person_id) ORDER BY 2",
    "series": "SELECT person_source_value, series_instance_uid, modality, image_count, study_instance_uid"
    " FROM omop.radiology_image JOIN omop.person USING (person_id) ORDER BY 2",
    "runs": "SELECT person_source_value, source_series_uid, nbins, step_name, level_number"
    " FROM omop.curation_run"
    " JOIN omop.person USING (person_id) JOIN omop.registration_step USING (curation_run_id)"
    " JOIN omop.registration_level USING (registration_step_id) ORDER BY 1, 2, 3, 4, 5",
    "ids": "SELECT image_id FROM omop.radiology_image EXCEPT SELECT image_id FROM lake.series_statements",
}


@dataclass
class Model:
    """What should be there, by the rules of docs/lake.md and nothing else."""

    forms: dict[str, tuple[tuple[str, ...], int]] = field(default_factory=dict)
    scans: dict[tuple[str, str], int] = field(default_factory=dict)
    curations: set[tuple[str, int]] = field(default_factory=set)
    holders: dict[str, str] = field(default_factory=dict)
    """Whose each study is: who spoke of it first, as long as it does."""

    def settle(self, first: str) -> None:
        """After something of ``first`` changed."""
        for study in {uid[:3] for uid in SERIES}:
            holder = self.holders.pop(study, None)
            for patient in (holder, first, *PATIENTS):
                if patient in self.forms and any(uid[:3] == study for uid in self.spoken(patient)):
                    self.holders[study] = str(patient)
                    break

    def spoken(self, patient: str | None) -> set[str]:
        named = self.forms.get(patient or "", ((), 0))[0]
        return {*named, *(uid for one, uid in self.scans if one == patient)}

    def withdraw(self, patient: str) -> None:
        owners = {uid: one for one, uid, *_ in self.series()}
        gone = {uid for uid in self.spoken(patient) if owners.get(uid, patient) == patient}
        self.curations = {each for each in self.curations if each[0] not in gone}
        self.forms.pop(patient, None)
        self.scans = {key: number for key, number in self.scans.items() if key[0] != patient}

    def series(self) -> list[tuple[Any, ...]]:
        found = []
        for uid in sorted(SERIES):
            patient = self.holders.get(uid[:3])
            if patient is not None and uid in self.spoken(patient):
                scanned = self.scans.get((patient, uid))
                images = self.forms[patient][1] if scanned is None else scanned
                found.append((patient, uid, None if scanned is None else "MR", images, uid[:3]))
        return found

    def content(self) -> dict[str, list[tuple[Any, ...]]]:
        series = self.series()
        of_study = {
            study: [each for each in series if each[4] == study]
            for study in sorted({each[4] for each in series})
        }
        runs = [
            (patient, uid, bins, step, level)
            for patient, uid, *_ in series
            for source, bins in self.curations
            if source == uid
            for step in ("affine", "rigid", "translation")
            for level in (1, 2, 3)
        ]
        return {
            "studies": [
                (found[0][0], study, len(found), sum(each[3] for each in found))
                for study, found in of_study.items()
            ],
            "series": series,
            "runs": sorted(runs),
            "ids": [],
        }


@pytest.fixture(scope="module")
def lake(server_url: str, template_database: str) -> Iterator[Lake]:
    with new_database(server_url, template_database) as url, engine_on(url) as engine:
        plans = [prepare(engine, each) for each in (DEFAULT_MAPPING, DICOM_MAPPING, CURATION_MAPPING)]
        with engine.connect() as connection:
            yield Lake(connection, *plans)


@pytest.mark.parametrize("seed", range(12))
def test_any_history_ends_with_what_is_left(lake: Lake, seed: int) -> None:
    random, model = Random(seed), Model()
    for patient in PATIENTS:
        lake.withdraw(patient)
    with lake.connection.begin():
        lake.connection.execute(text("DELETE FROM lake.curations"))
    for step in range(10):
        told = _one(random, lake, model, seed * 100 + step + 1)
        complete(lake.connection, lambda: lake.curations)
        assert lake.content() == model.content(), told


def _one(random: Random, lake: Lake, model: Model, number: int) -> str:
    """One thing that happens, in the lake and in the model."""
    patient, uid = random.choice(PATIENTS), random.choice(SERIES)
    what = random.choices(("form", "scan", "curation", "withdraw"), (4, 3, 3, 1))[0]
    match what:
        case "form":
            named = tuple(random.sample(SERIES, random.randint(0, 3)))
            lake.form(patient, named, number)
            model.forms[patient] = (named, number)
        case "scan":
            lake.scan(patient, uid, number)
            model.scans[patient, uid] = number
        case "curation":
            lake.curation(uid, 16 + number)
            model.curations.add((uid, 16 + number))
        case "withdraw":
            lake.withdraw(patient)
            model.withdraw(patient)
    model.settle(patient)
    return f"{what} of {patient}, {uid}"
