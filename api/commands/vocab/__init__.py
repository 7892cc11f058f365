"""Commands for curators about the vocabulary: ``oncolake vocab``."""

import typer

from api.commands.vocab import add, check, diff, export, load, search, show, status

app = typer.Typer(help="Load, search and check the OMOP vocabulary.", no_args_is_help=True)
app.command("add")(add.add)
app.command("check")(check.check)
app.command("diff")(diff.diff)
app.command("export")(export.export)
app.command("load")(load.load)
app.command("search")(search.search)
app.command("show")(show.show)
app.command("status")(status.status)
