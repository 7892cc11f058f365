"""Small pieces of SQL text."""

from collections.abc import Iterable

#: Between two fields of a SELECT.
BETWEEN = ",\n       "


def quoted(text: object) -> str:
    """A text as SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def literal(value: object) -> str:
    """A value as SQL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else quoted(value)


def listed(fields: Iterable[str]) -> str:
    """The fields of a SELECT, one a line."""
    return BETWEEN.join(fields)


def indented(text: str, by: int) -> str:
    """Every line moved to the right."""
    return "\n".join(" " * by + line if line else line for line in text.split("\n"))


def among(what: str, numbers: Iterable[int]) -> str:
    """Whether it is one of these numbers."""
    found = sorted(set(numbers))
    return f"{what} = {found[0]}" if len(found) == 1 else f"{what} IN ({', '.join(map(str, found))})"


def case(given: str, words: Iterable[tuple[object, object]]) -> str:
    """One value for each of others."""
    arms = " ".join(f"WHEN {literal(held)} THEN {literal(word)}" for held, word in words)
    return f"CASE {given} {arms} END"


def by_number(number: str, choices: Iterable[tuple[str, int]]) -> str:
    """An expression that depends on a number; the plain one where all have the same."""
    found: dict[str, list[int]] = {}
    for expression, each in choices:
        found.setdefault(expression, []).append(each)
    if len(found) == 1:
        return next(iter(found))
    arms = " ".join(f"WHEN {among(f'({number})', each)} THEN {one}" for one, each in found.items())
    return f"CASE {arms} END"
