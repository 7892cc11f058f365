"""What lake and OMOP hold, in words that do not depend on the numbers that things were given."""

from collections import defaultdict
from io import BytesIO
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, select, text

from etl.delete import event_tables
from etl.identity import unpack
from etl.ingest import FileResult, ingest_stream
from etl.receive import Sender
from etl.validate import Validator
from etl.withdraw import Remover, Withdrawn, withdraw_patient, withdraw_upload
from omop_schema import clinical
from tests.plans import PLAN, lines

ADMIN = Remover("admin")
_OF_PERSONS = (clinical.person, clinical.observation_period)


def send(
    engine: Engine,
    *documents: dict[str, Any],
    organisation: str | None = None,
    source: str = "data_file",
    number: int = 0,
) -> FileResult:
    """Ingest the documents as one request, and load nothing else; ``number`` makes the bytes differ."""
    sender = Sender("tester", organisation)
    with engine.connect() as connection:
        stream = BytesIO(lines(*documents) + b"\n" * number)
        return ingest_stream(connection, PLAN, Validator(PLAN.schema), stream, source, sender, lines=True)


def drop_patient(engine: Engine, patient: str, remover: Remover = ADMIN) -> Withdrawn:
    with engine.connect() as connection:
        return withdraw_patient(connection, patient, remover)


def drop_upload(engine: Engine, upload_id: int | None, remover: Remover = ADMIN) -> Withdrawn:
    with engine.connect() as connection:
        return withdraw_upload(connection, upload_id or 0, PLAN, remover)


def content(engine: Engine) -> dict[str, list[Any]]:
    """Rows by table, problems, and the documents of each case in order."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        names = _Names(connection)
        found: dict[str, list[Any]] = defaultdict(list)
        for table in (*_OF_PERSONS, *(each.kept for each in event_tables())):
            for row in connection.execute(select(table)):
                cells = (names.name(column, cell) for column, cell in zip(table.c, row, strict=True))
                found[table.name].append(tuple(cells))
        for case_id, rule, kind, path, reason in connection.execute(_PROBLEMS):
            said = reason if kind != "disagrees" else names.without_number(reason)
            found["problems"].append((names.cases[case_id], rule, kind, path, said))
        for row in connection.execute(_CASES):
            found["cases"].append(tuple(row))
        for case_id, *row in connection.execute(_DOCUMENTS):
            found["documents"].append((names.cases[case_id], *row))
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


class _Names:
    def __init__(self, connection: Connection) -> None:
        pairs = connection.execute(text("SELECT case_id, patient_id || ' ' || form FROM lake.cases"))
        self.cases = dict(map(tuple, pairs))
        self.patients = dict(
            map(tuple, connection.execute(text("SELECT person_id, patient_id FROM lake.patients")))
        )
        self.sites = dict(map(tuple, connection.execute(text("SELECT care_site_id, site FROM lake.sites"))))

    def name(self, column: Any, value: Any) -> Any:
        if value is None:
            return None
        if column.name in ("person_id", "observation_period_id"):
            return self.patients[value]
        if column.name == "care_site_id":
            return self.sites[value]
        if isinstance(column.type, BigInteger):
            return self.cases[unpack(value).case_id], *unpack(value)[1:]
        return value

    def without_number(self, reason: str) -> str:
        before, number, after = reason.partition("case ")[0], *reason.partition("case ")[2].split(" ", 1)
        return f"{before}{self.cases[int(number)]} {after}"


_PROBLEMS = text("SELECT case_id, rule_id, kind, path, reason FROM lake.problems")
_CASES = text("""
    SELECT patient_id, form, organisation, site, loaded_version = version, first_date, last_date
    FROM lake.cases LEFT JOIN lake.sites USING (care_site_id)
""")
_DOCUMENTS = text("""
    SELECT case_id, row_number() OVER (PARTITION BY case_id ORDER BY version), encode(digest, 'hex'),
        document::text
    FROM lake.documents
""")
