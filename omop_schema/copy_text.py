"""Lines of PostgreSQL's COPY text format."""

from datetime import date

NULL = r"\N"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def line(*values: str | int | date | bytes | None) -> str:
    """One row as a line of COPY text, line break included; bytes become bytea."""
    return "\t".join(map(_field, values)) + "\n"


def escape(text: str) -> str:
    """A text as a field of COPY text."""
    return text.translate(_ESCAPES) if "\\" in text or not text.isprintable() else text


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold such a text: it has no NUL and no half of a surrogate pair."""
    return not any(each == "\0" or "\ud800" <= each <= "\udfff" for each in text)


def _field(value: str | int | date | bytes | None) -> str:
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, bytes):
        return r"\\x" + value.hex()
    return NULL if value is None else str(value)
