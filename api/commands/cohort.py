"""Commands about cohorts: list, run, show, compare, export."""

import sys
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api.commands.cohort_tables import (
    SHOW_COLUMNS,
    compared_rows,
    print_compared,
    print_legend,
    print_list,
    print_ran,
    print_summary,
    refuse_file,
    show_rows,
    warn_of_changes,
    write_rows,
    write_text,
)
from api.shared import BadInput, MappingsOption, database, err, mapping_folder, plural
from etl.cohorts import mask
from etl.cohorts.compare import compare
from etl.cohorts.draw import TIMEOUT
from etl.cohorts.export import table_of, write_csv, write_parquet, write_pickle
from etl.cohorts.known import Run, definitions, find_definition, find_run, listed, mapping_name
from etl.cohorts.page import compared_page, page
from etl.cohorts.store import run
from etl.cohorts.summary import summarise
from etl.cohorts.table_one import TableOne, read_table_one
from etl.cohorts.values import settle
from etl.setup import SHIPPED, require_current

app = typer.Typer(
    name="cohort",
    help="Cohorts: groups of patients, each defined by a file of SQL.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
ALL = "all"


class Format(StrEnum):
    """How a cohort is shown."""

    TABLE = "table"
    CSV = "csv"
    HTML = "html"


class Target(StrEnum):
    """What an analysis table is written as."""

    PARQUET = "parquet"
    CSV = "csv"
    DATAFRAME = "dataframe"


FormatOption = Annotated[Format, typer.Option("--format", help="How to write it; html has plots.")]
ToOption = Annotated[
    Path | None, typer.Option("--to", metavar="FILE", help="Write it there, not to the standard output.")
]
MaskOption = Annotated[
    int,
    typer.Option("--mask-below", metavar="N", help="Mask counts from 1 to N - 1, and what they follow from."),
]
UnmaskedOption = Annotated[bool, typer.Option("--unmasked", help="Show all counts, small ones too.")]
NameArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A cohort that was run, such as uc2 or uc2:group=non_significant."),
]


@app.command("list")
def list_cohorts(
    mappings: MappingsOption = None,
    mask_below: MaskOption = mask.BELOW,
    unmasked: UnmaskedOption = False,
) -> None:
    """List the cohorts of the mapping, and those that were run.

    \b
    Example:
      oncolake cohort list
    """
    below = _below(mask_below, unmasked)
    with database() as engine:
        require_current(engine)
        with engine.connect() as connection:
            found = listed(mapping_folder(mappings), connection)
    print_list(found, below)


@app.command("run")
def run_cohort(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A cohort of the mapping, all, or a file: ./mine.sql.")
    ],
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Set a parameter; may be repeated."),
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", min=0.001, help="Seconds for a query.")] = TIMEOUT,
    mappings: MappingsOption = None,
    mask_below: MaskOption = mask.BELOW,
    unmasked: UnmaskedOption = False,
) -> None:
    """Draw a cohort: run its query, and put its rows into results.cohort.

    The query reads schemas research, omop, omop54 and results, as the role oncolake_reader. Its rows take the
    place of those of the last run with the same parameters.

    \b
    Example:
      oncolake cohort run uc2 --set group=non_significant
      oncolake cohort run all
    """
    below, folder = _below(mask_below, unmasked), mapping_folder(mappings)
    if name == ALL and setting:
        raise BadInput("--set is for one cohort; name it in place of all")
    wanted = definitions(folder) if name == ALL else [find_definition(folder, name)]
    if not wanted:
        raise BadInput("this mapping has no cohorts: a cohort is a file cohorts/NAME.sql in its folder")
    mapping = mapping_name(folder)
    values = [settle(each, setting or ()) for each in wanted]
    with database() as engine:
        require_current(engine)
        for definition, own in zip(wanted, values, strict=True):
            ran = run(engine, definition, own, mapping, timeout)
            print_ran(definition, ran, below, name != ALL)
    print_legend(below)


@app.command()
def show(
    name: NameArgument,
    form: FormatOption = Format.TABLE,
    to: ToOption = None,
    mask_below: MaskOption = mask.BELOW,
    unmasked: UnmaskedOption = False,
    mappings: MappingsOption = None,
) -> None:
    """Show a cohort: its description, how many persons each step left, and its table one.

    Numbers are told as median [quartiles], levels as persons (% of all).

    \b
    Example:
      oncolake cohort show uc2
      oncolake cohort show uc2 --format html --to uc2.html
    """
    below = _below(mask_below, unmasked)
    _refuse_output(form, to)
    with database() as engine:
        require_current(engine)
        with engine.connect() as connection:
            ran = find_run(connection, name)
            summary = summarise(connection, _table_one(ran, mappings), ran, below)
    warn_of_changes(ran)
    rows = (SHOW_COLUMNS, *show_rows(summary))
    _write(form, to, lambda: print_summary(summary), rows, lambda: page(summary))


@app.command("compare")
def compare_cohorts(
    first: NameArgument,
    second: NameArgument,
    form: FormatOption = Format.TABLE,
    to: ToOption = None,
    mask_below: MaskOption = mask.BELOW,
    unmasked: UnmaskedOption = False,
    mappings: MappingsOption = None,
) -> None:
    """Show two cohorts side by side: persons in both, table one, and standardised mean differences.

    \b
    Example:
      oncolake cohort compare uc2 uc2:group=non_significant
      oncolake cohort compare uc3 uc3_comparators --format html --to uc3.html
    """
    below = _below(mask_below, unmasked)
    _refuse_output(form, to)
    with database() as engine:
        require_current(engine)
        with engine.connect() as connection:
            runs = [find_run(connection, name) for name in (first, second)]
            found = compare(connection, _table_one(runs[0], mappings), runs[0], runs[1], below)
    for ran in runs:
        warn_of_changes(ran)
    rows = (("variable", "level", first, second, "smd"), *compared_rows(found))
    _write(form, to, lambda: print_compared(found), rows, lambda: compared_page(found))


@app.command()
def export(
    name: NameArgument,
    target: Annotated[
        Target, typer.Option("--to", help="What to write; dataframe is a pickle for pandas.read_pickle.")
    ] = Target.CSV,
    file: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Where; CSV goes to the standard output if not said."
        ),
    ] = None,
    mappings: MappingsOption = None,
) -> None:
    """Write the analysis table of a cohort: a row a person and period, with all columns of research.patient.

    It is data of single persons: nothing in it is masked. In Python: etl.cohorts.dataframe(engine, NAME).

    \b
    Example:
      oncolake cohort export uc5 --to parquet -o uc5.parquet
    """
    if file is None and target is not Target.CSV:
        raise BadInput(f"--to {target} is no text: say where to write it with -o FILE")
    refuse_file("-o", file)
    with database() as engine:
        require_current(engine)
        with engine.connect() as connection:
            ran = find_run(connection, name)
            frame = table_of(connection, ran, _table_one(ran, mappings))
    warn_of_changes(ran)
    if file is None:
        write_csv(frame, sys.stdout)
        return
    {Target.PARQUET: write_parquet, Target.CSV: write_csv, Target.DATAFRAME: write_pickle}[target](
        frame, file
    )
    err.print(f"{plural(len(frame), 'row')}, {plural(len(frame.columns), 'column')}: {file}", markup=False)


def _below(mask_below: int, unmasked: bool) -> int:
    if unmasked or mask_below == 0:
        return 0
    if mask_below < 3:
        raise BadInput(
            "--mask-below must be 3 or more, or 0 for no masking: a count hidden for being under 2 is 1"
        )
    return mask_below


def _table_one(ran: Run, mappings: Path | None) -> TableOne:
    """The variables of the mapping that was named, else of the one that the cohort was run for."""
    if mappings is None and ran.mapping in SHIPPED:
        return read_table_one(SHIPPED[ran.mapping])
    return read_table_one(mapping_folder(mappings))


def _refuse_output(form: Format, to: Path | None) -> None:
    """Raise BadInput for what cannot be written in the end, before a query takes its time."""
    if form is Format.TABLE and to is not None:
        raise BadInput(f"--to {to} needs --format csv or html; a {form} is for the screen")
    refuse_file("--to", to)


def _write(
    form: Format,
    to: Path | None,
    show_table: Callable[[], None],
    rows: Iterable[Sequence[object]],
    html: Callable[[], str],
) -> None:
    """Write what a command found in the form that is asked for; ``rows`` begin with the names of columns."""
    match form:
        case Format.TABLE:
            show_table()
        case Format.CSV:
            write_rows(rows, to)
        case Format.HTML:
            write_text(html(), to)
