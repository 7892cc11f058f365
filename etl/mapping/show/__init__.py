"""Showing: a bound mapping as the ETL document that partners sign."""

from etl.mapping.show.document import show

__all__ = ["show"]
