"""The cases that benchmarks run on: a sample, always the same, as the bytes of an NDJSON file."""

from typing import Any

import orjson

from etl.sample import sample

Document = dict[str, Any]


def documents(count: int) -> list[Document]:
    """Parsed documents, as the reader hands them on: no two share an object."""
    return [orjson.loads(raw) for raw in raw_lines(sample(count))]


def ndjson(count: int) -> bytes:
    return b"".join(raw_lines(sample(count)))


def raw_lines(cases: Any) -> list[bytes]:
    return [orjson.dumps(each) + b"\n" for each in cases]
