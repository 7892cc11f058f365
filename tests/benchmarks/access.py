"""What access control costs a post. Floor: the same service, whose dependencies let everybody through.

Both are processes of their own, each with one worker on a database of its own; the same new cases are posted
to both by turns, over one kept-alive connection each.
"""

from collections.abc import Iterator

import orjson

from tests.benchmarks.databases import fingerprint, fresh, template
from tests.benchmarks.measure import Report, Setting, Taken
from tests.benchmarks.posts import CASES, WARMING, by_turns, documents
from tests.benchmarks.race import percentiles, race
from tests.benchmarks.service import GUARDED, OPEN, connected, form, headers, served


def measure(setting: Setting) -> Report:
    number = setting.cases or CASES
    forms = [form(orjson.dumps(each)) for each in documents(WARMING + number * setting.pairs)]
    every: tuple[list[float], list[float]] = [], []
    with (
        template(setting.server_url) as name,
        fresh(setting.server_url, name) as guarded,
        fresh(setting.server_url, name) as unguarded,
        served(guarded, GUARDED) as one,
        served(unguarded, OPEN) as other,
        connected(one, headers()) as ours,
        connected(other, {}) as floor,
    ):
        rows: tuple[dict[int, int], dict[int, int]] = {}, {}

        def post_ours(place: int) -> None:
            rows[0][place] = _rows(ours.post(forms[place]))

        def post_floor(place: int) -> None:
            rows[1][place] = _rows(floor.post(forms[place]))

        race(range(WARMING), post_ours, post_floor)

        def pair(first: int) -> Iterator[Taken]:
            places = range(first, first + number)
            both = race(places, post_ours, post_floor)
            for side, engine in enumerate((guarded, unguarded)):
                every[side].extend(both[side])
                made = sum(rows[side][place] for place in places)
                with engine.connect() as connection:
                    yield Taken(sum(both[side]), number, made, fingerprint(connection, "lake.documents"))

        pairs = by_turns(pair, number, setting.pairs)
    notes = (
        f"with access control    {percentiles(every[0])}",
        f"without                {percentiles(every[1])}",
    )
    return Report("access", pairs, notes)


def _rows(answer: bytes) -> int:
    (case,) = orjson.loads(answer)["cases"]
    return sum(case["rows"].values())
