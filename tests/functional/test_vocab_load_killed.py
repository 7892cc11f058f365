"""A load that is killed, at any point, leaves the old vocabulary or the new one, and the next load works."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults import (
    At,
    Picture,
    child,
    clone,
    killed,
    load_when_free,
    nothing_staged,
    picture,
    reading,
    wait_until,
    waits_in_swap,
)
from vocabularies.athena.load import Quiet, load

TIMED = 12
#: Steps from one kill to the next.
EVERY = 4
SEED = 20261121

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a child must share the warm parent")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Steps(Quiet):
    """Counts the steps of staging."""

    total = 0

    def step(self, phase: str, done: int, total: int) -> None:
        if phase == "staging":
            self.total = total


def test_killed_after_every_step_and_amid_each_large_file(
    server_url: str, old_lake: str, loaded: Picture, generated: Path
) -> None:
    with clone(server_url, old_lake) as (url, engine):
        before, counted = picture(engine), Steps()
        load(engine, generated, check_only=True, watcher=counted)
        assert counted.total > 40
        points = [("staging", number) for number in range(1, counted.total + 1, EVERY)]
        sizes = {name: (generated / name).stat().st_size for name in ("CONCEPT.csv", "CONCEPT_ANCESTOR.csv")}
        points += [(name, size * part // 4) for name, size in sizes.items() for part in range(4)]
        points += [("swapping", 0)]
        for point in points:
            engine.dispose()
            assert killed(child(url, generated, At(die, *point))), f"no load came to {point}"
            assert picture(engine) == before, f"killed at {point}"
        load_when_free(engine, generated)
        assert picture(engine) == loaded
        assert nothing_staged(engine)


def test_killed_at_any_time(server_url: str, old_lake: str, loaded: Picture, generated: Path) -> None:
    randomness = random.Random(SEED)
    with clone(server_url, old_lake) as (url, engine):
        before, start = picture(engine), time.monotonic()
        load(engine, generated, check_only=True)
        taken = time.monotonic() - start
        kills = 0
        while kills < TIMED:
            engine.dispose()
            process = child(url, generated)
            time.sleep(randomness.uniform(0, 1.3 * taken))
            os.kill(process, signal.SIGKILL)
            kills += killed(process)
            # Killed while it committed, or not in time, the load is whole.
            found = picture(engine)
            assert [name for name in found if found[name] not in (before[name], loaded[name])] == []
            assert found in (before, loaded)
            before = found
        load_when_free(engine, generated)
        assert picture(engine) == loaded
        assert nothing_staged(engine)


def test_killed_while_it_waits_for_a_reader_to_swap(
    server_url: str, old_lake: str, loaded: Picture, generated: Path
) -> None:
    with clone(server_url, old_lake) as (url, engine):
        before = picture(engine)
        engine.dispose()
        process = child(url, generated)
        with reading(engine):
            wait_until(lambda: waits_in_swap(engine))
            os.kill(process, signal.SIGKILL)
            assert killed(process)
            # The server notices within a second: readers and writers are served meanwhile and after.
            wait_until(lambda: not waits_in_swap(engine), seconds=3)
            assert picture(engine) == before
        load_when_free(engine, generated)
        assert picture(engine) == loaded
        assert nothing_staged(engine)
