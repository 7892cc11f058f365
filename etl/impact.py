"""Impact: what a remap would change. Values only; ``etl.foresee`` finds them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from etl.compare import Differences
from etl.make import Failure
from etl.plan import Rule

#: What concerns no rule, but the mapping's ``person`` and what follows from all cases of a person.
PERSON = "person"


class Changes(NamedTuple):
    """Numbers of rows. A row is its id: ``changed`` has the same id and another content."""

    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class RuleImpact:
    """A rule that is not what it was, or whose rows change."""

    name: str
    place: str
    """``file:line``, of a removed rule as it was; empty for the person."""
    change: str
    """``added``, ``changed`` or ``removed``."""
    what: tuple[str, ...]
    """What of it has changed: ``each``, ``table``, ``sources``, and the columns that differ in its rows."""
    rows: Changes


@dataclass(frozen=True, slots=True)
class ConceptImpact:
    """Rows of one table with one concept of their own: the new one, or of removed rows the old one."""

    table: str
    concept_id: int
    concept_name: str
    rows: Changes


@dataclass(frozen=True, slots=True)
class ProblemImpact:
    """Problems of one rule and kind that would come or go."""

    rule: str
    kind: str
    appear: int
    vanish: int


@dataclass(frozen=True, slots=True)
class Impact:
    """What a remap would change, at one moment."""

    mapping: str
    cases: int
    """Cases that it would make anew; the ``failures`` are not among them."""
    changed: int
    """Of these, the cases whose own rows or problems would differ."""
    rules: tuple[RuleImpact, ...]
    concepts: tuple[ConceptImpact, ...]
    problems: tuple[ProblemImpact, ...]
    failures: tuple[Failure, ...] = ()
    """Cases that would stay as they are."""
    notices: tuple[str, ...] = ()
    """What to know before applying it, as sentences; first of all why there is nothing to do."""

    @property
    def tables(self) -> Mapping[str, Changes]:
        """Rows by table, in the tables' order."""
        found: dict[str, Changes] = {}
        for each in self.concepts:
            found[each.table] = _sum((found.get(each.table, Changes()), each.rows))
        return found

    @property
    def total(self) -> Changes:
        return _sum(self.tables.values())


@dataclass(frozen=True, slots=True)
class RuleVersions:
    """A rule in the versions of the mapping that made the rows of today, and in the new one."""

    name: str
    before: tuple[Rule | None, ...]
    """One for each version; None where it had no such rule."""
    now: Rule | None

    @property
    def change(self) -> str:
        """``added``, ``changed`` or ``removed``; empty when nothing that the register keeps has changed."""
        if self.now is None:
            return "removed" if self.before else ""
        if None in self.before:
            return "added"
        return "changed" if self.what else ""

    @property
    def what(self) -> tuple[str, ...]:
        """What differs between any version before and the new one, if both have the rule."""
        olds = [old for old in self.before if old is not None]
        if self.now is None:
            return ()
        aspects = {"each": "each_path", "table": "target", "sources": "sources"}
        return tuple(
            word
            for word, name in aspects.items()
            if any(getattr(old, name) != getattr(self.now, name) for old in olds)
        )

    @property
    def place(self) -> str:
        """``file:line``, of a rule that is no more where it was last; empty when no version has it."""
        shown = self.now or next((old for old in reversed(self.before) if old), None)
        return f"{shown.file}:{shown.line}" if shown else ""


def versions(plans: Mapping[str, Iterable[Rule]], new: Iterable[Rule]) -> tuple[RuleVersions, ...]:
    """Every rule by its name: those of the new mapping in its order, then those that it no longer has."""
    now = {rule.name: rule for rule in new}
    before = [{rule.name: rule for rule in rules} for rules in plans.values()]
    names = dict.fromkeys((*now, *(name for rules in before for name in rules)))
    return tuple(
        RuleVersions(name, tuple(rules.get(name) for rules in before), now.get(name)) for name in names
    )


def rule_impacts(
    known: Sequence[RuleVersions], names: Mapping[int, str], found: Differences
) -> tuple[RuleImpact, ...]:
    """The rules that are not what they were, or whose rows change; ``names`` are those of the numbers."""
    rows: dict[str, Counter[str]] = {}
    columns: dict[str, set[str]] = {}
    for kind, number in found.rows.items():
        name = PERSON if kind.rule is None else names[kind.rule]
        rows.setdefault(name, Counter())[kind.change] += number
        columns.setdefault(name, set()).update(kind.columns)
    every = {each.name: each for each in known} | {
        name: RuleVersions(name, (), None) for name in rows.keys() - {each.name for each in known}
    }
    return tuple(
        RuleImpact(
            name,
            rule.place,
            rule.change or "changed",
            (*rule.what, *sorted(columns.get(name, ()))),
            _changes(rows.get(name, Counter())),
        )
        for name, rule in every.items()
        if rule.change or name in rows
    )


def concept_impacts(
    found: Differences, names: Mapping[int, str], order: Sequence[str]
) -> tuple[ConceptImpact, ...]:
    """Rows by table and concept: tables in the ``order``, most rows first; ``names`` are the concepts'."""
    counts: dict[tuple[str, int], Counter[str]] = {}
    for kind, number in found.rows.items():
        counts.setdefault((kind.table, kind.concept), Counter())[kind.change] += number
    impacts = [
        ConceptImpact(table, concept, names.get(concept, ""), _changes(rows))
        for (table, concept), rows in counts.items()
    ]
    place = {table: rank for rank, table in enumerate(order)}
    return tuple(
        sorted(
            impacts,
            key=lambda one: (place.get(one.table, len(place)), one.table, -sum(one.rows), one.concept_id),
        )
    )


def problem_impacts(found: Differences, names: Mapping[int, str]) -> tuple[ProblemImpact, ...]:
    """Problems by rule and kind, most of them first."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for kind, number in found.problems.items():
        name = PERSON if kind.rule is None else names[kind.rule]
        counts.setdefault((name, kind.kind), Counter())[kind.change] += number
    impacts = [ProblemImpact(*key, found["added"], found["removed"]) for key, found in counts.items()]
    return tuple(sorted(impacts, key=lambda one: (-one.appear - one.vanish, one.rule, one.kind)))


def _changes(counts: Counter[str]) -> Changes:
    return Changes(counts["added"], counts["changed"], counts["removed"])


def _sum(changes: Iterable[Changes]) -> Changes:
    return Changes(*map(sum, zip(*changes, strict=True))) if (changes := list(changes)) else Changes()
