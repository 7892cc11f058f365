"""Rules as they are written: what a rule says itself, and what it has from the rule that it is like."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from etl.mapping import language
from etl.mapping.bind.context import At
from etl.mapping.folder import Folder
from etl.mapping.tables import TARGETS

Report = Callable[[str, At, str], None]


@dataclass(frozen=True, slots=True)
class Written:
    """A rule with all its words, and where it stands: in its own place, or in that of the rule it is like."""

    rule: language.Rule
    at: At
    rows: Mapping[str, "Written"]


def written_rules(folder: Folder, report: Report) -> Iterator[tuple[str, str, Written]]:
    """Section, name and rule, for every rule of the sections; findings for ``like`` that leads nowhere."""
    top = {
        name: (rule, At(folder.section_files[section], (name,)))
        for section, rules in folder.sections.items()
        for name, rule in rules.items()
    }
    for section, rules in folder.sections.items():
        for name, rule in rules.items():
            at = At(folder.section_files[section], (name,))
            found = _like(rule, at, top, report) if rule.like else as_written(rule, at, report)
            if found is not None:
                yield section, name, found


def as_written(rule: language.Rule, at: At, report: Report) -> Written | None:
    """A rule that is like no other; a finding when it is not whole."""
    if rule.like:
        _nested_like(at, report)
        return None
    return Written(rule, at, dict(_rows(rule, at, {}, report))) if _whole(rule, at, report) else None


def _whole(rule: language.Rule, at: At, report: Report) -> bool:
    target = TARGETS.get(rule.table or "")
    needed = ("table", "concept") if target is None or target.concept_column else ("table",)
    missing = [word for word in needed if getattr(rule, word) is None]
    for word in missing:
        report("bad-shape", at.down(word), f"'{'.'.join(map(str, (*at.keys, word)))}' is missing")
    return not missing


def _nested_like(at: At, report: Report) -> None:
    message = "only a rule at the top of a section can be like another: write this row's own words"
    report("bad-shape", at.down("like"), message)


def _like(
    rule: language.Rule, at: At, top: Mapping[str, tuple[language.Rule, At]], report: Report
) -> Written | None:
    pattern, there = top.get(rule.like or "", (None, at))
    if pattern is None or pattern.like is not None:
        report("broken-reference", at.down("like"), _no_pattern(rule, pattern, top))
        return None
    found = as_written(pattern, there, _silent)
    return found and _changed(rule, at, found, report)


def _no_pattern(
    rule: language.Rule, named: language.Rule | None, top: Mapping[str, tuple[language.Rule, At]]
) -> str:
    if named is not None:
        return f"'{rule.like}' is like another rule itself: name '{named.like}', and what differs from it"
    known = ", ".join(name for name, (one, _) in top.items() if one.like is None) or "none"
    return f"no rule '{rule.like}' at the top of a section; known: {known}"


def _changed(rule: language.Rule, at: At, pattern: Written, report: Report) -> Written | None:
    """The pattern, with what the rule says instead."""
    words = rule.model_fields_set - {"like", "rows"}
    changed = pattern.rule.model_copy(update={word: getattr(rule, word) for word in words})
    if not _whole(changed, at, report):
        return None
    return Written(changed, at, dict(_rows(rule, at, pattern.rows, report)))


def _rows(
    rule: language.Rule, at: At, patterns: Mapping[str, Written], report: Report
) -> Iterator[tuple[str, Written]]:
    """The nested rules: those of the pattern in its order, unless left out, then the rule's own."""
    for name, pattern in patterns.items():
        own = rule.rows.get(name)
        if own is not None:
            there = at.down("rows", name)
            if own.like:
                _nested_like(there, report)
            elif (found := _changed(own, there, pattern, report)) is not None:
                yield name, found
        elif name not in rule.rows:
            yield name, pattern
    for name, own in rule.rows.items():
        if name in patterns:
            continue
        there = at.down("rows", name)
        if own is None:
            report("broken-reference", there, f"there is no row '{name}' to leave out")
        elif (found := as_written(own, there, report)) is not None:
            yield name, found


def _silent(kind: str, at: At, message: str) -> None:
    """What is wrong with a pattern is said once, where it stands."""
