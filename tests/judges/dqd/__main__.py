"""``python -m tests.judges.dqd CHECKOUT``: run DQD's checks on the views of schema ``omop54``."""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError
from sqlglot.errors import SqlglotError

from etl.reader_role import READER
from omop_schema.database import database_url, make_engine
from tests.judges.dqd.checks import Check, Schemas, parameters, read_checks
from tests.judges.dqd.judge import Counted, Status, Verdict, judge, totals
from tests.judges.dqd.render import TemplateError, render
from tests.judges.dqd.translate import translate

SCHEMAS = Schemas("omop54", "omop54", "results")
_STATUSES: tuple[Status, ...] = ("passed", "failed", "not applicable", "error")


def main() -> int:
    """Run every check and print the verdicts as Markdown; 1 where one failed or did not run."""
    options = _options()
    checks = read_checks(options.checkout, SCHEMAS)
    if options.type:
        checks = [check for check in checks if check.type in options.type]
    start = time.monotonic()
    with database_url() as found:
        engine = make_engine(options.url or found)
        try:
            verdicts = judge(run(engine, checks, options.checkout))
        finally:
            engine.dispose()
    print("\n".join(report(verdicts, time.monotonic() - start)))
    return int(any(one.status in ("failed", "error") for one in verdicts))


def _options() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.judges.dqd", description=main.__doc__)
    parser.add_argument("checkout", type=Path, help="a checkout of OHDSI/DataQualityDashboard")
    parser.add_argument("--url", help="the database's address; without it the one that oncolake uses")
    parser.add_argument("--type", action="append", help="run checks of this type alone; may be repeated")
    return parser.parse_args()


def run(engine: Engine, checks: Sequence[Check], checkout: Path) -> Iterator[Counted]:
    """Count what each check counts, as the role of data scientists, who can read and nothing else."""
    templates: dict[str, str] = {}
    with engine.connect() as connection:
        # It is not to go back to the pool: whoever came next would be the reader.
        connection.detach()
        connection.execute(text(f"SET ROLE {READER}"))
        connection.commit()
        for number, check in enumerate(checks, 1):
            if check.template not in templates:
                path = checkout / "inst" / "sql" / "sql_server" / check.template
                templates[check.template] = path.read_text(encoding="utf-8")
            yield _counted(connection, check, templates[check.template])
            if not number % 100:
                print(f"{number} of {len(checks)} checks", file=sys.stderr)


def _counted(connection: Connection, check: Check, template: str) -> Counted:
    start = time.monotonic()
    try:
        sql = translate(render(template, parameters(check, SCHEMAS)))
        row = connection.exec_driver_sql(sql, execution_options={"no_parameters": True}).one()
    except (SqlglotError, TemplateError) as error:
        return Counted(check, error=f"not translated: {error}")
    except DBAPIError as error:
        return Counted(check, error=str(error.orig).partition("\n")[0])
    finally:
        connection.rollback()
    count = dict(row._mapping)
    return Counted(
        check,
        count["num_violated_rows"],
        float(count["pct_violated_rows"]),
        count["num_denominator_rows"],
        seconds=time.monotonic() - start,
    )


def report(verdicts: Sequence[Verdict], seconds: float) -> Iterator[str]:
    """Markdown: checks by type and status, each that failed with its counts, each that did not run."""
    yield from _row("check", "severity", "run", *_STATUSES)
    yield from _row("---", "---", *["---:"] * (len(_STATUSES) + 1))
    severities = {one.counted.check.type: one.counted.check.severity for one in verdicts}
    counted = totals(verdicts)
    for type_, found in counted.items():
        yield from _row(type_, severities[type_], *_numbers(found))
    everything: dict[Status, int] = {
        status: sum(found.get(status, 0) for found in counted.values()) for status in _STATUSES
    }
    yield from _row("**total**", "", *_numbers(everything))
    yield f"\n{len(verdicts):,} checks in {seconds:.0f} seconds.\n"
    yield from _row("failed", "on", "violated", "of", "share", "threshold")
    yield from _row("---", "---", "---:", "---:", "---:", "---:")
    for counted_, status in verdicts:
        if status == "failed":
            share = f"{counted_.share:.1%}"
            limit = f"{counted_.check.threshold:g}%"
            numbers = (f"{counted_.violated:,}", f"{counted_.rows:,}", share, limit)
            yield from _row(counted_.check.type, counted_.check.about, *numbers)
    for counted_, status in verdicts:
        if status == "error":
            yield f"\n{counted_.check.type} on {counted_.check.about} did not run: {counted_.error}"


def _numbers(found: Mapping[Status, int]) -> list[str]:
    return [f"{sum(found.values()):,}", *(f"{found.get(status, 0):,}" for status in _STATUSES)]


def _row(*cells: str) -> Iterator[str]:
    yield f"| {' | '.join(cells)} |".replace("  ", " ")


if __name__ == "__main__":
    sys.exit(main())
