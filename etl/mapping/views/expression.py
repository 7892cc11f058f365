"""What the expression of a column may hold: one value. What PostgreSQL refuses of it, init tells."""

import re

#: Strings, names and dollar quotes (PostgreSQL's manual, 4.1): nothing in them is read as SQL.
_QUOTED = re.compile(
    r"""
    (?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'
    | (?<!(?<![\w$])[eE])'[^']*'
    | "[^"]*"
    | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
    """,
    re.VERBOSE | re.DOTALL,
)
_REFUSED = re.compile(
    r"""(?P<semicolon>;)|(?P<comment>--|/\*)|(?P<quote>['"]|(?<![\w$])\$(?:[^\W\d]\w*)?\$)"""
)
_REASONS = {
    "semicolon": "an expression has no semicolon",
    "comment": "an expression has no comment in SQL; write it behind a # in the YAML",
    "quote": "the expression has a quote that nothing closes",
}
_IN_BRACKETS = re.compile(r"\([^][()]*\)|\[[^][()]*\]")
_BRACKET = re.compile(r"[][()]")
_NEXT = re.compile(r",|\bas\b", re.IGNORECASE)


def objection(expression: str) -> str | None:
    """Why it would swallow the rest of the statement, or be more than one column; None if it does not."""
    # A space, since what stands around a quoted part is no one word.
    bare = _QUOTED.sub(" ", expression)
    if found := _REFUSED.search(bare):
        return _REASONS[str(found.lastgroup)]
    while (outer := _IN_BRACKETS.sub(" ", bare)) != bare:
        bare = outer
    if _BRACKET.search(bare):
        return "the expression has a bracket without the other that belongs to it"
    if _NEXT.search(bare):
        return "an expression is one value: it has no comma and no AS outside of brackets"
    return None
