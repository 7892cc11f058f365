"""Reading NDJSON strictly and validating it. Floor: ``orjson.loads`` of each line, and no question asked."""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO

import orjson

from etl.mapping.compile import read_mapping
from etl.read import Record, read
from etl.setup import DEFAULT_MAPPING
from etl.validate import Validator
from tests.benchmarks.cases import Document, ndjson
from tests.benchmarks.measure import Report, Setting, Taken, alternate, timed

CASES = 5000


def measure(setting: Setting) -> Report:
    raw = ndjson(setting.cases or CASES)
    validator = Validator(read_mapping(DEFAULT_MAPPING).folder.schema)
    ours = partial(_take, lambda: _checked(raw, validator))
    floor = partial(_take, lambda: map(orjson.loads, BytesIO(raw)))
    ours(), floor()
    return Report("read", alternate(ours, floor, setting.pairs))


def _checked(raw: bytes, validator: Validator) -> Iterator[Document]:
    for record in read(BytesIO(raw), lines=True):
        if isinstance(record, Record) and not validator.violations(record.document):
            yield record.document


def _take(parsed: Callable[[], Iterator[Document]]) -> Taken:
    """Timed without keeping the documents, which alone would take longer than parsing them."""
    seconds, count = timed(lambda: sum(1 for _ in parsed()))
    made = hashlib.sha256(b"".join(map(orjson.dumps, parsed()))).hexdigest()
    return Taken(seconds, count, 0, made)
