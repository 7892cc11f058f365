"""What Pydantic says of a wrong shape, in the words of the mapping language."""

import difflib
from typing import Any

from pydantic import BaseModel

from etl.mapping import date_phrases, language, phrases

#: Every word of the language, for "did you mean".
_WORDS = sorted(
    {
        field.alias or name
        for words in (phrases, date_phrases, language)
        for shape in vars(words).values()
        if isinstance(shape, type) and issubclass(shape, BaseModel)
        for name, field in shape.model_fields.items()
    }
)


def in_words(error: Any) -> str:
    """One error of Pydantic's list as a sentence that names the word it is about."""
    where = ".".join(map(str, error["loc"]))
    match error["type"]:
        case "extra_forbidden":
            return f"'{where}': there is no word '{error['loc'][-1]}'{_suggestion(str(error['loc'][-1]))}"
        case "missing":
            return f"'{where}' is missing"
        case "dict_type" | "model_type":
            return f"'{where}' must hold words and their values" if where else "the file is empty or a list"
        case "too_short":
            least = error["ctx"]["min_length"]
            return f"'{where}' needs at least {least} item{'s' * (least != 1)}"
        case "string_pattern_mismatch":
            return f"'{where}' must match {error['ctx']['pattern']}"
    return f"'{where or 'file'}': {error['msg']}"


def _suggestion(word: str) -> str:
    near = difflib.get_close_matches(word, _WORDS, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
