"""The checks of a checkout of OHDSI/DataQualityDashboard: which there are, on what, with which threshold."""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

Row = Mapping[str, str]
LEVELS = ("TABLE", "FIELD", "CONCEPT")
#: One comparison of an evaluation filter, such as ``fkDomain!= ''``.
_COMPARISON = re.compile(r"\s*(\w+)\s*(==|!=)\s*'([^']*)'\s*")


class CheckoutError(Exception):
    """A folder that is no checkout, or of another shape than this program knows."""


class Schemas(NamedTuple):
    """Where a check finds what it looks at."""

    cdm: str
    vocabulary: str
    cohort: str


class Check(NamedTuple):
    """One check type on one table, field or concept."""

    type: str
    level: str
    category: str
    severity: str
    template: str
    row: Row
    """The line of the list for its level; what is not stated is not there."""
    schema: str

    @property
    def table(self) -> str:
        return self.row["cdmTableName"].upper()

    @property
    def field(self) -> str:
        return self.row.get("cdmFieldName", "").upper()

    @property
    def threshold(self) -> float:
        """Percent of rows that may violate it; without one, none may."""
        return float(self.row.get(f"{self.type}Threshold", "0"))

    @property
    def about(self) -> str:
        """What it is on, such as ``MEASUREMENT.UNIT_CONCEPT_ID`` or ``... = 3006322``."""
        place = f"{self.table}.{self.field}" if self.field else self.table
        return f"{place} = {self.row['conceptId']}" if "conceptId" in self.row else place


def read_checks(checkout: Path, schemas: Schemas) -> list[Check]:
    """All checks for CDM v5.4, in DQD's order and with those of vocabulary tables, which are an option there.

    Raises CheckoutError.
    """
    lists = {level: _read(checkout, f"{level.title()}_Level") for level in LEVELS}
    where = {row["cdmTableName"]: row["schema"] for row in lists["TABLE"]}
    found = []
    for described in _read(checkout, "Check_Descriptions"):
        if not {"evaluationFilter", "sqlFile", "severity"} <= set(described):
            continue
        for row in lists[described["checkLevel"]]:
            # DQD leaves it out, as the word is reserved in some databases.
            if passes(described["evaluationFilter"], row) and row.get("cdmFieldName") != "offset":
                found.append(_check(described, row, where.get(row["cdmTableName"], "CDM"), schemas))
    return found


def passes(expression: str, row: Row) -> bool:
    """Whether a row passes an evaluation filter; what is not stated is neither equal nor unequal."""
    for part in expression.split("&"):
        found = _COMPARISON.fullmatch(part)
        if not found:
            raise CheckoutError(f"a filter of another form than this program knows: {expression!r}")
        name, operator, value = found.groups()
        if name not in row or (row[name] == value) is not (operator == "=="):
            return False
    return True


def parameters(check: Check, schemas: Schemas) -> dict[str, str | bool]:
    """What the template of a check is filled with; what is not stated is ``NA``, as R writes it."""
    stated = dict.fromkeys(_NAMES, "NA") | dict(check.row)
    return {
        **stated,
        "cdmTableName": check.table,
        "cdmFieldName": check.field,
        "schema": check.schema,
        "cdmDatabaseSchema": schemas.cdm,
        "vocabDatabaseSchema": schemas.vocabulary,
        "cohortDatabaseSchema": schemas.cohort,
        "cohortTableName": "cohort",
        "cohort": False,
    }


#: Parameters of conditions that a list may not state.
_NAMES = ("runForCohort", "conceptId", "unitConceptId", "plausibleTemporalAfterTableName")


def _check(described: Row, row: Row, where: str, schemas: Schemas) -> Check:
    named = {"VOCAB": schemas.vocabulary, "COHORT": schemas.cohort}
    return Check(
        type=described["checkName"],
        level=described["checkLevel"],
        category=described["kahnCategory"],
        severity=described["severity"],
        template=described["sqlFile"],
        row=row,
        schema=named.get(where, schemas.cdm),
    )


def _read(checkout: Path, name: str) -> list[Row]:
    path = checkout / "inst" / "csv" / f"OMOP_CDMv5.4_{name}.csv"
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return list(_rows(csv.DictReader(lines)))
    except OSError as error:
        raise CheckoutError(f"{path} cannot be read: {error.strerror}; is this a checkout?") from None


def _rows(reader: "csv.DictReader[str]") -> Iterator[Row]:
    for row in reader:
        yield {name: cell for name, cell in row.items() if cell and cell.strip()}
