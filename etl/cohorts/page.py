"""A cohort, or two side by side, as one HTML page that needs nothing but itself."""

from collections.abc import Iterable, Sequence
from html import escape

from etl.cohorts.compare import Compared
from etl.cohorts.plots import Picture, compared_pictures, pictures
from etl.cohorts.render import counted, legend, legend_of_differences, lines, merged
from etl.cohorts.summary import Summary


def page(summary: Summary) -> str:
    """The page of one cohort."""
    header = summary.run.definition.header
    parts = [
        f"<h1>{escape(header.title)}</h1>",
        _about(summary),
        f"<p>{escape(header.description)}</p>",
        _parameters([summary]),
        "<h2>Attrition</h2>",
        _attrition(summary),
        "<h2>Table one</h2>",
        _table_one(summary),
        *_pictures(pictures(summary)),
        _foot(summary.below),
    ]
    return _document(header.title, parts)


def compared_page(compared: Compared) -> str:
    """The page of two cohorts."""
    both = (compared.first, compared.second)
    title = f"{both[0].run.name} and {both[1].run.name}"
    overlap = [
        ("in both", counted(compared.both)),
        (f"in {both[0].run.name} alone", counted(compared.first_alone)),
        (f"in {both[1].run.name} alone", counted(compared.second_alone)),
    ]
    rows = [
        (variable or _INDENT + level, *values, apart) for variable, level, values, apart in merged(compared)
    ]
    parts = [
        f"<h1>{escape(title)}</h1>",
        *(f"<p><b>{escape(each.run.name)}</b>: {escape(each.run.definition.header.title)}</p>{_about(each)}"
          for each in both),
        _parameters(both),
        "<h2>Persons</h2>",
        _table(("", "persons"), overlap),
        "<h2>Table one</h2>",
        _table(("", both[0].run.name, both[1].run.name, "SMD"), rows),
        f"<p>{escape(legend_of_differences(compared))}</p>",
        *_pictures(compared_pictures(compared)),
        _foot(both[0].below),
    ]  # fmt: skip
    return _document(title, parts)


def _document(title: str, parts: Iterable[str]) -> str:
    body = "\n".join(part for part in parts if part)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{_STYLE}</style>\n</head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _about(summary: Summary) -> str:
    run = summary.run
    state = ""
    if run.is_current is False:
        state = " <b>The data changed since: run it again.</b>"
    elif run.definition.reads_cohorts:
        state = " It reads other cohorts: whether they changed since cannot be told."
    return (
        f"<p class=about>{escape(run.name)}, definition {run.definition_id}, "
        f"run {run.ran_at:%Y-%m-%d %H:%M %Z}.{state}</p>"
    )


def _parameters(summaries: Iterable[Summary]) -> str:
    rows = [
        (summary.run.name, name, value, summary.run.definition.header.parameters[name].description)
        for summary in summaries
        for name, value in summary.run.parameters.items()
    ]
    return _table(("cohort", "parameter", "value", ""), rows) if rows else ""


def _attrition(summary: Summary) -> str:
    rows = [
        (each.name, each.keeps, counted(each.persons), "" if place == 0 else counted(each.dropped))
        for place, each in enumerate(summary.attrition)
    ]
    return _table(("step", "keeps", "persons", "fewer"), rows)


def _table_one(summary: Summary) -> str:
    rows = [("Persons", counted(summary.persons))]
    rows += [(_INDENT + each.level if each.level else each.variable, each.value) for each in lines(summary)]
    return _table(("", summary.run.name), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(each)}</th>" for each in head)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(each)}</td>" for each in row) + "</tr>" for row in rows
    )  # fmt: skip
    return f"<table>\n<thead><tr>{titles}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _pictures(found: Iterable[Picture]) -> list[str]:
    return [f"<figure>\n{each.svg}</figure>" for each in found]


def _foot(below: int) -> str:
    said = legend(below)
    return f"<p class=about>{escape(said)}</p>" if said else ""


_INDENT = "\u2003"
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#222;background:#fff;max-width:46rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}.about{color:#555;font-size:.9rem}
table{border-collapse:collapse;margin:.5rem 0}
th,td{text-align:left;padding:.15rem .9rem .15rem 0;vertical-align:top}
thead th{border-bottom:1px solid #999}tbody tr:last-child td{border-bottom:1px solid #999}
td{font-variant-numeric:tabular-nums}figure{margin:1.5rem 0}svg{max-width:100%;height:auto}
"""
