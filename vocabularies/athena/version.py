"""How old a vocabulary is: Athena's own version, such as ``v5.0 29-AUG-25``."""

import re
from datetime import date, datetime

from sqlalchemy import Connection, text

from omop_schema import OMOP
from vocabularies.athena.findings import Report
from vocabularies.athena.twins import SCHEMA

_DAY = re.compile(r"\b(\d{2}-[A-Za-z]{3}-\d{2})\b")
_VERSIONS = text(f"""
    SELECT staged.vocabulary_version, held.vocabulary_version
    FROM {SCHEMA}.vocabulary AS staged JOIN {OMOP}.vocabulary AS held USING (vocabulary_id)
    WHERE vocabulary_id = 'None'
""")


def released(version: str | None) -> date | None:
    """The day of a version; None when it names none."""
    found = _DAY.search(version or "")
    if not found:
        return None
    try:
        return datetime.strptime(found[1].title(), "%d-%b-%y").date()
    except ValueError:
        return None


def tell_older(connection: Connection, report: Report) -> None:
    """Report a staged vocabulary that is older than the one in use."""
    for staged, held in connection.execute(_VERSIONS):
        new, old = released(staged), released(held)
        if new and old and new < old:
            message = (
                f"the bundle is '{staged}', and '{held}' is loaded; download a new one, or go on knowingly"
            )
            report.add("older-bundle", "VOCABULARY.csv", 0, message)
