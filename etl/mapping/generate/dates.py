"""Generating visits and dates: which visit a row hangs on, and the day it happened."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from etl.mapping import bound
from etl.mapping.generate.emit import Lines, Names, condition, identifier, item_key
from etl.mapping.paths import Segments

#: Without a date, a row of these is simply not there; any other row would be a loss.
ANCHORS = ("visit_occurrence", "episode")


@dataclass
class DateWriter:
    """Writes the code that finds a row's visit and date."""

    mapping: bound.Bound
    lines: Lines
    names: Names
    found: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    """The variables of each rule's visit id and date, for the rows recorded of it."""

    def of(
        self,
        rule: bound.BoundRule,
        parent: bound.BoundRule | None,
        stack: ExitStack,
        undated: Callable[[], None],
    ) -> tuple[str | None, str]:
        """Variables of the rule's visit id and date. ``stack`` stays open where the date is known."""
        if parent is not None and (rule.visit, rule.date) == (parent.visit, parent.date):
            self.found[rule.name] = self.found[parent.name]
            return self.found[rule.name]
        visit, date = self._visit(rule.visit)
        if rule.date:
            chosen = self.lines.fresh("date")
            self.assign(chosen, rule.date)
            if date is not None:
                self.lines.add(f"if {chosen} is None: {chosen} = {date}")
            date = chosen
        assert date is not None, "the binder asks every dated row for a visit or a date"
        self.found[rule.name] = (visit, date)
        if not self._always_known(rule):
            with self.lines.block(f"if {date} is None:"):
                undated()
            stack.enter_context(self.lines.block("else:"))
        return visit, date

    def assign(self, name: str, dates: bound.Dates) -> None:
        """Set a variable to the first of the dates that is known."""
        for index, date in enumerate(dates):
            prefix = f"if {name} is None: " if index else ""
            self.lines.add(f"{prefix}{name} = {self._code(date)}")

    def told_by(self, dates: bound.Dates) -> Segments | None:
        """The first place of the document that a date depends on, also by way of a visit."""
        for source in bound.sources(dates):
            return source.segments
        visits = (self._rule(one.visit) for one in dates if isinstance(one, bound.VisitDate))
        return next((found for visit in visits if (found := self.told_by(visit.date))), None)

    def _code(self, date: bound.OneDate) -> str:
        match date:
            case bound.BaselineDate():
                return "BASE"
            case bound.VisitDate(visit):
                return self._named(visit)[1]
            case bound.RealDate(source):
                return f"moved({self.names.of(source.segments)}, shift)"
            case bound.Later(start, source, unit):
                return f"{unit}_after({self._code(start)}, {self.names.of(source.segments)})"
            case bound.Extreme(how, dates):
                known = ", ".join(self._code(one) for one in dates)
                return f"{how}(filter(None, ({known},)), default=None)"

    def _always_known(self, rule: bound.BoundRule) -> bool:
        if rule.date:
            return _always_known(rule.date)
        if not isinstance(rule.visit, bound.Constant):
            return False
        visit = self._rule(str(rule.visit.value))
        return not visit.scope and visit.when is None and _always_known(visit.date)

    def _visit(self, visit: bound.Expression | None) -> tuple[str | None, str | None]:
        if visit is None:
            return None, None
        if isinstance(visit, bound.Constant):
            return self._named(str(visit.value))
        name = self.lines.fresh("visit")
        self.lines.add(f"{name} = {name}_date = None")
        self._choose(visit, name)
        return name, f"{name}_date"

    def _choose(self, visit: bound.Expression, name: str) -> None:
        match visit:
            case bound.Constant(value):
                found, date = self._named(str(value))
                self.lines.add(f"{name}, {name}_date = {found}, {date}")
            case bound.Guarded(when, then):
                with self.lines.block(f"if {condition(when, self.names)}:"):
                    self._choose(then, name)
            case bound.Alternatives(items):
                for index, item in enumerate(items):
                    with ExitStack() as stack:
                        if index:
                            stack.enter_context(self.lines.block(f"if {name} is None:"))
                        self._choose(item, name)

    def _named(self, name: str) -> tuple[str, str]:
        """Python expressions of the id and the date of a visit; None when the case has no such visit."""
        rule = self._rule(name)
        at = f".get({item_key(rule.scope)})" if rule.scope else ""
        return f"{identifier(rule.name)}{at}", f"{date_variable(rule)}{at}"

    def _rule(self, name: str) -> bound.BoundRule:
        return next(one for one in self.mapping.visits if one.name == f"visit.{name}")


def date_variable(visit: bound.BoundRule) -> str:
    """The variable that holds a visit's date."""
    return f"when_{identifier(visit.name)}"


def _always_known(dates: bound.Dates) -> bool:
    last = dates[-1]
    return isinstance(last, bound.BaselineDate) or (
        isinstance(last, bound.Extreme) and any(_always_known((one,)) for one in last.dates)
    )


def undated_reason(rule: bound.BoundRule) -> str:
    """Why a row has no date, in words."""
    if rule.date:
        return "the row has no date"
    if isinstance(rule.visit, bound.Constant):
        return f"its visit '{rule.visit.value}' has no date"
    return "none of its visits has a date"
