"""Commands for curators: map check, map show."""

from typing import Annotated

import typer

from api.shared import MappingsOption, database, err, mapping_folder, out, plural
from etl.cohorts.check import cohort_findings
from etl.mapping.check import check as check_mapping
from etl.mapping.compile import compile_plan, provisional_numbers, read_mapping
from etl.mapping.findings import Finding, errors
from etl.mapping.show import show as show_mapping
from etl.mapping.views import statements, views_of
from etl.setup import vocabulary
from migrations import state

app = typer.Typer(help="Check a mapping, or show it as an ETL document.", no_args_is_help=True)


@app.command()
def check(mappings: MappingsOption = None) -> None:
    """Check a mapping before any data is loaded; report every finding with file and line.

    Exit code 0 when there is no error, 1 when there is.

    \b
    Example:
      oncolake map check --mappings my-disease
    """
    folder = mapping_folder(mappings)
    with database() as engine:
        current = state(engine).name == "current"
        with engine.connect() as connection:
            findings = check_mapping(folder, vocabulary(folder, connection if current else None)).findings
    findings = sorted([*findings, *cohort_findings(folder)])
    for finding in findings:
        out.print(str(finding), markup=False)
    against = (
        "the database's vocabulary" if current else "the shipped concepts (the database is not initialised)"
    )
    out.print(f"{_summary(findings)}, against {against}.")
    if errors(findings):
        raise typer.Exit(1)


@app.command()
def show(
    mappings: MappingsOption = None,
    code: Annotated[bool, typer.Option("--code", help="Show the generated Python instead.")] = False,
    views: Annotated[
        bool, typer.Option("--views", help="Show the SQL of the views that follow from the mapping instead.")
    ] = False,
) -> None:
    """Print a mapping as an ETL document (Markdown), or as the code or views that it compiles to.

    \b
    Example:
      oncolake map show > docs/etl.md
    """
    mapping = read_mapping(mapping_folder(mappings))
    if views:
        numbers = provisional_numbers(mapping)
        parts = [part for view in views_of(mapping) for part in statements(view, numbers)]
        print("".join(f"{part};\n" for part in parts), end="")
    else:
        text = compile_plan(mapping, provisional_numbers(mapping)).code if code else show_mapping(mapping)
        print(text, end="")
    if code or views:
        err.print("Rule numbers are provisional here; a database gives its own.")


def _summary(findings: list[Finding]) -> str:
    counts = dict.fromkeys(("error", "warning", "note"), 0)
    for finding in findings:
        counts[finding.severity] += 1
    return ", ".join(plural(count, severity) for severity, count in counts.items())
