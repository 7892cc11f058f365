"""While a load swaps its vocabulary in, readers and ingests go on, and nobody sees half of anything."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from sqlalchemy import Connection, Engine, text

import vocabularies.athena.swap
from etl.ingest import ingest
from etl.sample import sample
from etl.setup import prepare
from omop_schema.database import DatabaseBusy
from tests.faults import Picture, clone, nothing_staged, picture, reading, wait_until, waits_in_swap
from vocabularies.athena.load import load
from vocabularies.athena.swap import SwapError

#: Seconds that a reader may ever have to wait for a swap.
LONGEST = 3

_COUNTS = text("""
    SELECT (SELECT count(*) FROM omop.concept), (SELECT count(*) FROM omop.concept_relationship),
           (SELECT count(*) FROM omop.concept_ancestor), (SELECT count(*) FROM omop.concept_synonym)
""")
_NAMES = text("""
    SELECT count(*) = count(concept_name) FROM omop.measurement
    JOIN omop.person USING (person_id) LEFT JOIN omop.concept ON concept_id = measurement_concept_id
""")


@contextmanager
def aside(*works: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run these in threads while the context lasts, until their event is set; what one raises is raised."""
    failures: list[BaseException] = []
    stop = threading.Event()

    def guarded(work: Callable[[threading.Event], None]) -> None:
        try:
            work(stop)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        if failures:
            raise failures[0]


def counts(connection: Connection) -> tuple[int, ...]:
    with connection.begin():
        return tuple(connection.execute(_COUNTS).one())


def cases(folder: Path, count: int, seed: int = 1) -> Path:
    file = folder / f"cases-{seed}.ndjson"
    file.write_bytes(b"".join(orjson.dumps(case) + b"\n" for case in sample(count, seed=seed)))
    return file


def test_readers_see_the_old_or_the_new_vocabulary_whole_and_never_an_error(
    server_url: str, old_lake: str, generated: Path, tmp_path: Path
) -> None:
    with clone(server_url, old_lake) as (_, engine):
        ingest(engine, prepare(engine), [cases(tmp_path, 60)], "before")
        seen: set[tuple[int, ...]] = set()
        slowest = [0.0]

        def read_counts(stop: threading.Event) -> None:
            with engine.connect() as connection:
                while not stop.is_set():
                    start = time.monotonic()
                    seen.add(counts(connection))
                    slowest.append(time.monotonic() - start)

        def read_names(stop: threading.Event) -> None:
            with engine.connect() as connection:
                while not stop.is_set():
                    with connection.begin():
                        # Two statements that meet the tables in the other order than the swap.
                        assert connection.scalar(_NAMES)
                        assert connection.scalar(text("SELECT count(*) FROM omop.domain"))
                        assert connection.scalar(text("SELECT count(*) FROM omop.concept")) > 100

        with engine.connect() as connection:
            old = counts(connection)
            with aside(read_counts, read_names, read_counts):
                assert load(engine, generated).loaded
                time.sleep(0.2)
            assert seen == {old, counts(connection)}
        assert max(slowest) < LONGEST


def test_the_swap_steps_back_for_a_long_reader_and_comes_again(
    server_url: str, old_lake: str, loaded: Picture, generated: Path
) -> None:
    with clone(server_url, old_lake) as (_, engine):
        slowest = [0.0]

        def read_briefly(stop: threading.Event) -> None:
            with engine.connect() as connection:
                while not stop.is_set():
                    start = time.monotonic()
                    counts(connection)
                    slowest.append(time.monotonic() - start)

        def read_long(_: threading.Event) -> None:
            with reading(engine, "concept_class"):
                wait_until(lambda: waits_in_swap(engine, "concept_class"))
                wait_until(lambda: not waits_in_swap(engine, "concept_class"))
                wait_until(lambda: waits_in_swap(engine, "concept_class"))

        with aside(read_briefly, read_long):
            assert load(engine, generated).loaded
        assert max(slowest) < LONGEST
        assert picture(engine) == loaded


def test_a_reader_that_never_ends_is_told_of_and_nothing_has_changed(
    server_url: str, old_lake: str, generated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabularies.athena.swap, "_ATTEMPTS", 2)
    with clone(server_url, old_lake) as (_, engine):
        before = picture(engine)
        with reading(engine), pytest.raises(DatabaseBusy, match=r"reading the tables for .* end it and load"):
            load(engine, generated)
        assert picture(engine) == before
        assert nothing_staged(engine)


def test_a_reader_that_meets_the_tables_the_other_way_round_is_no_deadlock(
    server_url: str, old_lake: str, loaded: Picture, generated: Path
) -> None:
    """It holds a data table and comes for the concepts, while the swap holds those and wants that table."""
    with clone(server_url, old_lake) as (_, engine):

        def read(_: threading.Event) -> None:
            with engine.connect() as connection, connection.begin():
                connection.execute(text("SELECT count(*) FROM omop.visit_occurrence"))
                wait_until(lambda: waits_in_swap(engine, "visit_occurrence"))
                assert connection.scalar(text("SELECT count(*) FROM omop.concept"))

        with aside(read):
            assert load(engine, generated).loaded
        assert picture(engine) == loaded


def test_ingests_at_the_same_time_lose_nothing(
    server_url: str, old_lake: str, generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.ingest.BATCH", 5)
    first, second = cases(tmp_path, 120, seed=1), cases(tmp_path, 120, seed=2)
    with clone(server_url, old_lake) as (_, calm):
        plan = prepare(calm)
        ingest(calm, plan, [first, second], "undisturbed")
        load(calm, generated)
        expected = rows(calm)
    with clone(server_url, old_lake) as (_, engine):
        plan = prepare(engine)
        begun = threading.Event()

        def work(_: threading.Event) -> None:
            for file in (first, second):
                result = ingest(engine, plan, [file], "at the same time", lambda _: begun.set())
                assert (result.exit_code, result.loaded.failures) == (0, ())

        with aside(work):
            assert begun.wait(60)
            for _ in range(2):
                assert load(engine, generated).loaded
        assert rows(engine) == expected
        picture(engine)


def rows(engine: Engine) -> list[tuple[object, ...]]:
    """How many rows of each concept the data have."""
    with engine.connect() as connection:
        statement = """
            SELECT 'measured', measurement_concept_id, count(*) FROM omop.measurement GROUP BY 2 UNION ALL
            SELECT 'found', condition_concept_id, count(*) FROM omop.condition_occurrence GROUP BY 2 UNION ALL
            SELECT 'person', gender_concept_id, count(*) FROM omop.person GROUP BY 2 ORDER BY 1, 2
        """
        return [tuple(row) for row in connection.execute(text(statement))]


def test_a_writer_that_meets_the_tables_the_other_way_round_is_no_deadlock(
    server_url: str, old_lake: str, generated: Path
) -> None:
    """It wrote a table that the swap comes to late, and then comes for one that the swap has already."""
    with clone(server_url, old_lake) as (_, engine):

        def write(_: threading.Event) -> None:
            with engine.connect() as connection, connection.begin():
                connection.execute(text("UPDATE omop.visit_occurrence SET visit_concept_id = 0"))
                wait_until(lambda: asks(engine, "ShareRowExclusiveLock"))
                connection.execute(text("UPDATE omop.care_site SET location_id = location_id"))

        with aside(write):
            assert load(engine, generated).loaded


def test_a_writer_that_has_read_what_a_view_reads_waits_and_does_not_hold_up_the_swap(
    server_url: str, old_lake: str, generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views of concepts read the cases, too: a writer of cases waits with its lock for reading them."""
    monkeypatch.setattr(vocabularies.athena.swap, "_ATTEMPTS", 2)
    with clone(server_url, old_lake) as (_, engine):
        ingest(engine, prepare(engine), [cases(tmp_path, 5)], "before")

        def write(_: threading.Event) -> None:
            with engine.connect() as connection, connection.begin():
                assert connection.scalar(text("SELECT count(*) FROM lake.cases")) == 5
                wait_until(lambda: holds_cases(engine))
                assert connection.execute(text("UPDATE lake.cases SET form = form")).rowcount == 5

        with aside(write):
            assert load(engine, generated).loaded


def test_a_view_that_is_made_meanwhile_is_there_after(
    server_url: str, old_lake: str, generated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried = vocabularies.athena.swap.carry

    def carry_beside(connection: Connection) -> None:
        with engine.begin() as other:
            other.execute(text("CREATE VIEW late AS SELECT concept_name FROM omop.concept"))
        carried(connection)

    monkeypatch.setattr(vocabularies.athena.swap, "carry", carry_beside)
    with clone(server_url, old_lake) as (_, engine):
        assert load(engine, generated).loaded
        with engine.connect() as connection:
            statement = text("SELECT count(*) = (SELECT count(*) FROM omop.concept) FROM late")
            assert connection.scalar(statement)


def test_a_function_made_of_a_view_is_told_of_and_nothing_has_changed(
    server_url: str, old_lake: str, generated: Path
) -> None:
    with clone(server_url, old_lake) as (_, engine):
        with engine.begin() as connection:
            connection.execute(text("CREATE VIEW names AS SELECT concept_name FROM omop.concept"))
            connection.execute(
                text("CREATE FUNCTION named() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM names; END")
            )
        before = picture(engine)
        with pytest.raises(SwapError, match=r"drop it before, and create it again after: .*named\(\)"):
            load(engine, generated)
        assert picture(engine) == before
        assert nothing_staged(engine)


def test_a_writer_that_never_ends_is_told_of(
    server_url: str, old_lake: str, generated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocabularies.athena.swap, "_ATTEMPTS", 2)
    with clone(server_url, old_lake) as (_, engine):
        before = picture(engine)
        with engine.connect() as connection, connection.begin():
            connection.execute(text("UPDATE omop.person SET gender_concept_id = gender_concept_id"))
            with pytest.raises(DatabaseBusy, match=r"writing the tables for .* end it and load again"):
                load(engine, generated)
        assert picture(engine) == before
        assert nothing_staged(engine)


def holds_cases(engine: Engine) -> bool:
    """Whether somebody keeps others from writing cases."""
    statement = text("""
        SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
                       WHERE datname = current_database() AND relation = 'lake.cases'::regclass
                         AND mode = 'ExclusiveLock' AND granted)
    """)
    with engine.connect() as connection:
        return bool(connection.scalar(statement))


def asks(engine: Engine, mode: str) -> bool:
    """Whether somebody waits for a lock of this kind."""
    statement = text("SELECT EXISTS (SELECT FROM pg_locks WHERE mode = :mode AND NOT granted)")
    with engine.connect() as connection:
        return bool(connection.scalar(statement, {"mode": mode}))
