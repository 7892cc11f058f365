"""Generating visits and dates: which visit a row hangs on, and the day it happened."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from etl.mapping import bound, walk
from etl.mapping.generate.emit import Lines, Names, condition, identifier, item_key, located, read_in_place
from etl.mapping.paths import Segments, depth, item_scope
from etl.mapping.same_day import SameDay


class Losses(Protocol):
    """Writes what is said of recorded values."""

    def undated(self, rule: bound.BoundRule) -> None:
        """Where the row has no date."""

    def unfollowed(self, rule: bound.BoundRule) -> None:
        """Where the row has its visit's date, as none follows from its own."""


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
        losses: Losses,
    ) -> tuple[str | None, str]:
        """Variables of the rule's visit id and date. ``stack`` stays open where the date is known."""
        if parent is not None and (rule.visit, rule.date) == (parent.visit, parent.date):
            self.found[rule.name] = self.found[parent.name]
            return self.found[rule.name]
        chosen = None
        if rule.date:
            chosen = self.lines.fresh("date")
            self.assign(chosen, rule.date, rule.scope)
        visit, date = self._visit(rule, chosen)
        if chosen is not None:
            if date is not None and not isinstance(rule.visit, SameDay):
                with self.lines.block(f"if {chosen} is None and {date} is not None:"):
                    self.lines.add(f"{chosen} = {date}")
                    losses.unfollowed(rule)
            date = chosen
        if date is None:
            assert not rule.target.needs_date, (
                "the binder asks every row that needs a date for a visit or a date"
            )
            date = "None"
        self.found[rule.name] = (visit, date)
        if not rule.target.needs_date:
            if rule.date:
                with self.lines.block(f"if {date} is None:"):
                    losses.unfollowed(rule)
        elif not self._always_known(rule):
            with self.lines.block(f"if {date} is None:"):
                losses.undated(rule)
            stack.enter_context(self.lines.block("else:"))
        return visit, date

    def assign(self, name: str, dates: bound.Dates, scope: Segments) -> None:
        """Set a variable to the first of the dates that is known to an item of this scope."""
        for index, date in enumerate(dates):
            prefix = f"if {name} is None: " if index else ""
            self.lines.add(f"{prefix}{name} = {self._code(date, scope)}")

    def widen(self, rule: bound.BoundRule, date: str) -> None:
        """Widen the span of the case's dates; without a baseline, they are on an axis of their own."""
        if not rule.date or self.mapping.told.baseline is None:
            return
        if isinstance(rule.date[0], bound.BaselineDate) and not self.mapping.annex:
            return
        known = "" if rule.target.needs_date else f"{date} is not None and "
        for edge, sign in (("first", "<"), ("last", ">")):
            wider = f"{date} {sign} {edge}"
            if self.mapping.annex:
                wider = f"({edge} is None or {wider})"
            self.lines.add(f"if {known}{wider}: {edge} = {date}")

    def told_by(self, day: str, dates: bound.Dates, scope: Segments) -> str:
        """A Python expression of the JSON path that a day, the first known of these dates, was read from.

        Also through visits and episodes; the item's own path when it was read from places out of its reach.
        """
        every = tuple(_each(dates))
        choices = []
        for date in every:
            holds = f"{day} in ({self._code(date, scope)},) and " if len(every) > 1 else ""
            for place in self._made_of(date, scope):
                read = read_in_place(place, self.names)
                choices.append(f"{located(place)} if {holds}{read} is not None else ")
        return "".join(choices) + located(scope)

    def _made_of(self, date: bound.OneDate, scope: Segments) -> Iterator[Segments]:
        """The places in reach of an item that a date is made of, also through visits and episodes."""
        for source in walk.dating((date,)):
            holder = item_scope(source.segments)
            if scope[: len(holder)] == holder:
                yield source.segments
        for anchor in walk.anchors((date,)):
            for one in self._rule(anchor).date:
                yield from self._made_of(one, scope)

    def _code(self, date: bound.OneDate, scope: Segments) -> str:
        match date:
            case bound.BaselineDate():
                return "BASE"
            case bound.VisitDate(visit):
                return self._every(visit, scope) if date.every else self._named(visit)[1]
            case bound.EpisodeDate(episode):
                return episode_start(self._rule(f"episode.{episode}"))
            case bound.RealDate(source):
                real = self.names.of(source.segments)
                on_axis = self.mapping.told.baseline is not None
                return f"moved({real}, shift)" if on_axis else f"as_recorded({real})"
            case bound.Later(start, count, unit):
                number = str(count) if isinstance(count, int) else self.names.of(count.segments)
                return f"{unit}_after({self._code(start, scope)}, {number})"
            case bound.GuardedDate(when, inner):
                return f"({self._code(inner, scope)} if {condition(when, self.names)} else None)"
        known = ", ".join(self._code(one, scope) for one in date.dates)
        return f"{date.how}(filter(None, ({known},)), default=None)"

    def _every(self, visit: str, scope: Segments) -> str:
        """All dates of a visit that items have, as far as the items are ours, unpacked."""
        rule = self._rule(f"visit.{visit}")
        ours = walk.shared_scope(rule.scope, scope)
        dates = date_variable(rule)
        if not ours:
            return f"*{dates}.values()"
        return f"*(day for key, day in {dates}.items() if key[:{depth(ours)}] == {item_key(ours)})"

    def _always_known(self, rule: bound.BoundRule) -> bool:
        if rule.date:
            return _always_known(rule.date)
        if not isinstance(rule.visit, bound.Constant):
            return False
        visit = self._rule(f"visit.{rule.visit.value}")
        return not visit.scope and visit.when is None and _always_known(visit.date)

    def _visit(self, rule: bound.BoundRule, own: str | None) -> tuple[str | None, str | None]:
        """Variables of the visit's id and date; ``own`` is that of the rule's own date, if it has one."""
        if rule.visit is None:
            return None, None
        if isinstance(rule.visit, bound.Constant):
            return self._named(str(rule.visit.value))
        name = self.lines.fresh("visit")
        self.lines.add(f"{name} = {name}_date = None")
        self._choose(rule.visit, name, rule, own)
        return name, f"{name}_date"

    def _choose(self, visit: bound.Expression, name: str, rule: bound.BoundRule, own: str | None) -> None:
        match visit:
            case bound.Constant(value):
                found, date = self._named(str(value))
                self.lines.add(f"{name}, {name}_date = {found}, {date}")
            case bound.Guarded(when, then):
                with self.lines.block(f"if {condition(when, self.names)}:"):
                    self._choose(then, name, rule, own)
            case SameDay():
                if own is None or visit.dates != rule.date:
                    own = self.lines.fresh("day")
                    self.assign(own, visit.dates, rule.scope)
                with self.lines.block(f"if {own} is not None:"):
                    self._on_day(visit, name, own)
            case bound.Alternatives(items):
                for index, item in enumerate(items):
                    with ExitStack() as stack:
                        if index:
                            stack.enter_context(self.lines.block(f"if {name} is None:"))
                        self._choose(item, name, rule, own)

    def _on_day(self, asked: SameDay, name: str, day: str) -> None:
        """Set a visit's variables to the first that is on the day in another."""
        for index, visit in enumerate(asked.visits):
            rule = self._rule(f"visit.{visit}")
            ids, dates = identifier(rule.name), date_variable(rule)
            with ExitStack() as stack:
                if index:
                    stack.enter_context(self.lines.block(f"if {name} is None:"))
                if not rule.scope:
                    self.lines.add(f"if {dates} == {day}: {name}, {name}_date = {ids}, {day}")
                    continue
                ours = walk.shared_scope(rule.scope, asked.scope)
                among = f" and key[:{depth(ours)}] == {item_key(ours)}" if ours else ""
                found = f"(key for key, one in {dates}.items() if one == {day}{among})"
                key = self.lines.fresh("key")
                self.lines.add(f"{key} = next({found}, None)")
                self.lines.add(f"if {key} is not None: {name}, {name}_date = {ids}[{key}], {day}")

    def _named(self, name: str) -> tuple[str, str]:
        """Python expressions of the id and the date of a visit; None when the case has no such visit."""
        rule = self._rule(f"visit.{name}")
        at = f".get({item_key(rule.scope)})" if rule.scope else ""
        return f"{identifier(rule.name)}{at}", f"{date_variable(rule)}{at}"

    def _rule(self, name: str) -> bound.BoundRule:
        anchors = (*self.mapping.visits, *self.mapping.episodes)
        return next(one for one in anchors if one.name == name)


def date_variable(visit: bound.BoundRule) -> str:
    """The variable that holds a visit's date."""
    return f"when_{identifier(visit.name)}"


def episode_start(episode: bound.BoundRule) -> str:
    """The variable that holds an episode's start."""
    return f"when_{identifier(episode.name)}"


def _each(dates: Iterable[bound.OneDate]) -> Iterator[bound.OneDate]:
    """The dates, with the members of an earliest or latest in its place."""
    for date in dates:
        if isinstance(date, bound.Extreme):
            yield from _each(date.dates)
        else:
            yield date


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
