"""The expression of a column of a view: what is one value, and what is read as more or as less."""

import pytest

from etl.mapping.views.expression import objection


@pytest.mark.parametrize(
    "expression",
    [
        "gleason1 + gleason2",
        "'x--y'",
        "regexp_replace(a, '/*', '')",
        '"it\'s"',
        "$$a'b$$",
        "$t$ $$; -- $t$",
        "a$b$c + $$;$$",
        r"E'it\'s; --' || 'a\'",
        "E'a'';'",
        "U&'a;b'",
        "a LIKE'x;%'",
        "CASE WHEN a IN (1, 2) THEN b[1] ELSE CAST(c AS integer) END",
        "(ARRAY[1, (2)])[1] - - as_told",
        "a -'x'- b",
    ],
)
def test_one_value_is_taken(expression: str) -> None:
    assert objection(expression) is None


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("1; DROP TABLE x", "no semicolon"),
        ("';' ;", "no semicolon"),
        ("1 -- it's", "no comment"),
        ("'--' -- '", "no comment"),
        ("1 /* ' */", "no comment"),
        ("'it''s' || 'x", "a quote that nothing closes"),
        ("'a -- b", "a quote that nothing closes"),
        (r"E'a\'", "a quote that nothing closes"),
        ('"a', "a quote that nothing closes"),
        ("$x$ a $$", "a quote that nothing closes"),
        ("1, 2", "one value"),
        ("1 AS y", "one value"),
        ("f(1, 2), 3", "one value"),
        ("f(a", "a bracket without the other"),
        ("1) + (2", "a bracket without the other"),
        ("([1)]", "a bracket without the other"),
    ],
)
def test_what_is_read_as_more_or_as_less_is_refused(expression: str, said: str) -> None:
    assert said in (objection(expression) or "nothing")
