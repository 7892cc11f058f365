"""Search of images as QIDO-RS has it (D4.4 5.1): studies and series by their DICOM attributes.

What the reader may not see is not there: a study of somebody else's is as empty as one that never was. Every
person of a page is told to the audit before the page is sent.
"""

import re
from collections.abc import Sequence

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.http.access import Reading, saw
from api.http.dicom_json import Dataset, datasets
from api.http.dicomweb_examples import SERIES, SERIES_OF_STUDY, STUDIES
from api.http.dicomweb_query import read_query
from api.http.errors import ApiError
from api.http.lake import Lake, Shared
from api.http.principal import Access
from api.http.settings import Settings
from etl.find.attributes import Attribute, Level
from etl.find.images import Found, Search, find
from etl.viewer import Viewer

router = APIRouter(tags=["Images"])

MEDIA_TYPE = "application/dicom+json"
_HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization"}
#: Where the image store has a study or series (PS3.18, 10.4), and the tags of the UIDs that lead there.
_RETRIEVE_URL = Attribute("RetrieveURL", "00081190", "UR", "study", "always", "")
_PLACES: dict[Level, dict[str, str]] = {
    "study": {"studies": "0020000D"},
    "series": {"studies": "0020000D", "series": "0020000E"},
}
_REFUSED = re.compile(r";\s*q=0(\.0*)?\s*(;|$)")


@router.get("/studies", **STUDIES)
def search_studies(request: Request, access: Reading, lake: Shared) -> Response:
    """Imaging studies that fit every attribute of the query, newest first."""
    return _search(request, access, lake, "study")


@router.get("/series", **SERIES)
def search_series(request: Request, access: Reading, lake: Shared) -> Response:
    """Image series that fit every attribute of the query, those of the newest study first."""
    return _search(request, access, lake, "series")


@router.get("/studies/{study}/series", **SERIES_OF_STUDY)
def search_series_of_study(request: Request, access: Reading, lake: Shared) -> Response:
    """The series of a study that fit every attribute of the query."""
    return _search(request, access, lake, "series", request.path_params["study"])


def _search(
    request: Request, access: Access, lake: Lake, level: Level, within: str | None = None
) -> Response:
    _check_accept(request.headers.getlist("Accept"))
    search = read_query(request.query_params.multi_items(), level, within)
    own = access.principal.organisation if access.reach == "own" else None
    with lake.connection() as connection:
        found = find(connection, Viewer(access.reach == "all", own), search)
    for each in found:
        saw(request, person_id=each.person_id)
    if not found:
        return Response(status_code=204, headers=_HEADERS)
    settings: Settings = request.app.state.settings
    root = None if settings.wado_root is None else str(settings.wado_root).rstrip("/")
    content = orjson.dumps(_datasets(search, found, root))
    return Response(content, media_type=MEDIA_TYPE, headers=_HEADERS)


def _datasets(search: Search, found: Sequence[Found], root: str | None) -> list[Dataset]:
    rows = [each.values for each in found]
    if root is None:
        return datasets(search.told, rows)
    tags = [each.tag for each in search.told]
    places = [(name, tags.index(tag)) for name, tag in _PLACES[search.level].items()]
    told = [(*row, root + "".join(f"/{name}/{row[place]}" for name, place in places)) for row in rows]
    return datasets((*search.told, _RETRIEVE_URL), told)


def _check_accept(headers: Sequence[str]) -> None:
    ranges = [each.strip().lower() for each in ",".join(headers).split(",") if each.strip()]
    wanted = {each.partition(";")[0].strip() for each in ranges if not _REFUSED.search(each)}
    if ranges and wanted.isdisjoint({MEDIA_TYPE, "application/*", "*/*"}):
        raise ApiError(406, f"searches are answered in {MEDIA_TYPE} only")
