"""Pages of ``/feed.json`` in a large lake. Floor: the same pages in a lake of few uploads.

Both lakes are on one server, each with a service of its own; pages are asked for by turns. The uploads are
written by SQL, those of the small lake are the newest of the large one; every tenth is one provider's.
``--cases`` is the number of uploads of the large lake, and the small one has a tenth, or 10,000 at most.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack

import orjson
from sqlalchemy import Engine, text

from api.http.pages import Asked
from etl.viewer import Viewer
from tests.benchmarks.databases import fresh, template
from tests.benchmarks.measure import Report, Setting, Taken, alternate
from tests.benchmarks.race import percentiles, race
from tests.benchmarks.service import PUBLIC, Client, connected, headers, served

UPLOADS = 100_000
FEW = 10_000
#: So many that a provider's page in the middle is full.
LEAST = 1_100
#: How often each page is asked for in a pair.
TIMES = 20
PAGES = ("administrator, first page", "administrator, middle", "provider, first page", "provider, middle")

_FILL = text("""
    INSERT INTO lake.uploads (upload_id, received_at, finished_at, uploader, source, mapping, bytes, sha256,
        outcome, cases, stored, rows, organisation)
    OVERRIDING SYSTEM VALUE
    SELECT number, made, made, 'somebody', 'data_file', 'prostate', 5000, sha256(CAST(number::text AS bytea)),
        'loaded', 1, 1, 58, 'provider' || number % 10
    FROM generate_series(CAST(:first AS bigint), :last) AS number,
        LATERAL (SELECT TIMESTAMPTZ '2026-01-01 00:00Z' + number * INTERVAL '1 s') AS moment (made)
""")
_VACUUM = text("VACUUM ANALYZE lake.uploads")


class Side:
    """One lake, the pages that are asked of it, and what they were."""

    def __init__(self, clients: tuple[Client, Client], middle: int) -> None:
        # A multiple of ten: the provider's next upload is as far away in both lakes.
        self._middle = middle // 10 * 10
        asked = Asked(PUBLIC, (), None, 50, Viewer(True, None), frozenset()).of("feed.json")
        further = asked.page_after(self._middle).removeprefix(PUBLIC)
        self._pages = [(client, path) for client in clients for path in ("/feed.json", further)]
        self.items: list[list[str]] = [[], [], [], []]
        self.seconds: list[list[float]] = [[], [], [], []]

    def ask(self, number: int) -> None:
        client, path = self._pages[number % 4]
        self.items[number % 4] = [item["id"] for item in orjson.loads(client.get(path))["items"]]

    def taken(self, seconds: list[float]) -> Taken:
        for number, each in enumerate(seconds):
            self.seconds[number % 4].append(each)
        rows = sum(map(len, self.items)) * len(seconds) // 4
        return Taken(sum(seconds), len(seconds), rows, self._made())

    def _made(self) -> str:
        """The items: those of first pages by number, those in the middle by how far from it they are."""
        ids = [[int(each.rpartition(":")[2]) for each in items] for items in self.items]
        found = [(first, [each - self._middle for each in middle]) for first, middle in (ids[:2], ids[2:])]
        return hashlib.sha256(repr(found).encode()).hexdigest()


def measure(setting: Setting) -> Report:
    many = max(setting.cases or UPLOADS, 2 * LEAST)
    few = min(FEW, max(LEAST, many // 10))
    with ExitStack() as stack:
        name = stack.enter_context(template(setting.server_url))
        large, small = (_side(stack, setting.server_url, name, many - size, many) for size in (many, few))
        race(range(4 * 5), large.ask, small.ask)

        def takes() -> Iterator[Taken]:
            while True:
                both = race(range(4 * TIMES), large.ask, small.ask)
                yield large.taken(both[0])
                yield small.taken(both[1])

        taken = takes()
        pairs = alternate(lambda: next(taken), lambda: next(taken), setting.pairs)
    return Report("feed", pairs, tuple(_notes(large, small, many, few)))


def _side(stack: ExitStack, server_url: str, name: str, below: int, last: int) -> Side:
    """A service on a lake of the uploads above ``below``."""
    engine = stack.enter_context(fresh(server_url, name))
    _fill(engine, below + 1, last)
    address = stack.enter_context(served(engine))
    clients = (
        stack.enter_context(connected(address, headers("admins"))),
        stack.enter_context(connected(address, headers("data-providers", organisation="provider0"))),
    )
    return Side(clients, (below + last) // 2)


def _fill(engine: Engine, first: int, last: int) -> None:
    with engine.begin() as connection:
        connection.execute(_FILL, {"first": first, "last": last})
    # As autovacuum does by and by: not while pages are measured.
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(_VACUUM)


def _notes(large: Side, small: Side, many: int, few: int) -> Iterator[str]:
    for name, *both in zip(PAGES, large.seconds, small.seconds, strict=True):
        for size, seconds in zip((many, few), both, strict=True):
            yield f"{name:<26} {size:>9,} uploads  {percentiles(seconds)}"
