"""Filling SQL templates in the language of SqlRender: @parameters, conditions, defaults."""

import re
from collections.abc import Mapping

_DEFAULT = re.compile(r"\{\s*DEFAULT\s+@(\w+)\s*=\s*([^}]*?)\s*\}[ \t]*\n?", re.IGNORECASE)
_THEN = re.compile(r"\s*\?\s*\{")
_ELSE = re.compile(r"\s*:\s*\{")
_IN = re.compile(r"(.+?)\s+in\s*\((.*)\)", re.IGNORECASE | re.DOTALL)
_CLOSING = {"{": "}", "(": ")"}


class TemplateError(Exception):
    """A template that is not in the language."""


def render(template: str, parameters: Mapping[str, str | bool]) -> str:
    """The SQL of a template. Parameters that are not given keep their @; a boolean is TRUE or FALSE.

    Raises TemplateError for a brace that is not closed or a condition that is none.
    """
    defaults = dict(_DEFAULT.findall(template))
    values = {**defaults, **parameters}
    sql = _DEFAULT.sub("", template)
    # The longest first: @cdmTable is no part of @cdmTableName.
    for name in sorted(values, key=len, reverse=True):
        value = values[name]
        sql = sql.replace(f"@{name}", str(value).upper() if isinstance(value, bool) else value)
    return _resolve(sql)


def _resolve(sql: str) -> str:
    """Put in the place of every conditional the part that holds."""
    parts, at = [], 0
    while (start := sql.find("{", at)) >= 0:
        parts.append(sql[at:start])
        end = _closing(sql, start)
        then = _THEN.match(sql, end + 1)
        if not then:
            parts.append(sql[start : end + 1])
            at = end + 1
            continue
        condition, (this, at) = sql[start + 1 : end], _block(sql, then.end() - 1)
        other = ""
        if otherwise := _ELSE.match(sql, at):
            other, at = _block(sql, otherwise.end() - 1)
        parts.append(_resolve(this if holds(condition) else other))
    return "".join([*parts, sql[at:]])


def _block(sql: str, start: int) -> tuple[str, int]:
    """What stands between the brace at ``start`` and its closing one, and where that ends."""
    end = _closing(sql, start)
    return sql[start + 1 : end], end + 1


def _closing(sql: str, start: int) -> int:
    opening, closing, depth = sql[start], _CLOSING[sql[start]], 0
    for at in range(start, len(sql)):
        depth += (sql[at] == opening) - (sql[at] == closing)
        if not depth:
            return at
    raise TemplateError(f"'{opening}' without '{closing}': {sql[start : start + 40]!r}")


def holds(condition: str) -> bool:
    """Whether a condition of comparisons, ``&``, ``|``, ``!`` and parentheses is true; ``&`` goes first."""
    if len(parts := _split(condition, "|")) > 1:
        return any(map(holds, parts))
    if len(parts := _split(condition, "&")) > 1:
        return all(map(holds, parts))
    condition = condition.strip()
    if condition.startswith("(") and _closing(condition, 0) == len(condition) - 1:
        return holds(condition[1:-1])
    if condition.startswith("!"):
        return not holds(condition[1:])
    return _compared(condition)


def _compared(condition: str) -> bool:
    if condition.lower() in ("true", "1", "false", "0"):
        return condition.lower() in ("true", "1")
    if found := _IN.fullmatch(condition):
        return _bare(found[1]) in map(_bare, found[2].split(","))
    for operator, equal in (("==", True), ("!=", False), ("<>", False)):
        left, found_it, right = condition.partition(operator)
        if found_it:
            return (_bare(left) == _bare(right)) is equal
    raise TemplateError(f"not a condition: {condition!r}")


def _bare(text: str) -> str:
    """A name or text without its quotes."""
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text


def _split(condition: str, operator: str) -> list[str]:
    """The parts of a condition between an operator that is in no parentheses and no quotes."""
    parts, depth, quote = [""], 0, ""
    for character in condition:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            depth += (character == "(") - (character == ")")
        if character == operator and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += character
    return parts
