"""A cohort's figures as the words and numbers that people and CSV readers get."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, log10

from etl.cohorts.compare import Compared
from etl.cohorts.mask import Count
from etl.cohorts.summary import Shown, ShownLevels, ShownNumbers, Summary

MASKED = "*"
#: A difference that there is none of: nothing varies, or nothing is known.
NONE = "–"
UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of table one: a variable, or one of its levels."""

    variable: str
    """Title and unit; repeated on the lines of its levels."""
    level: str
    """Empty: the line of the variable itself."""
    count: Count
    percent: float | None
    """Of all persons of the cohort."""
    quartiles: tuple[float, float, float] | None
    is_masked: bool
    """Whether a figure is there that is not shown."""

    @property
    def value(self) -> str:
        """Its figure: ``71 [65, 76]`` (median and quartiles) or ``36 (24.1 %)``; ``*`` where it is masked."""
        if self.quartiles:
            low, middle, high = map(number, self.quartiles)
            return f"{middle} [{low}, {high}]"
        if self.is_masked or self.count is None:
            return MASKED if self.is_masked else ""
        return share(self.count, self.percent) if self.level else "none known"


def lines(summary: Summary) -> list[Line]:
    """Table one, a line for each variable and level."""
    return [line for shown in summary.variables for line in _lines(shown, summary.persons)]


def legend(below: int) -> str:
    """What a masked figure means; empty where nothing is masked."""
    if not below:
        return ""
    return (
        f"{MASKED} not shown: counts from 1 to {below - 1}, what they would follow from, quartiles of fewer"
        f" than {2 * below} (--mask-below)."
    )


def legend_of_differences(compared: Compared) -> str:
    """What the differences are of."""
    logs = [each.variable.title for each in compared.first.variables if each.variable.scale == "log"]
    of_logs = f", of ln for {' and '.join(logs)}" if logs else ""
    return (
        f"SMD: standardised mean difference{of_logs}, among persons with a value;"
        " percentages are of all persons."
    )


def number(value: float) -> str:
    """Three digits that count, or as many as stand before the point: ``7.25``, ``71.5``, ``1234``."""
    decimals = 2 if abs(value) < 1 else max(0, 2 - floor(log10(abs(value))))
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"


def share(count: int, percent: float | None) -> str:
    """``36 (24.1 %)``."""
    return f"{count:,}" if percent is None else f"{count:,} ({percent:.1f} %)"


def counted(count: Count) -> str:
    """A count, or the sign that it is masked."""
    return MASKED if count is None else f"{count:,}"


def difference(compared: Compared, column: str) -> str:
    """A standardised mean difference as shown."""
    found = compared.differences[column]
    if found is None:
        return MASKED if column in compared.masked else NONE
    return f"{found:.2f}"


def _lines(shown: Shown, persons: Count) -> Iterator[Line]:
    heading = shown.variable.heading
    if isinstance(shown, ShownNumbers):
        yield Line(heading, "", shown.count, None, shown.quartiles, shown.is_masked)
    elif isinstance(shown, ShownLevels):
        yield Line(heading, "", None, None, None, shown.counts is None)
        for level, count in (shown.counts or {}).items():
            yield _line(heading, shown.variable.label(level), count, persons)
        if shown.counts is None:
            return
    if shown.missing != 0:
        yield _line(heading, UNKNOWN, shown.missing, persons)


def _line(heading: str, level: str, count: Count, persons: Count) -> Line:
    percent = 100 * count / persons if count is not None and persons else None
    return Line(heading, level, count, percent, None, count is None)


def merged(compared: Compared) -> list[tuple[str, str, tuple[str, str], str]]:
    """Table one of both: variable (once), level, the two values, and the difference beside the variable."""
    rows = [
        ("Persons", "", (counted(compared.first.persons), counted(compared.second.persons)), ""),
    ]
    columns = {each.variable.heading: each.variable.column for each in compared.first.variables}
    values = [{(one.variable, one.level): one.value for one in lines(each)}
              for each in (compared.first, compared.second)]  # fmt: skip
    for heading, column in columns.items():
        levels = dict.fromkeys(level for each in values for variable, level in each if variable == heading)
        for level in sorted(levels, key=lambda one: one == UNKNOWN):
            pair = (_beside(values[0], heading, level), _beside(values[1], heading, level))
            rows.append(
                ("" if level else heading, level, pair, "" if level else difference(compared, column))
            )
    return rows


def _beside(values: dict[tuple[str, str], str], heading: str, level: str) -> str:
    """The figure of one cohort where the other has such a line: nobody, or not even that is shown."""
    return values.get((heading, level), MASKED if values.get((heading, "")) == MASKED else "0")
