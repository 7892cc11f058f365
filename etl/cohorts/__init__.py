"""Cohorts: files of SQL that say which patients; run read-only, stored, and shown with small counts masked.

In a notebook: ``dataframe(engine, "uc5")`` is the analysis table of a cohort that was run.
"""

from etl.cohorts.export import dataframe

__all__ = ["dataframe"]
