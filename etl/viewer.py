"""Viewer: whose rows somebody can find, and whether what was not found is there for others."""

from typing import NamedTuple

from sqlalchemy import Connection, text

from etl.owner import is_anothers


class Viewer(NamedTuple):
    """Whose rows can be found: everybody's, or those of one organisation; of None, nobody's."""

    everything: bool
    organisation: str | None


#: What a statement asks of a row's owner; its values are the viewer's members.
OWNED = "(:everything OR organisation = :organisation)"


def is_anothers_upload(connection: Connection, viewer: Viewer, upload_id: int) -> bool:
    """Whether there is the upload, out of the viewer's sight. It takes as long where there is none."""
    values = {**viewer._asdict(), "upload": upload_id}
    return bool(connection.execute(_ANOTHERS_UPLOAD, values).scalar_one())


def is_anothers_patient(connection: Connection, viewer: Viewer, patient_id: str) -> bool:
    """Whether there are cases of the patient, out of the viewer's sight. It takes as long without any."""
    values = {**viewer._asdict(), "patient": patient_id}
    return bool(connection.execute(_ANOTHERS_PATIENT, values).scalar_one())


_ANOTHERS_UPLOAD = text(
    f"SELECT EXISTS (SELECT FROM lake.uploads WHERE upload_id = :upload AND {OWNED} IS NOT TRUE)"  # noqa: S608
)
_ANOTHERS_PATIENT = text(f"SELECT NOT :everything AND {is_anothers(':patient')}")
