"""YAML of a mapping folder's cohorts as checked shapes; what is wrong is told with its line."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from etl.cohorts.errors import CohortError
from etl.mapping.folder import lines_of

_Shape = TypeVar("_Shape", bound=BaseModel)
Lines = dict[tuple[str | int, ...], int]


def read_shape(text: str, file: str, shape: type[_Shape], first: int = 1) -> tuple[_Shape, Lines]:
    """The shape that the YAML says, and the file's line of each of its keys; ``first`` is that of the text.

    Raises CohortError for the first thing that is wrong, as ``FILE:LINE: what``.
    """
    data, lines = _read(text, file, first)
    try:
        return shape.model_validate(data), lines
    except ValidationError as error:
        worst = error.errors(include_url=False, include_input=False)[0]
        keys = tuple(key for key in worst["loc"] if key != "[key]")
        raise CohortError(f"{file}:{_line(keys, lines, first)}: {_sentence(worst)}") from None


def _read(text: str, file: str, first: int) -> tuple[Any, Lines]:
    try:
        root = YAML(typ="rt").load(text)
        lines = {keys: line + first - 1 for keys, line in lines_of(root)}
        return YAML(typ="safe", pure=True).load(text), lines
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = first + (mark.line if mark else 0)
        problem = str(error.problem or error).strip().splitlines()[0].partition(" with value")[0]
        raise CohortError(f"{file}:{line}: not YAML: {problem}") from None
    except (YAMLError, ValueError, RecursionError) as error:
        raise CohortError(f"{file}:{first}: not YAML: {str(error).strip().splitlines()[0]}") from None


def _line(keys: tuple[str | int, ...], lines: Lines, first: int) -> int:
    while keys and keys not in lines:
        keys = keys[:-1]
    return lines.get(keys, first)


def _sentence(error: Any) -> str:
    where = ".".join(str(key) for key in error["loc"] if key != "[key]")
    match error["type"]:
        case "extra_forbidden":
            return f"'{where}': there is no such word; remove it"
        case "missing":
            return f"'{where}' is missing"
        case "string_pattern_mismatch":
            return f"'{where}': write names in small letters, digits and _, a letter first"
        case "value_error":
            return f"'{where}': {error['ctx']['error']}"
        case "too_short":
            return f"'{where}' is empty"
    return f"'{where or 'it'}': {error['msg']}"
