"""Posting new cases one by one to ``oncolake serve``. Floor: a transaction for each, in one round trip.

The service has tokens, policy and audit as users have them; one client posts the form of D4.4 over one
kept-alive connection on this machine. The floor's transaction is a text made beforehand: BEGIN, INSERT of the
document and of every OMOP row, COMMIT; its tables are the same, with every constraint and index in place.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from itertools import chain, count
from time import perf_counter
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, Engine, text

from etl.plan import CaseKey, Document, Plan
from etl.post import post
from etl.receive import Sender
from etl.sample import sample_case
from etl.setup import prepare
from etl.strict import digest
from etl.transform import decode, transform
from etl.validate import Validator
from omop_schema.statements import STATEMENTS
from tests.benchmarks.databases import fingerprint, fresh, template
from tests.benchmarks.ingest import DOCUMENT, FLOOR_DOCUMENTS
from tests.benchmarks.measure import Report, Setting, Taken, alternate
from tests.benchmarks.race import percentiles, race
from tests.benchmarks.service import ORGANISATION, SUBJECT, Client, connected, form, headers, served

#: Cases of each pair, each of a patient of its own.
CASES = 100
#: Cases that both sides take before the first pair, so that what is made once is made.
WARMING = 20


class Prepared(NamedTuple):
    """One case, as each side sends it."""

    form: bytes
    statement: bytes
    rows: int
    """OMOP rows of the case."""


def measure(setting: Setting) -> Report:
    number = setting.cases or CASES
    with template(setting.server_url) as name:
        cases = documents(WARMING + number * setting.pairs)
        prepared, alone = rehearse(setting.server_url, name, cases)
        ours: list[float] = []
        floor: list[float] = []
        with _sides(setting.server_url, name) as (client, engines, insert):

            def post_one(place: int) -> None:
                client.post(prepared[place].form)

            def insert_one(place: int) -> None:
                insert(prepared[place].statement)

            race(range(WARMING), post_one, insert_one)

            def pair(first: int) -> Iterator[Taken]:
                places = range(first, first + number)
                both = race(places, post_one, insert_one)
                rows = sum(prepared[place].rows for place in places)
                ours.extend(both[0])
                floor.extend(both[1])
                tables = ("lake.documents", FLOOR_DOCUMENTS)
                for seconds, engine, table in zip(both, engines, tables, strict=True):
                    with engine.connect() as connection:
                        yield Taken(sum(seconds), number, rows, fingerprint(connection, table))

            pairs = by_turns(pair, number, setting.pairs)
    return Report("posts", pairs, tuple(_notes(ours, floor, alone)))


def by_turns(
    pair: Callable[[int], Iterator[Taken]], number: int, pairs: int
) -> tuple[tuple[Taken, Taken], ...]:
    """Pairs of ``number`` cases each, from behind the warming ones on. Raises DifferentWork."""
    taken = chain.from_iterable(pair(WARMING + each * number) for each in count())
    return alternate(partial(next, taken), partial(next, taken), pairs)


def documents(number: int) -> list[Document]:
    """So many cases of the sample, no two of one patient."""
    found: dict[str, Document] = {}
    for place in count():
        if len(found) == number:
            return list(found.values())
        case = sample_case(place)
        found.setdefault(str(case["patientID"]), case)
    raise AssertionError


def rehearse(server_url: str, name: str, cases: Sequence[Document]) -> tuple[list[Prepared], list[float]]:
    """Post each without HTTP: what is stored, as the floor inserts it, and the seconds that each takes."""
    sender = Sender(SUBJECT, ORGANISATION, False)
    seconds = []
    with fresh(server_url, name) as engine:
        plan = prepare(engine)
        validator = Validator(plan.schema)
        with engine.connect() as connection:
            for case in cases:
                start = perf_counter()
                post(connection, plan, validator, BytesIO(orjson.dumps(case)), "data_file", sender)
                seconds.append(perf_counter() - start)
            return list(_prepare(connection, plan, cases)), seconds[WARMING:]


def _prepare(connection: Connection, plan: Plan, cases: Sequence[Document]) -> Iterator[Prepared]:
    keys = connection.execute(
        text("SELECT case_id, person_id, care_site_id FROM lake.cases ORDER BY case_id")
    )
    sites, periods = _shared(connection, "care_site"), _shared(connection, "observation_period")
    mogrify = connection.connection.cursor().mogrify

    def insert(table: str, rows: Sequence[dict[str, object]]) -> bytes:
        names = ", ".join(rows[0])
        places = ", ".join(["(" + ", ".join(["%s"] * len(rows[0])) + ")"] * len(rows))
        values = [value for row in rows for value in row.values()]
        return mogrify(f"INSERT INTO {table} ({names}) VALUES {places};\n", values)

    for number, (case, key) in enumerate(zip(cases, map(CaseKey._make, keys.all()), strict=True), 1):
        raw = orjson.dumps(case)
        made = {
            table: _images(connection, table, key.person_id)
            if table in STATEMENTS
            else [decode(plan, table, line) for line in lines]
            for table, lines in transform(plan, case, key).rows.items()
        }
        rows = {table: found for table, found in made.items() if found}
        document = (key.case_id, 1, number, 1, digest(case), raw.decode())
        parts = [b"BEGIN;\n", insert(FLOOR_DOCUMENTS, [dict(zip(DOCUMENT, document, strict=True))])]
        if site := sites.pop(key.care_site_id, None):
            parts.append(insert("omop.care_site", [site]))
        parts += [insert(f"omop.{table}", found) for table, found in rows.items()]
        if period := periods.pop(key.person_id, None):
            parts.append(insert("omop.observation_period", [period]))
        yield Prepared(form(raw), b"".join([*parts, b"COMMIT"]), sum(map(len, rows.values())))


def _images(connection: Connection, table: str, person_id: int) -> list[dict[str, object]]:
    """The rows of a person that OMOP holds merged, as they are in the end."""
    statement = text(f"SELECT *, attributes::text AS attributes FROM omop.{table} WHERE person_id = :person")
    return [dict(row) for row in connection.execute(statement, {"person": person_id}).mappings()]


def _shared(connection: Connection, table: str) -> dict[int | None, dict[str, object]]:
    """The rows of a table that no transform makes, by their keys."""
    rows = connection.execute(text(f"SELECT * FROM omop.{table}")).mappings()
    return {next(iter(row.values())): dict(row) for row in rows}


@contextmanager
def _sides(
    server_url: str, name: str
) -> Iterator[tuple[Client, tuple[Engine, Engine], Callable[[bytes], None]]]:
    """A client of a service, both databases, and what runs a statement on the floor's."""
    with fresh(server_url, name) as ours, fresh(server_url, name) as floor:
        with floor.begin() as connection:
            connection.execute(text(f"CREATE TABLE {FLOOR_DOCUMENTS} (LIKE lake.documents INCLUDING ALL)"))
        with floor.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            run = connection.connection.cursor().execute
            with served(ours) as address, connected(address, headers()) as client:
                yield client, (ours, floor), run


def _notes(ours: list[float], floor: list[float], alone: list[float]) -> Iterator[str]:
    yield f"a post                      {percentiles(ours)}"
    yield f"the floor                   {percentiles(floor)}"
    yield f"etl.post.post, without HTTP {percentiles(alone)}"
