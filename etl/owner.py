"""Owner: which patients of a request are another provider's than the sender's."""

from collections.abc import Mapping

from sqlalchemy import Connection, text

from etl.receive import Sender


def is_anothers(patient: str) -> str:
    """SQL: whether any case of the patient in this column is not of ``:organisation``.

    What the command line sent is of no organisation, and so another's for every provider; but for a scan of
    headers, which does not tell whose patient it is.
    """
    return f"""EXISTS (
        SELECT FROM lake.cases AS known
        WHERE known.patient_id = {patient} AND (known.organisation = :organisation) IS NOT TRUE
            AND NOT {is_nobodys("known")})"""


def is_nobodys(case: str) -> str:
    """SQL: whether a case of this name is a scan of headers that came from the command line."""
    return f"({case}.mapping = 'dicom' AND {case}.organisation IS NULL)"


def anothers(connection: Connection, patients: Mapping[int, str], sender: Sender) -> set[int]:
    """Of patient identifiers by position, those positions that the sender may not post to.

    It reads in the caller's transaction.
    """
    if sender.everywhere or not patients:
        return set()
    values = {
        "organisation": sender.organisation,
        "positions": list(patients),
        "patients": list(patients.values()),
    }
    return set(connection.execute(_ANOTHERS, values).scalars())


_ANOTHERS = text(f"""
    SELECT position
    FROM unnest(CAST(:positions AS integer[]), CAST(:patients AS text[])) AS sent (position, patient_id)
    WHERE {is_anothers("sent.patient_id")}
""")  # noqa: S608
