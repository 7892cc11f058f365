"""Which forms write what: the rules of a section, and the visits and episodes that they use."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from etl.mapping import bound, walk
from etl.mapping.paths import ITEM, Segments

Names = frozenset[str]


class Leaf(NamedTuple):
    """A leaf that some forms have no section for."""

    segments: Segments
    rule: bound.BoundRule
    """The first rule whose row would hold it, or else to read it."""
    section: str
    lacking: tuple[str, ...]
    """The forms."""
    unasked: tuple[str, ...]
    """Those of them in which no rule of a section asks for it either."""


@dataclass(frozen=True)
class Sections:
    """Tells which sections a rule belongs to, and so which forms it is for."""

    mapping: bound.Bound
    _of: dict[str, Names] = field(init=False, default_factory=dict)
    """By the name of a visit or episode; without a section, it is for every form."""

    def __post_init__(self) -> None:
        anchors = (*self.mapping.visits, *self.mapping.episodes)
        used: dict[str, set[str]] = {anchor.name: set() for anchor in anchors}
        tried: dict[str, set[str]] = {anchor.name: set() for anchor in anchors}
        for top in self.mapping.rules:
            for rule in bound.with_rows(top):
                for name in _anchors_used(rule):
                    used[name].add(str(rule.section))
                for visit in walk.visits(rule.visit):
                    tried[f"visit.{visit}"].add(str(rule.section))
        _spread(used, anchors)
        for anchor in anchors:
            # A visit that is only looked for by its day is of those who look for it. What no rule uses stands
            # where its dates stand.
            dated = (used[name] for name in walk.anchors(anchor.date))
            used[anchor.name] = used[anchor.name] or tried[anchor.name] or set().union(*dated)
        _spread(used, anchors)
        self._of.update((name, frozenset(sections)) for name, sections in used.items())

    def of(self, rule: bound.BoundRule) -> Names:
        """The sections that a rule, visit or episode is part of; none: it is for every form."""
        return self._of[rule.name] if rule.section is None else frozenset({rule.section})

    def forms(self, rule: bound.BoundRule) -> tuple[str, ...] | None:
        """The forms that a rule, visit or episode is written for; None: all of them."""
        sections = self.of(rule)
        every = self.mapping.folder.mapping.forms
        having = tuple(name for name, form in every.items() if sections & set(form.sections))
        return None if not sections or len(having) == len(every) else having

    def leaves(self) -> Iterator[Leaf]:
        """Every leaf that some forms have no section for, in the order of the rules that read them."""
        readers: dict[Segments, list[bound.BoundRule]] = {}
        # A rule of a section before the visits and episodes: it is what a reader looks for.
        for rule in sorted(self.mapping.every_rule(), key=lambda one: one.section is None):
            for source in walk.rule_sources(rule):
                if source.facts.leaf:
                    readers.setdefault(source.segments, []).append(rule)
        # The case's keys, the person and the baseline are for every form.
        shared = set(self.mapping.keys.values())
        shared |= {one.segments for one in walk.sources(self.mapping.shared)}
        for segments, rules in readers.items():
            home = self._home(segments, rules)
            lacking = self._without(home)
            if home and lacking and segments not in shared:
                of_home = [rule for rule in rules if self.of(rule) and self.of(rule) <= home]
                holding = (one for one in of_home if one.section and segments in _places_held(one))
                told = next(holding, of_home[0])
                asking = frozenset(one.section for one in rules if one.section)
                yield Leaf(segments, told, min(self.of(told)), lacking, self._without(home | asking))

    def absent(self) -> dict[tuple[str, ...], list[Segments]]:
        """By forms: the values and lists of the case that no rule of their sections reads."""
        unasked = {leaf.segments: leaf.unasked for leaf in self.leaves()}
        parts = (self.mapping.shared, *map(walk.parts, self.mapping.every_rule()))
        forms: dict[Segments, tuple[str, ...]] = {}
        for segments in dict.fromkeys(one.segments for one in walk.sources(parts) if one.facts.leaf):
            place = segments[: segments.index(ITEM)] if ITEM in segments else segments
            without = unasked.get(segments, ())
            # A list stays when a rule of the form reads anything in it.
            forms[place] = tuple(form for form in forms.get(place, without) if form in without)
        found: dict[tuple[str, ...], list[Segments]] = {}
        for place, without in forms.items():
            if without:
                found.setdefault(without, []).append(place)
        return found

    def _without(self, sections: Names) -> tuple[str, ...]:
        """The forms that have none of these sections."""
        every = self.mapping.folder.mapping.forms
        return tuple(name for name, form in every.items() if not sections & set(form.sections))

    def _home(self, segments: Segments, readers: Sequence[bound.BoundRule]) -> Names:
        """The sections that a leaf belongs to; none: it is for every form.

        These are the sections of the rows that may hold its value. A value that rules only decide by belongs
        to the first of them: those of other sections ask for what is recorded there.
        """
        holding = [rule for rule in readers if segments in _places_held(rule)]
        asking = [rule for rule in readers if rule.section is not None][:1]
        sections = [self.of(rule) for rule in holding or asking or readers]
        return frozenset().union(*sections) if all(sections) else frozenset()


def _places_held(rule: bound.BoundRule) -> frozenset[Segments]:
    return frozenset(one.segments for one in walk.sources(walk.held(rule)))


def _anchors_used(rule: bound.BoundRule) -> Iterator[str]:
    """The visits and episodes that a rule of a section names, but visits looked for by their day."""
    yield from (f"visit.{name}" for name in walk.visits(rule.visit, by_day=False))
    yield from walk.anchors((*rule.date, *rule.end))
    yield from (f"episode.{one.episode}" for one in walk.conditions(walk.parts(rule), bound.HasEpisode))
    if rule.episode is not None:
        yield f"episode.{rule.episode}"


def _spread(used: dict[str, set[str]], anchors: Sequence[bound.BoundRule]) -> None:
    """Add the sections of each visit and episode to those of what it needs; that stands before it."""
    for anchor in reversed(anchors):
        for name in _anchors_needed(anchor):
            used[name] |= used[anchor.name]


def _anchors_needed(anchor: bound.BoundRule) -> Iterator[str]:
    """The visits and episodes without which a visit or an episode is not written, or is part of none.

    Those that its end, a condition or one of several dates names may be missing: then they are not known.
    """
    if len(anchor.date) == 1 and not isinstance(anchor.date[0], bound.Extreme):
        yield from walk.anchors(anchor.date)
    if anchor.parent is not None:
        yield f"episode.{anchor.parent}"
