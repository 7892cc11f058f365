"""Views that follow from the mapping: the files ``research/*.yaml`` of its folder, as SQL.

A file says what one row is and which rule each column comes from. The rest is known: tables and numbers of
the rules, units, and the places in the form that they read.
"""

from etl.mapping.views.bind import BoundView, view_findings, views_of
from etl.mapping.views.sql import Expression, ViewSql, statements, view_sql

__all__ = ["BoundView", "Expression", "ViewSql", "statements", "view_findings", "view_sql", "views_of"]
