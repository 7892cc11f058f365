"""Faults under load: whatever dies, what was answered is in the lake, once, and the service goes on.

The server is a process of its own, and so is the database that is killed.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from etl.setup import initialise
from omop_schema.embedded import Server
from omop_schema.embedded.postmaster import running_on
from tests.conftest import engine_on, temporary_home
from tests.functional.test_serve import Service, serving
from tests.posting import figure, query

#: What became of each patient's post: the status, None where no answer came.
Answers = dict[str, int | None]

_ONCE = """
    SELECT patient_id, count(*), max(cases.version), max(loaded_version) FROM lake.cases
    JOIN lake.documents USING (case_id) GROUP BY patient_id
"""


def environment(url: str, home: Path, **settings: str) -> dict[str, str]:
    """For a service of this database: nothing of what the tests' own environment says."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ONCOLAKE_")}
    return {**kept, "ONCOLAKE_DATABASE_URL": url, "ONCOLAKE_HOME": str(home), **settings}


@contextmanager
def client_of(service: Service) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {service.token}"}
    with httpx.Client(base_url=service.address, headers=headers, timeout=60) as client:
        yield client


def is_away(response: httpx.Response) -> bool:
    """Whether it is 503, which must say when to come again."""
    if response.status_code != 503:
        return False
    assert int(response.headers["Retry-After"]) > 0
    assert response.headers["Content-Type"] == "application/problem+json"
    return True


def until(done: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.05)


def assert_each_is_stored_once(engine: Engine, answers: Answers) -> None:
    """Every patient whose post was answered with 200 is in the lake, loaded; nobody is there twice."""
    rows = query(engine, _ONCE)
    stored = {patient: tuple(rest) for patient, *rest in rows}
    answered = {patient for patient, status in answers.items() if status == 200}
    assert answered - stored.keys() == set()
    assert {stored[patient] for patient in answered} == {(1, 1, 1)}
    assert {documents for documents, _, _ in stored.values()} == {1}
    assert stored.keys() <= answers.keys()


def assert_omop_is_of(engine: Engine, patients: int, rows: dict[str, int]) -> None:
    """OMOP holds exactly what so many copies of one document make."""
    for table in ("person", "visit_occurrence", "measurement", "condition_occurrence"):
        assert query(engine, f"SELECT count(*) FROM omop.{table}") == [(patients * rows[table],)], table


@pytest.fixture
def own_server() -> Iterator[tuple[Server, str]]:
    """A database server that can be killed, and the address of its lake; as durable as in use."""
    with temporary_home() as folder:
        server = Server(folder)
        with server.attached(keep=True):
            url = server.url()
        try:
            with engine_on(url) as engine:
                initialise(engine)
            yield server, url
        finally:
            server.stop()


def test_a_database_that_dies_under_load_is_told_and_come_back_to(
    own_server: tuple[Server, str], tmp_path: Path
) -> None:
    server, url = own_server
    answers: Answers = {}
    ended = threading.Event()

    def post(thread: int) -> None:
        with client_of(service) as client:
            for number in range(10_000):
                if ended.is_set():
                    return
                patient = f"P{thread}-{number}"
                response = client.post("/usecases", json=figure(patient))
                answers[patient] = response.status_code
                if is_away(response):
                    time.sleep(0.1)

    def count(status: int) -> int:
        return list(answers.values()).count(status)

    with serving(environment(url, tmp_path), "--dev") as service, ThreadPoolExecutor(3) as threads:
        posting = [threads.submit(post, thread) for thread in range(3)]
        try:
            until(lambda: count(200) >= 15)
            kill(server)
            until(lambda: count(503) >= 10)
            with client_of(service) as client:
                assert client.get("/healthz").status_code == 200
                assert is_away(client.get("/readyz"))
                assert is_away(client.get("/feed.json"))
            with server.attached(keep=True):
                pass
            before = count(200)
            until(lambda: count(200) >= before + 10)
        finally:
            ended.set()
        for each in posting:
            each.result()
        with client_of(service) as client, engine_on(url) as engine:
            assert client.get("/readyz").status_code == 200
            assert set(answers.values()) == {200, 503}
            assert_each_is_stored_once(engine, answers)
            for patient in [patient for patient, status in answers.items() if status == 503]:
                response = client.post("/usecases", json=figure(patient))
                answers[patient] = response.status_code
            assert set(answers.values()) == {200}
            assert_each_is_stored_once(engine, answers)
            assert_omop_is_of(engine, len(answers), response.json()["cases"][0]["rows"])


def kill(server: Server) -> None:
    """End the database server at once, as a crash does: it has no time to write anything."""
    process = running_on(server.data)
    assert process is not None
    os.kill(process, signal.SIGQUIT)
    until(lambda: not server.running())


def test_what_was_answered_before_a_kill_is_there_and_the_rest_can_be_sent_again(
    lake_url: str, lake: Engine, tmp_path: Path
) -> None:
    answers: Answers = {f"P{number}": None for number in range(200)}
    settings = environment(lake_url, tmp_path)
    rows: dict[str, int] = {}

    def post(service: Service, patients: list[str], at: int | None = None) -> None:
        """Post these; the server is killed as soon as so many have been answered."""
        with client_of(service) as client:
            for patient in patients:
                try:
                    response = client.post("/usecases", json=figure(patient))
                except httpx.TransportError:
                    return
                assert response.status_code == 200, response.text
                answers[patient] = 200
                rows.update(response.json()["cases"][0]["rows"])
                if at is not None and list(answers.values()).count(200) >= at:
                    service.process.kill()

    def post_all(service: Service, at: int | None = None) -> None:
        waiting = list(answers) if at is None else [each for each in answers if answers[each] is None]
        with ThreadPoolExecutor(4) as threads:
            parts = [waiting[part::4] for part in range(4)]
            for each in [threads.submit(post, service, part, at) for part in parts]:
                each.result()

    for at in (50, 120):
        with serving(settings, "--dev") as service:
            post_all(service, at)
            assert service.process.wait(20) == -signal.SIGKILL
        assert None in answers.values(), "the kill came in the middle"
        assert_each_is_stored_once(lake, answers)
    with serving(settings, "--dev") as service:
        post_all(service)
    assert set(answers.values()) == {200}
    assert_each_is_stored_once(lake, answers)
    assert_omop_is_of(lake, len(answers), rows)
    assert query(lake, "SELECT DISTINCT outcome FROM lake.uploads") == [("loaded",)]
    assert query(lake, "SELECT count(*) FROM lake.uploads") == [(len(answers),)]


def test_a_pool_without_a_free_connection_is_told_not_waited_for(
    lake_url: str, lake: Engine, tmp_path: Path
) -> None:
    settings = {"ONCOLAKE_CONNECTIONS": "2", "ONCOLAKE_CONNECTION_SECONDS": "1"}
    with (
        serving(environment(lake_url, tmp_path, **settings), "--dev") as service,
        client_of(service) as client,
        ThreadPoolExecutor(20) as threads,
    ):
        with lake.begin() as connection:
            connection.execute(text("LOCK TABLE lake.uploads IN ACCESS EXCLUSIVE MODE"))
            held = [threads.submit(client.post, "/usecases", json=figure(f"P{each}")) for each in (1, 2)]
            until(lambda: query(lake, _WAITING) == [(2,)])
            began = time.monotonic()
            asked = [threads.submit(client.get, "/feed.json") for _ in range(9)]
            asked += [threads.submit(client.post, "/usecases", json=figure("P3")) for _ in range(9)]
            assert all(is_away(each.result()) for each in asked)
            assert time.monotonic() - began < 15
            assert is_away(client.get("/readyz"))
            assert client.get("/healthz").status_code == 200
        assert [each.result().status_code for each in held] == [200, 200]
        assert client.get("/readyz").status_code == 200
        assert client.post("/usecases", json=figure("P3")).status_code == 200
    assert_each_is_stored_once(lake, dict.fromkeys(("P1", "P2", "P3"), 200))


_WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def test_sixteen_clients_of_two_workers_with_one_patient_leave_one_result(
    lake_url: str, lake: Engine, tmp_path: Path
) -> None:
    barrier = threading.Barrier(16)

    def one(number: int) -> httpx.Response:
        with client_of(service) as client:
            client.get("/healthz")
            barrier.wait()
            return client.post("/usecases", json=figure(site=f"Site {number % 4}"))

    with (
        serving(environment(lake_url, tmp_path), "--dev", workers=2) as service,
        ThreadPoolExecutor(16) as threads,
    ):
        answers = list(threads.map(one, range(16)))
    assert {each.status_code for each in answers} == {200}, [each.text for each in answers]
    cases: list[dict[str, Any]] = [each.json()["cases"][0] for each in answers]
    assert {case["version"] for case in cases} == {1, 2, 3, 4}
    assert query(lake, "SELECT patient_id, version, loaded_version FROM lake.cases") == [("P1", 4, 4)]
    assert query(lake, "SELECT count(*), sum(stored) FROM lake.uploads") == [(4, 4)]
    # A document that a newer one had replaced before its turn came has no rows to tell of.
    assert_omop_is_of(lake, 1, next(case["rows"] for case in cases if case["loaded"]))
