"""Generating: a bound mapping to the Python source of its transform."""

from etl.mapping.generate.function import generate
from etl.mapping.generate.rows import row_columns

__all__ = ["generate", "row_columns"]
