"""JSON Feed 1.1 as a JSON Schema, written from the rules of https://www.jsonfeed.org/version/1.1/.

Only what the specification names may stand at the top or in an item, besides extensions: objects whose names
are an underscore, a letter, and no full stop.
"""

from typing import Any

import jsonschema

_URL = {"type": "string", "format": "uri"}
_TEXT = {"type": "string"}
# RFC 3339: a date and a time with seconds and an offset.
_DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
_EXTENSIONS = {r"^_[A-Za-z][^.]*$": {"$ref": "#/$defs/extension"}}
_AUTHORS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": _TEXT, "url": _URL, "avatar": _URL},
        "minProperties": 1,
        "additionalProperties": False,
    },
}
_LANGUAGE = {"type": "string", "pattern": r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"}
_ATTACHMENT = {
    "type": "object",
    "required": ["url", "mime_type"],
    "properties": {
        "url": _URL,
        "mime_type": _TEXT,
        "title": _TEXT,
        "size_in_bytes": {"type": "number", "minimum": 0},
        "duration_in_seconds": {"type": "number", "minimum": 0},
    },
    "additionalProperties": False,
}
_ITEM = {
    "type": "object",
    "required": ["id"],
    "anyOf": [{"required": ["content_text"]}, {"required": ["content_html"]}],
    "properties": {
        "id": {"type": "string", "minLength": 1},
        **dict.fromkeys(("url", "external_url", "image", "banner_image"), _URL),
        **dict.fromkeys(("title", "content_html", "content_text", "summary"), _TEXT),
        "date_published": _DATE,
        "date_modified": _DATE,
        "authors": _AUTHORS,
        "tags": {"type": "array", "items": _TEXT},
        "language": _LANGUAGE,
        "attachments": {"type": "array", "items": _ATTACHMENT},
    },
    "patternProperties": _EXTENSIONS,
    "additionalProperties": False,
}
JSON_FEED: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["version", "title", "items"],
    "properties": {
        "version": {"const": "https://jsonfeed.org/version/1.1"},
        **dict.fromkeys(("title", "description", "user_comment"), _TEXT),
        **dict.fromkeys(("home_page_url", "feed_url", "next_url", "icon", "favicon"), _URL),
        "authors": _AUTHORS,
        "language": _LANGUAGE,
        "expired": {"type": "boolean"},
        "hubs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "url"],
                "properties": {"type": _TEXT, "url": _URL},
            },
        },
        "items": {"type": "array", "items": _ITEM},
    },
    "patternProperties": _EXTENSIONS,
    "additionalProperties": False,
    "$defs": {
        "extension": {"type": "object", "propertyNames": {"pattern": "^[^.]*$"}},
    },
}
_VALIDATOR = jsonschema.Draft202012Validator(
    JSON_FEED, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
)


def check_feed(feed: Any) -> None:
    """Fails unless this is a JSON Feed 1.1, with ids of its own for its items, and another next page."""
    _VALIDATOR.validate(feed)
    ids = [item["id"] for item in feed["items"]]
    assert len(set(ids)) == len(ids), "an id comes twice"
    assert feed.get("next_url") is None or feed["next_url"] != feed.get("feed_url")
