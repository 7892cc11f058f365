"""T-SQL, in which the templates are written, as PostgreSQL."""

import sqlglot
from sqlglot import exp

#: What SqlRender makes of ISNUMERIC for PostgreSQL: an unsigned number.
_NUMBER = r"^([0-9]+\.?[0-9]*|\.[0-9]+)$"


def translate(sql: str) -> str:
    """The statement for PostgreSQL. Raises sqlglot.errors.ParseError for what is no T-SQL."""
    statements = [each for each in sqlglot.parse(sql, read="tsql") if each is not None]
    if len(statements) != 1:
        raise sqlglot.errors.ParseError(f"one statement is expected, not {len(statements)}")
    return statements[0].transform(_rewritten).sql(dialect="postgres", comments=False)


def _rewritten(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Anonymous) and node.name.upper() == "ISNUMERIC":
        return _is_numeric(node.expressions[0])
    if isinstance(node, exp.Add) and any(_is_text(side) for side in (node.left, node.right)):
        return exp.DPipe(this=node.left, expression=node.right)
    return node


def _is_numeric(value: exp.Expression) -> exp.Expression:
    matches = exp.RegexpLike(this=exp.cast(value.copy(), "text"), expression=exp.Literal.string(_NUMBER))
    return exp.Case().when(matches, exp.Literal.number(1)).else_(exp.Literal.number(0))


def _is_text(node: exp.Expression) -> bool:
    if isinstance(node, exp.Cast):
        return bool(node.to.this in exp.DataType.TEXT_TYPES)
    return bool(isinstance(node, exp.Literal) and node.is_string)
