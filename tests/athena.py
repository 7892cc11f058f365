"""Concepts and links of Athena's for tests, beside those of a small bundle."""

from sqlalchemy import Connection

from tests.bundles import DAYS, SINCE, small
from tests.put import put


def concept(
    concept_id: int, name: str, domain: str = "Condition", standard: str = "S", invalid: str = ""
) -> list[str]:
    """A row of CONCEPT in SNOMED."""
    code = f"code-{concept_id}"
    return [str(concept_id), name, domain, "SNOMED", "Disorder", standard, code, *SINCE, invalid]


def load(
    connection: Connection,
    concepts: list[list[str]],
    links: list[tuple[int, str, int] | tuple[int, str, int, str]],
) -> None:
    """Bring these in over the small bundle; a link is its two concepts, the relationship, and if it ended."""
    tables = small()
    ids = {row[0] for row in concepts}
    tables["CONCEPT"] = [row for row in tables["CONCEPT"] if row[0] not in ids] + concepts
    names = {row[0] for row in tables["RELATIONSHIP"]}
    tables["RELATIONSHIP"] += [
        [name, name, "0", "0", name, "0"] for name in sorted({one[1] for one in links} - names)
    ]
    tables["DOMAIN"] += [[name, name, "0"] for name in sorted({row[2] for row in concepts})
                         if name not in {row[0] for row in tables["DOMAIN"]}]  # fmt: skip
    tables["CONCEPT_RELATIONSHIP"] += [
        [str(one), str(other), name, *DAYS, *(ended or [""])] for one, name, other, *ended in links
    ]
    put(connection, tables)
