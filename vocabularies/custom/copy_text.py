"""Values in the text format of COPY."""

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def encoded(value: object) -> str:
    """One field of a line; None is NULL."""
    return "\\N" if value is None else str(value).translate(_ESCAPES)
