"""The same checks in Great Expectations' words: one suite a table, run by it on the same database.

It is asked for verdicts alone (BOOLEAN_ONLY), so that no value gets into its Data Docs: which rows break an
expectation is told by our ids. It is imported where it is needed, since that takes seconds.
"""

import os
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import reduce
from itertools import product
from operator import and_
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Table
from sqlalchemy.dialects import postgresql

from etl.quality.check import Check, Declared, Plain, Rows
from etl.quality.count import keyed_tables
from etl.quality.dqd import notes, query_text
from etl.quality.offline import make_offline
from etl.quality.result import Report, Result
from etl.quality.thresholds import least
from omop_schema import OMOP, metadata

#: Told how many of all suites are done.
Progress = Callable[[int, int], None]

_SITE = "quality"
_EXCEPTION = re.compile(r"\b\w*(?:Error|Exception|Canceled)\b")
_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Great Expectations says of one check."""

    check: str
    """The check's id."""
    passed: bool
    error: str | None = None
    """Which exception it met; None: none."""


def document(
    engine: Engine,
    report: Report,
    folder: Path,
    *,
    timeout: float = 300,
    progress: Progress = lambda _done, _of: None,
) -> tuple[Verdict, ...]:
    """Run the report's checks once more as expectations, and write Data Docs: ``index.html`` in a folder.

    The folder is a new one: every page in it is made anew. What is not applicable or cannot fail is left out,
    and so are empty tables. The pages load nothing from elsewhere.
    """
    suites: dict[str, list[Result]] = defaultdict(list)
    filled = {one.check.table for one in report.results if one.among > 0 and isinstance(one.check.test, Rows)}
    for one in report.results:
        told = one.status in {"passed", "failed"} and one.threshold < 100 and one.check.name != "cdmTable"
        if told and one.check.table in filled:
            suites[one.check.table].append(one)
    with _quietly():
        verdicts = tuple(_run(engine, suites, folder, report.started, timeout, progress))
    make_offline(folder)
    return verdicts


@contextmanager
def _quietly() -> Iterator[None]:
    """It would send usage statistics, and warns of its own use of SQLAlchemy."""
    before = os.environ.get("GX_ANALYTICS_ENABLED")
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if before is None:
            del os.environ["GX_ANALYTICS_ENABLED"]
        else:
            os.environ["GX_ANALYTICS_ENABLED"] = before


def _run(
    engine: Engine,
    suites: Mapping[str, list[Result]],
    folder: Path,
    started: datetime,
    timeout: float,
    progress: Progress,
) -> Iterator[Verdict]:
    import great_expectations as gx

    context, source = _opened(engine, folder, timeout)
    with engine.connect() as connection:
        keyed = keyed_tables(connection)
    named = gx.RunIdentifier(run_name="quality", run_time=started)
    for place, (table, results) in enumerate(sorted(suites.items())):
        asset = source.add_table_asset(table, table_name=table, schema_name=OMOP)
        suite = gx.ExpectationSuite(table)
        for one in results:
            suite.add_expectation(_expectation(one, keyed))
        definition = context.validation_definitions.add(
            gx.ValidationDefinition(
                name=table,
                data=asset.add_batch_definition_whole_table("all"),
                suite=context.suites.add(suite),
            )
        )
        checkpoint = context.checkpoints.add(
            gx.Checkpoint(name=table, validation_definitions=[definition], result_format="BOOLEAN_ONLY")
        )
        for result in checkpoint.run(run_id=named).run_results.values():
            yield from map(_verdict, result.results)
        progress(place + 1, len(suites))
    context.build_data_docs(site_names=[_SITE])


def _opened(engine: Engine, folder: Path, timeout: float) -> tuple[Any, Any]:
    """A context that writes its pages to the folder, and the schema of the data in it."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context: Any = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    _add_site(context, folder)
    source = context.data_sources.add_sql(
        OMOP,
        connection_string=engine.url.render_as_string(hide_password=False),
        kwargs={"connect_args": {"options": _session(timeout)}},
    )
    return context, source


def _add_site(context: Any, folder: Path) -> None:
    for name in list(context.get_site_names()):
        context.delete_data_docs_site(name)
    context.add_data_docs_site(
        site_name=_SITE,
        site_config={
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(folder.resolve()),
            },
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )


def _session(timeout: float) -> str:
    settings = {
        "default_transaction_read_only": "on",
        "jit": "off",
        "statement_timeout": str(int(timeout * 1000)),
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _verdict(result: Any) -> Verdict:
    raised = result.exception_info or {}
    # Either of the whole, or by metric.
    each = [raised] if "raised_exception" in raised else list(raised.values())
    failed = [one for one in each if one.get("raised_exception")]
    # Its message may repeat a value: the name of the exception is enough.
    named = _EXCEPTION.search(str(failed[0].get("exception_message"))) if failed else None
    error = (named[0] if named else "an exception") if failed else None
    return Verdict(result.expectation_config.meta["check"], bool(result.success), error)


def _expectation(one: Result, keyed: Container[str]) -> Any:
    """A check as an expectation; of what has no words of its own, as a query that finds no row."""
    gxe, check = _words(), one.check
    said: dict[str, Any] = {"meta": {"check": check.id}, "notes": notes(one)}
    if one.status == "failed":
        # Its pages of results show no notes.
        said["description"] = f"{_wanted(one)}. {notes(one)}"
    match check.test:
        case Declared(None):
            return gxe.ExpectColumnToExist(column=check.column, **said)
        case Declared():
            return gxe.ExpectColumnValuesToBeOfType(column=check.column, type_=_type(check), **said)
        case Rows(plain=Plain() as plain):
            return _plain(check, plain, said | {"mostly": least(one.threshold)})
    if check.name == "isPrimaryKey":
        columns = str(check.column).split("+")
        if len(columns) > 1:
            return gxe.ExpectCompoundColumnsToBeUnique(column_list=columns, **said)
        return gxe.ExpectColumnValuesToBeUnique(column=columns[0], **said)
    query = _over(check, one.threshold, keyed)
    return gxe.UnexpectedRowsExpectation(unexpected_rows_query=query, **{"description": _wanted(one)} | said)


def _wanted(one: Result) -> str:
    """What a check wants, in a sentence."""
    most = f"no more than {one.threshold:g} %" if one.threshold else "none"
    what = one.check.description
    return f"There should be {most}: {what[0].lower()}{what[1:]}"


def _type(check: Check) -> str:
    """The type of the column as Great Expectations reads it from the database."""
    table: Table = metadata.tables[f"{OMOP}.{check.table}"]
    return table.columns[str(check.column)].type.compile(_POSTGRESQL)


def _plain(check: Check, plain: Plain, said: dict[str, Any]) -> Any:
    gxe = _words()
    if plain.where:
        said = said | {"row_condition": _condition(plain)}
    if plain.required:
        return gxe.ExpectColumnValuesToNotBeNull(column=check.column, **said)
    if plain.allowed is not None:
        return gxe.ExpectColumnValuesToBeInSet(column=check.column, value_set=list(plain.allowed), **said)
    if plain.no_later_than is not None:
        return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=plain.no_later_than, column_B=check.column, or_equal=True,
            ignore_row_if="either_value_is_missing", **said,
        )  # fmt: skip
    return gxe.ExpectColumnValuesToBeBetween(
        column=check.column, min_value=plain.low, max_value=plain.high, **said
    )


def _words() -> Any:
    import great_expectations.expectations as words

    return words


def _condition(plain: Plain) -> Any:
    from great_expectations.expectations.row_conditions import Column, OrCondition

    each: list[list[Any]] = []
    for one in plain.where:
        column = Column(one.column)
        if one.or_none:
            values = sorted({0, one.value or 0}, reverse=True)
            each.append([*(column == value for value in values), column.is_null()])
        else:
            each.append([column.is_not_null() if one.value is None else column == one.value])
    # It knows alternatives of conditions that hold together, and no others.
    alternatives = [reduce(and_, some) for some in product(*each)]
    return alternatives[0] if len(alternatives) == 1 else OrCondition(conditions=alternatives)


def _over(check: Check, threshold: float, keyed: Container[str]) -> str:
    """A query that yields one row where a check is over its threshold."""
    over = f"violated > 0 AND (total = 0 OR 100 * violated > {Decimal(repr(threshold)):f} * total)"
    # The table that it is of is asked for by Great Expectations' own name for it, and no more.
    return (
        f"SELECT 1 AS over FROM ({query_text(check, keyed)}) AS counted (violated, total)"  # noqa: S608
        f" WHERE {over} AND EXISTS (SELECT FROM {{batch}})"
    ).replace("{}", "{{}}")
