"""Cohorts: files of SQL that say which patients, run read-only, stored, and shown with small counts masked."""
