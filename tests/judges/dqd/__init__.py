"""OHDSI's DataQualityDashboard as judge of schema ``omop54``, without R.

``python -m tests.judges.dqd CHECKOUT`` reads the checks for CDM v5.4 from a checkout of
OHDSI/DataQualityDashboard: its lists of checks (CSV) and its SQL templates. ``render`` fills a template as
SqlRender does, ``translate`` turns T-SQL into PostgreSQL, ``judge`` tells passed from failed and from not
applicable by DQD's rules.
"""
