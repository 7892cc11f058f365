"""The transform on one core: documents to COPY text. Floor: joining the same lines, encoded beforehand."""

import hashlib
from functools import partial
from itertools import chain

from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.plan import Plan
from etl.setup import DEFAULT_MAPPING
from tests.benchmarks.cases import Document, documents
from tests.benchmarks.measure import Report, Setting, Taken, alternate, timed

CASES = 5000
AIM = 400_000


def measure(setting: Setting) -> Report:
    mapping = read_mapping(DEFAULT_MAPPING)
    plan = compile_plan(mapping, provisional_numbers(mapping))
    cases = documents(setting.cases or CASES)
    lines = _lines(plan, cases)
    ours = partial(_take, lambda: "".join(_lines(plan, cases)), len(cases), len(lines))
    floor = partial(_take, lambda: "".join(lines), len(cases), len(lines))
    ours(), floor()
    report = Report("transform", alternate(ours, floor, setting.pairs))
    rate = report.per_second(0, "rows")
    return Report(report.name, report.pairs, (f"{rate / AIM:.1f} times the aim of {AIM:,} rows/s",))


def _lines(plan: Plan, cases: list[Document]) -> list[str]:
    """Every encoded row, table by table, as a load needs them."""
    rows = plan.empty_rows()
    problems: list[tuple] = []
    for number, document in enumerate(cases, 1):
        plan.run(document, number, number, 1, rows, lambda *problem: problems.append(problem))
    return list(chain.from_iterable(rows.values()))


def _take(work, cases: int, rows: int) -> Taken:
    seconds, text = timed(work)
    return Taken(seconds, cases, rows, hashlib.sha256(text.encode()).hexdigest())
