"""The pictures of a cohort, as SVG: of what is shown, so a masked count is in none of them.

Two colours that people with any colour vision tell apart (Okabe and Ito), and a hatch besides.
"""

import io
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import nan
from typing import TYPE_CHECKING, Any, NamedTuple

from etl.cohorts.compare import Compared
from etl.cohorts.mask import Count
from etl.cohorts.render import MASKED, NONE, UNKNOWN, number
from etl.cohorts.summary import Shown, ShownLevels, ShownNumbers, Step, Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY, INK = "#0072B2", "#E69F00", "#999999", "#222222"
_HATCHES = ("", "///")
_WIDTH = 6.4
"""Inches."""
#: Text stays text, and the same figures give the same bytes.
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "oncolake",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "hatch.linewidth": 0.6,
}
_HIDDEN = "not shown"


class Picture(NamedTuple):
    """A picture, and what it shows in words."""

    name: str
    """For a file, such as ``age``."""
    title: str
    svg: str


def pictures(summary: Summary) -> list[Picture]:
    """A cohort's attrition, the distribution of each number, and the persons of each level."""
    found = [_attrition(summary.attrition)]
    if summary.persons is not None:
        drawn = (_variable([each], [summary]) for each in summary.variables)
        found += [picture for picture in drawn if picture]
    return found


def compared_pictures(compared: Compared) -> list[Picture]:
    """The differences of two cohorts, and each variable of both side by side, as shares of their persons."""
    both = [compared.first, compared.second]
    found = [_differences(compared)]
    if all(each.persons for each in both):
        pairs = zip(compared.first.variables, compared.second.variables, strict=True)
        drawn = (_variable(pair, both) for pair in pairs)
        found += [picture for picture in drawn if picture]
    return found


def _draw(name: str, title: str, height: float, paint: Callable[["Axes"], None]) -> Picture:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(title)
        paint(axes)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return Picture(name, title, _inline(written.getvalue(), name, title))


def _inline(svg: str, name: str, title: str) -> str:
    """The picture as an element of a page: named, and with ids of its own where something refers to one."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|xlink:href="#)([^)"]+)', svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", svg)
    svg = re.sub(r'(url\(#|xlink:href="#)', rf"\g<1>{name}-", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{title.replace(chr(34), "")}"', 1)


def _attrition(steps: Sequence[Step]) -> Picture:
    def paint(axes: "Axes") -> None:
        places = range(len(steps))
        axes.barh(places, [each.persons or 0 for each in steps], color=BLUE, height=0.6)
        for place, each in zip(places, steps, strict=True):
            lost = f" (−{each.dropped:,})" if each.dropped else ""
            shown = _HIDDEN if each.persons is None else f"{each.persons:,}{lost}"
            _label(axes, shown, each.persons or 0, place)
        axes.set_yticks(list(places), [each.name.replace("_", " ") for each in steps])
        axes.set_ylim(len(steps) - 0.5, -0.5)
        axes.set_xlabel("persons")
        axes.margins(x=0.18)
        axes.set_xlim(left=0)

    return _draw("attrition", "Persons left after each step", 0.7 + 0.35 * len(steps), paint)


def _label(axes: "Axes", said: str, value: float, place: float, far: float = 3) -> None:
    """What is said at the end of a bar."""
    axes.annotate(
        said, (value, place), (far, 0), textcoords="offset points", va="center", fontsize=8, color=INK
    )


def _variable(shown: Sequence[Shown], summaries: Sequence[Summary]) -> Picture | None:
    """One variable of one cohort, in persons, or of two, in shares."""
    if all(isinstance(each, ShownNumbers) for each in shown):
        return _distribution([each for each in shown if isinstance(each, ShownNumbers)], summaries)
    return _levels([each for each in shown if isinstance(each, ShownLevels)], summaries)


def _heights(counts: Sequence[Count], summaries: Sequence[Summary], place: int) -> list[float]:
    """Persons, or of two cohorts per cent; what is masked has no height, not even 0."""
    persons = summaries[place].persons or 1
    return [(nan if each is None else each) * (100 / persons if len(summaries) > 1 else 1) for each in counts]


def _distribution(shown: Sequence[ShownNumbers], summaries: Sequence[Summary]) -> Picture | None:
    variable = shown[0].variable
    if not variable.bins or any(each.bins is None for each in shown):
        return None
    first, last = _window([each.bins or () for each in shown])
    edges = variable.bins[first : last + 1]
    if len(edges) < 2:
        return None

    def paint(axes: "Axes") -> None:
        if variable.scale == "log":
            axes.set_xscale("log")
            axes.set_xticks([], minor=True)
        axes.set_xticks(edges, [number(each) for each in edges])
        for place, each in enumerate(shown):
            counts = (each.bins or ())[first + 1 : last + 1]
            _paint_bins(axes, edges, counts, _heights(counts, summaries, place), place, len(shown) > 1)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(variable.heading)
        axes.set_ylabel(_unit(summaries))
        _note(axes, summaries, [_outside(each, first, last) for each in shown])

    return _draw(variable.column, variable.title, 2.9, paint)


def _window(bins: Sequence[Sequence[Count]]) -> tuple[int, int]:
    """The edges between which some bar is shown and not 0: a masked one beyond would tell the extremes."""
    filled = [place for counts in bins for place, count in enumerate(counts[1:-1]) if count]
    return (min(filled), max(filled) + 1) if filled else (0, 0)


def _outside(shown: ShownNumbers, first: int, last: int) -> str:
    """What the axis leaves out."""
    counts, edges = shown.bins or (), shown.variable.bins or ()
    sides = ((counts[: first + 1], "below", edges[first]), (counts[last + 1 :], "from", edges[last]))
    parts = []
    for beyond, side, edge in sides:
        if None in beyond:
            parts.append(f"{MASKED} {side} {number(edge)}")
        elif any(beyond):
            parts.append(f"{sum(each or 0 for each in beyond):,} {side} {number(edge)}")
    return ", ".join(parts)


def _paint_bins(
    axes: "Axes",
    edges: Sequence[float],
    counts: Sequence[Count],
    heights: Sequence[float],
    place: int,
    two: bool,
) -> None:
    color = (BLUE, ORANGE)[place]
    if two:
        axes.stairs(heights, edges, fill=place == 1, color=color, alpha=0.55 if place else 1, linewidth=1.8)
    else:
        widths = [high - low for low, high in pairwise(edges)]
        axes.bar(edges[:-1], heights, widths, align="edge", color=color, edgecolor="white")
    for (low, high), count in zip(pairwise(edges), counts, strict=True):
        if count is None:
            middle = (low * high) ** 0.5 if axes.get_xscale() == "log" else (low + high) / 2
            side = ("right" if place == 0 else "left") if two else "center"
            axes.annotate(MASKED, (middle, 0), ha=side, va="bottom", color=color if two else INK, fontsize=12)


def _levels(shown: Sequence[ShownLevels], summaries: Sequence[Summary]) -> Picture | None:
    if any(each.counts is None for each in shown):
        return None
    variable = shown[0].variable
    names = [variable.label(level) for level in shown[0].counts or {}]
    counts = [list((each.counts or {}).values()) for each in shown]
    if any(each.missing != 0 for each in shown):
        names.append(UNKNOWN)
        counts = [[*own, each.missing] for own, each in zip(counts, shown, strict=True)]
    if not names:
        return None

    def paint(axes: "Axes") -> None:
        height = 0.7 / len(shown)
        for place, own in enumerate(counts):
            heights = _heights([each or 0 for each in own], summaries, place)
            places = [row + height * (place - (len(shown) - 1) / 2) for row in range(len(names))]
            look: dict[str, Any] = {
                "color": (BLUE, ORANGE)[place],
                "hatch": _HATCHES[place],
                "edgecolor": "white",
            }
            axes.barh(places, heights, height, **look)
            for row, bar, count in zip(places, heights, own, strict=True):
                percent = f"{bar:.1f} %" if count else "0"
                _label(
                    axes, MASKED if count is None else percent if len(shown) > 1 else f"{count:,}", bar, row
                )
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(_unit(summaries))
        axes.margins(x=0.12)
        axes.set_xlim(left=0)
        _note(axes, summaries, [""] * len(shown))

    rows = len(names) * (1 if len(shown) == 1 else 1.5)
    return _draw(variable.column, variable.title, 0.9 + 0.24 * rows, paint)


def _unit(summaries: Sequence[Summary]) -> str:
    return "persons" if len(summaries) == 1 else "% of the cohort's persons"


def _note(axes: "Axes", summaries: Sequence[Summary], outside: Sequence[str]) -> None:
    """The legend of two cohorts, and what lies outside of the axis."""
    from matplotlib.patches import Patch

    if len(summaries) == 1:
        axes.text(1, 1.02, outside[0], transform=axes.transAxes, ha="right", fontsize=8, color=INK)
        return
    looks = zip((BLUE, ORANGE), _HATCHES, summaries, outside, strict=True)
    handles = [
        Patch(facecolor=color, hatch=hatch, edgecolor="white", label=each.run.name + (far and f" ({far})"))
        for color, hatch, each, far in looks
    ]
    axes.legend(handles=handles, frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1))


def _differences(compared: Compared) -> Picture:
    variables = [each.variable for each in compared.first.variables]
    found = [compared.differences[each.column] for each in variables]

    def paint(axes: "Axes") -> None:
        places = range(len(variables))
        axes.axvline(0.1, color=GREY, linestyle="--", linewidth=0.8)
        known = [(value, place) for value, place in zip(found, places, strict=True) if value is not None]
        axes.scatter([value for value, _ in known], [place for _, place in known], color=BLUE, zorder=3)
        for value, place in zip(found, places, strict=True):
            missing = _HIDDEN if variables[place].column in compared.masked else NONE
            _label(axes, missing if value is None else f"{value:.2f}", value or 0, place, far=7)
        names = [f"{each.title} (ln)" if each.scale == "log" else each.title for each in variables]
        axes.set_yticks(list(places), names)
        axes.set_ylim(len(variables) - 0.5, -0.5)
        axes.set_xlabel("standardised mean difference (dashed: 0.1)")
        axes.margins(x=0.15)
        axes.set_xlim(left=0)

    return _draw("differences", "How far the cohorts are apart", 0.8 + 0.3 * len(variables), paint)
