"""Thresholds: how many percent of the rows may break a check before it fails; one YAML file."""

from collections.abc import Iterable
from fractions import Fraction
from importlib.resources.abc import Traversable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from etl.mapping.folder import Keys, lines_of
from etl.quality.check import KINDS, Check
from etl.setup import DEFAULT_MAPPING

Percent = Annotated[float, Field(ge=0, le=100, strict=False)]
#: The file of a mapping folder.
THRESHOLDS = "quality.yaml"


class ThresholdError(Exception):
    """A thresholds file that cannot be used; says where and why."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Override(_Shape):
    """Another threshold for some checks: those that have everything that is said here."""

    id: str | None = None
    check: str | None = None
    table: str | None = None
    column: str | None = None
    concept: int | None = None
    threshold: Percent
    why: str = Field(min_length=5)

    def fits(self, check: Check) -> bool:
        """Whether it is about the check."""
        pairs = (
            (self.id, check.id),
            (self.check, check.name),
            (self.table, check.table),
            (self.column, check.column),
            (self.concept, check.concept),
        )
        return all(said is None or said == has for said, has in pairs)

    @property
    def names_something(self) -> bool:
        return any(one is not None for one in (self.id, self.check, self.table, self.column, self.concept))


class Thresholds(_Shape):
    """Percent of violated rows over which a check fails. What is not named here fails with the first row."""

    defaults: dict[str, Percent] = {}
    """By check name."""
    overrides: tuple[Override, ...] = ()

    def of(self, check: Check) -> float:
        """The threshold of a check: the last override that is about it, else that of its name, else 0."""
        return next(
            (one.threshold for one in reversed(self.overrides) if one.fits(check)),
            self.defaults.get(check.name, 0.0),
        )

    def why(self, check: Check) -> str | None:
        """The reason of the override that counts, if one does."""
        return next((one.why for one in reversed(self.overrides) if one.fits(check)), None)


def is_over(threshold: float, violated: int, among: int) -> bool:
    """Whether so many rows of a denominator are more percent than the threshold, in exact arithmetic."""
    return violated > 0 and (among == 0 or 100 * violated > Fraction(repr(threshold)) * among)


def least(threshold: float) -> float:
    """The share of rows, from 0 to 1, that has to be right.

    The float nearest to the exact share, as a quotient of two counts is: at the threshold they are equal.
    """
    return float(1 - Fraction(repr(threshold)) / 100)


def default_thresholds() -> Thresholds:
    """For a mapping without thresholds of its own: the shipped ones by check, and none of their overrides."""
    shipped = DEFAULT_MAPPING.joinpath(THRESHOLDS).read_text(encoding="utf-8")
    return Thresholds(defaults=YAML(typ="safe").load(shipped)["defaults"])


def read_thresholds(path: Traversable, checks: Iterable[Check]) -> Thresholds:
    """Read a thresholds file. Raises ThresholdError, with file and line, for all that is wrong with it.

    An override that is about none of the checks is wrong too: it is a slip.
    """
    try:
        root = YAML(typ="rt").load(path.read_text(encoding="utf-8-sig"))
        lines = dict(lines_of(root))
        found = Thresholds.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8-sig")) or {})
    except (OSError, UnicodeDecodeError) as error:
        raise ThresholdError(f"'{path}' cannot be read: {type(error).__name__}") from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ThresholdError(f"{path.name}:{line}: not YAML: {error.problem}") from None
    except (YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, ValidationError):
            told = (
                _told(path.name, lines, one) for one in error.errors(include_url=False, include_input=False)
            )
            raise ThresholdError("\n".join(told)) from None
        raise ThresholdError(f"{path.name}:1: not YAML: {type(error).__name__}") from None
    if wrong := list(_slips(path.name, lines, found, tuple(checks))):
        raise ThresholdError("\n".join(wrong))
    return found


def _slips(name: str, lines: dict[Keys, int], found: Thresholds, checks: tuple[Check, ...]) -> Iterable[str]:
    for check in found.defaults:
        if check not in KINDS:
            yield f"{name}:{lines['defaults', check]}: there is no check '{check}'"
    for place, override in enumerate(found.overrides):
        where = f"{name}:{lines['overrides', place]}"
        if not override.names_something:
            yield f"{where}: say what it is about: id, check, table, column or concept"
        elif not any(override.fits(check) for check in checks):
            yield f"{where}: there is no such check; `oncolake quality --list` prints all of them"


def _told(name: str, lines: dict[Keys, int], error: object) -> str:
    at: Keys = ()
    for key in error["loc"]:  # type: ignore[index]
        if (*at, key) in lines:
            at = (*at, key)
    where = ".".join(map(str, error["loc"]))  # type: ignore[index]
    return f"{name}:{lines.get(at, 1)}: '{where or 'file'}': {error['msg']}"  # type: ignore[index]
