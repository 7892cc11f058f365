"""Rules as they are written: what a rule says itself, and what it has from the rule that it is like."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from etl.mapping import language
from etl.mapping.bind.context import At
from etl.mapping.folder import Folder

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
        report("bad-shape", at.down("like"), "only a rule at the top of a section can be like another")
        return None
    missing = [word for word in ("table", "concept") if getattr(rule, word) is None]
    for word in missing:
        report("bad-shape", at, f"'{'.'.join(map(str, (*at.keys, word)))}' is missing")
    if missing:
        return None
    return Written(rule, at, dict(_rows(rule, at, {}, report)))


def _like(
    rule: language.Rule, at: At, top: Mapping[str, tuple[language.Rule, At]], report: Report
) -> Written | None:
    patterns = [name for name, (one, _) in top.items() if one.like is None]
    if rule.like not in patterns:
        known = ", ".join(patterns) or "none"
        message = f"no rule '{rule.like}' at the top of a section and like no other; known: {known}"
        report("broken-reference", at.down("like"), message)
        return None
    pattern = as_written(*top[rule.like], report=_silent)
    return pattern and _changed(rule, at, pattern, report)


def _changed(rule: language.Rule, at: At, pattern: Written, report: Report) -> Written:
    """The pattern, with what the rule says instead."""
    words = rule.model_fields_set - {"like", "rows"}
    changed = pattern.rule.model_copy(update={word: getattr(rule, word) for word in words})
    return Written(changed, at, dict(_rows(rule, at, pattern.rows, report)))


def _rows(
    rule: language.Rule, at: At, patterns: Mapping[str, Written], report: Report
) -> Iterator[tuple[str, Written]]:
    """The nested rules: those of the pattern in its order, unless left out, then the rule's own."""
    for name, pattern in patterns.items():
        own = rule.rows.get(name)
        if own is not None:
            yield name, _changed(own, at.down("rows", name), pattern, report)
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
