"""Feeds: what the lake holds as JSON Feed 1.1, each document in an extension object ``_oncolake``.

Ids are of this lake and stay for good: ``oncolake:upload:17``, ``oncolake:document:23``. No title, tag, text
or address of an item says anything of a document; the document itself is in its extension alone.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from fastapi.responses import Response

from api.http.pages import Asked, json_bytes
from etl.feed import DocumentVersion, KeptCuration, LoggedUpload
from etl.plan import Plan

MEDIA_TYPE = "application/feed+json"
VERSION = "https://jsonfeed.org/version/1.1"

Item = dict[str, Any]


def answer(
    asked: Asked,
    tag: str,
    title: str,
    items: Sequence[Item],
    after: int | None,
    about: Mapping[str, Any] | None = None,
    *,
    expired: bool = False,
) -> Response:
    """A page of a feed; ``about`` is the feed's own extension."""
    feed: dict[str, Any] = {"version": VERSION, "title": title, "feed_url": asked.address, "language": "en"}
    if after is not None:
        feed["next_url"] = asked.page_after(after)
    if expired:
        feed["expired"] = True
    if about:
        feed["_oncolake"] = about
    return asked.answer(json_bytes({**feed, "items": items}), MEDIA_TYPE, tag)


def upload_item(asked: Asked, upload: LoggedUpload) -> Item:
    """An upload, without any of its documents."""
    item: Item = {
        "id": f"oncolake:upload:{upload.upload_id}",
        "url": asked.url("uploads", upload.upload_id),
        "title": f"Upload {upload.upload_id}: {upload.outcome}",
        "content_text": upload_sentence(upload),
        "date_published": _moment(upload.received_at),
        "date_modified": _moment(upload.finished_at or upload.received_at),
        "tags": [upload.mapping, upload.outcome],
        "_oncolake": about_upload(asked, upload),
    }
    if upload.organisation:
        item["authors"] = [{"name": upload.organisation}]
    return item


def about_upload(asked: Asked, upload: LoggedUpload) -> dict[str, Any]:
    """What the log says of an upload, for programs."""
    counts = ("bytes", "cases", "stored", "unchanged", "rejected", "rows", "problems", "warnings")
    return {
        "upload_id": upload.upload_id,
        "mapping": upload.mapping,
        "outcome": upload.outcome,
        "organisation": upload.organisation,
        **{name: getattr(upload, name) for name in counts},
        "problems_url": asked.url("uploads", upload.upload_id, "problems"),
    }


def upload_sentence(upload: LoggedUpload) -> str:
    """What became of an upload, for people."""
    if upload.outcome == "withdrawn":
        return "It was withdrawn; its documents and rows are removed."
    if upload.outcome == "received":
        return "It is being read, or was stopped half-way."
    parts = {"stored": upload.stored, "unchanged": upload.unchanged, "rejected": upload.rejected}
    said = ", ".join(f"{count} {word}" for word, count in parts.items() if count)
    return (
        f"{_counted(upload.cases, 'document')}" + (f": {said}" if said else "") + "; "
        f"{_counted(upload.rows, 'OMOP row')}, {_counted(upload.problems, 'problem')}{_warned(upload)}."
    )


def document_item(
    asked: Asked, plan: Plan, entry: DocumentVersion, rows: Mapping[str, int], document: str
) -> Item:
    """A document version; ``document`` is its JSON text."""
    use_cases = plan.forms.get(entry.form, ()) if entry.mapping == plan.mapping else ()
    changed = entry.loaded_at if entry.outcome == "loaded" else None
    return {
        "id": f"oncolake:document:{entry.document_id}",
        # An address that says nothing of the patient.
        "url": f"{asked.url('uploads', entry.upload_id)}#record-{entry.position}",
        "title": f"Case {entry.case_id}, form {entry.form}, version {entry.version}",
        "content_text": _document_sentence(entry, sum(rows.values())),
        "date_published": _moment(entry.landed_at),
        "date_modified": _moment(max(entry.landed_at, changed or entry.landed_at)),
        "tags": [f"form {entry.form}", *(f"use case {each}" for each in use_cases), entry.outcome],
        "_oncolake": {
            "document_id": entry.document_id,
            "upload_id": entry.upload_id,
            "record": entry.position,
            "case_id": entry.case_id,
            "person_id": entry.person_id,
            "mapping": entry.mapping,
            "form": entry.form,
            "use_cases": use_cases,
            "version": entry.version,
            "newest_version": entry.newest,
            "outcome": entry.outcome,
            "rows": rows,
            "problems": entry.problems,
            "warnings": entry.warnings,
            "document": orjson.Fragment(document),
        },
    }


def curation_item(asked: Asked, curation: KeptCuration, document: str) -> Item:
    """A document of the curation tool; ``document`` is its JSON text."""
    return {
        "id": f"oncolake:curation:{curation.key}",
        "url": f"{asked.url('uploads', curation.upload_id)}#curation-{curation.key}",
        "title": f"Curation {curation.key}: {curation.curation_function}",
        "content_text": "What the curation tool sent of a derived image series, as submitted.",
        "date_published": _moment(curation.landed_at),
        "tags": ["curationMeta", curation.curation_function],
        "_oncolake": {
            "curation_id": curation.key,
            "upload_id": curation.upload_id,
            "curation_function": curation.curation_function,
            "document": orjson.Fragment(document),
        },
    }


def _document_sentence(entry: DocumentVersion, rows: int) -> str:
    said = f"Version {entry.version} of case {entry.case_id} "
    if entry.outcome == "loaded":
        newer = f"; version {entry.newest} waits to be loaded" if entry.newest > entry.version else ""
        found = f"{_counted(rows, 'OMOP row')}, {_counted(entry.problems, 'problem')}{_warned(entry)}"
        return f"{said}is loaded: {found}{newer}."
    if entry.outcome == "pending":
        return f"{said}is stored, and waits to be loaded."
    return f"{said}was replaced by version {entry.newest}."


def _warned(told: LoggedUpload | DocumentVersion) -> str:
    return f", {_counted(told.warnings, 'warning')}" if told.warnings else ""


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
