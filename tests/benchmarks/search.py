"""Searching a loaded vocabulary. Floor: looking up the concepts that were found by their keys.

Both sides ask one question a search over the same connection. What is searched for is taken from the
vocabulary itself: single words, two words, whole names and codes; and words that are everywhere.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from statistics import median
from time import perf_counter

from sqlalchemy import Connection, text

from tests.benchmarks.databases import fresh, template
from tests.benchmarks.measure import Report, Setting, Taken, alternate, timed
from tests.benchmarks.vocabulary import bundle
from vocabularies.athena.load import load
from vocabularies.browse.search import search
from vocabularies.concepts import Concept, lookup

#: Concepts whose names and codes are searched for.
SAMPLE = 25
FREQUENT = ("cancer", "a", "1", "mg", "of", "oral tablet", "acute")
_SAMPLE = text("""
    SELECT concept_name, concept_code FROM (
        SELECT concept_name, concept_code, row_number() OVER (ORDER BY concept_id) AS place,
               count(*) OVER () AS total FROM omop.concept WHERE concept_id < 2000000000) AS numbered
    WHERE place % greatest(total / :sample, 1) = 0 ORDER BY place LIMIT :sample
""")

Ask = Callable[[int, str], Sequence[Concept]]


def measure(setting: Setting) -> Report:
    with (
        bundle(setting) as folder,
        template(setting.server_url) as name,
        fresh(setting.server_url, name) as engine,
    ):
        load(engine, folder)
        with engine.connect() as connection:
            texts = list(_texts(connection))
            found: dict[int, list[int]] = {}
            seconds: dict[str, list[float]] = {one: [] for one in texts}

            def ours() -> Taken:
                return _take(texts, lambda place, one: _searched(connection, one, place, found, seconds))

            def floor() -> Taken:
                return _take(texts, lambda place, _: _looked_up(connection, found[place]))

            ours()
            seconds.update({one: [] for one in texts})
            pairs = alternate(ours, floor, setting.pairs)
    return Report("search", pairs, tuple(_notes(seconds)))


def _texts(connection: Connection) -> Iterator[str]:
    yield from FREQUENT
    for name, code in connection.execute(_SAMPLE, {"sample": SAMPLE}):
        first, *others = name.split()
        yield from (first, " ".join([first, *others[-1:]]), name, code)


def _searched(
    connection: Connection,
    given: str,
    place: int,
    found: dict[int, list[int]],
    seconds: dict[str, list[float]],
) -> Sequence[Concept]:
    start = perf_counter()
    result = search(connection, given)
    connection.rollback()
    seconds[given].append(perf_counter() - start)
    concepts = [hit.concept for hit in result.hits]
    found[place] = [one.concept_id for one in concepts]
    return concepts


def _looked_up(connection: Connection, ids: list[int]) -> Sequence[Concept]:
    by_id = lookup(connection, ids)
    connection.rollback()
    return [by_id[one] for one in ids]


def _take(texts: Sequence[str], ask: Ask) -> Taken:
    places = count()
    seconds, answers = timed(lambda: [ask(next(places), one) for one in texts])
    made = hashlib.sha256(repr(answers).encode()).hexdigest()
    return Taken(seconds, len(texts), sum(map(len, answers)), made)


def _notes(seconds: dict[str, list[float]]) -> Iterator[str]:
    medians = sorted(((median(took) * 1000, given) for given, took in seconds.items()), reverse=True)
    yield f"a search takes {median(one for one, _ in medians):.1f} ms in the median"
    yield from (f"{took:8.1f} ms  '{given}'" for took, given in medians[:5])
    everywhere = [f"'{given}' {took:.1f}" for took, given in medians if given in FREQUENT]
    yield f"frequent words, ms: {', '.join(everywhere)}"
