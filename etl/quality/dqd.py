"""Results in the shape that OHDSI's DataQualityDashboard writes, so that its viewer opens them.

Its R package writes each single value as a list of one, and leaves out of a check's row what is missing.
"""

import json
from collections.abc import Container, Iterable
from typing import Any

from etl.quality.check import Check
from etl.quality.count import queries
from etl.quality.result import Report, Result

#: The version of the DataQualityDashboard whose shape it is.
DQD_VERSION = "2.8.4"


def results_json(report: Report) -> str:
    """The whole of results.json. It holds counts and names, and no value of a patient."""
    seconds = (report.ended - report.started).total_seconds()
    return json.dumps(
        {
            "startTimestamp": [f"{report.started:%Y-%m-%d %H:%M:%S}"],
            "endTimestamp": [f"{report.ended:%Y-%m-%d %H:%M:%S}"],
            "executionTime": [f"{seconds:.0f} secs"],
            "executionTimeSeconds": [seconds],
            "CheckResults": [_row(one) for one in report.results],
            "Metadata": [_metadata(report)],
            "Overview": {name: [value] for name, value in overview(report).items()},
        },
        indent=1,
    )


def _row(one: Result) -> dict[str, Any]:
    check, kind = one.check, one.check.kind
    row = {
        "numViolatedRows": one.violated,
        "pctViolatedRows": round(one.share, 6),
        "numDenominatorRows": one.among,
        "executionTime": f"{one.seconds:.6f} secs",
        "queryText": query_text(one.check),
        "checkName": check.name,
        "checkLevel": check.level,
        "checkDescription": check.description,
        "cdmTableName": check.table.upper(),
        "cdmFieldName": check.column.upper() if check.column else None,
        "conceptId": str(check.concept) if check.concept is not None else None,
        "unitConceptId": str(check.unit) if check.unit is not None else None,
        "sqlFile": "oncolake",
        "category": kind.category,
        "subcategory": kind.subcategory,
        "context": kind.context,
        "error": one.reason if one.status == "error" else None,
        "checkId": check.id,
        "failed": int(one.status == "failed"),
        "passed": int(one.status == "passed"),
        "isError": int(one.status == "error"),
        "notApplicable": int(one.status == "not applicable"),
        "notApplicableReason": one.reason if one.status == "not applicable" else None,
        "thresholdValue": one.threshold,
        "notesValue": notes(one),
    }
    return {name: value for name, value in row.items() if value is not None}


def query_text(check: Check, keyed: Container[str] = ()) -> str:
    """The statement that counts this check alone: violated rows and the denominator.

    ``keyed`` are the tables whose primary key PostgreSQL holds.
    """
    return next(
        (query.sql for query in queries((check,), keyed)), "pg_catalog: is it there, and of which type"
    )


def notes(one: Result) -> str | None:
    """Where a check comes from, why its threshold is what it is, and which rows break it."""
    parts = [f"From {one.check.origin}."]
    if one.status in {"passed", "failed"} and one.reason:
        parts.append(f"Threshold: {one.reason}.")
    if one.ids:
        parts.append(f"Rows of {one.witness}: {', '.join(map(str, one.ids))}.")
    if one.explained:
        parts.append(f"Go on with: {one.explained}")
    return " ".join(parts)


def _metadata(report: Report) -> dict[str, str]:
    camel = {_camel(name): value for name, value in report.source.items() if value is not None}
    return {**camel, "dqdVersion": DQD_VERSION}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(one.capitalize() for one in others)


def overview(report: Report) -> dict[str, float]:
    """The counts as the DataQualityDashboard's overview has them."""
    total, failed = len(report.results), report.counted("failed")
    passed = total - failed
    numbers = {
        "countTotal": total,
        "countPassed": passed,
        "countErrorFailed": report.counted("error"),
        "countThresholdFailed": failed,
        "countOverallFailed": failed,
        "percentPassed": round(100 * passed / total, 2) if total else 0,
        "percentFailed": round(100 * failed / total, 2) if total else 0,
    }
    for word, results in (
        ("Total", report.results),
        ("Failed", [one for one in report.results if one.status == "failed"]),
        ("Passed", [one for one in report.results if one.status == "passed"]),
    ):
        for category in ("Plausibility", "Conformance", "Completeness"):
            numbers[f"count{word}{category}"] = _of(results, category)
    return numbers


def _of(results: Iterable[Result], category: str) -> int:
    return sum(one.check.kind.category == category for one in results)
