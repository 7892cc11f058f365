"""Shorthand for the columns that the CDM repeats, so that the table modules read as lists.

Every reference to a generated key is BIGINT here; the official v6.0.0 DDL has some of them as INTEGER.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, text

from omop_schema.base import OMOP


def key(name: str) -> Column[int]:
    """A BIGINT primary key whose value we give; there is no sequence behind it."""
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


def person_id() -> Column[int]:
    """The person that a row is about."""
    return link("person_id", "person", nullable=False, index=True)


def link(name: str, table: str, *, nullable: bool = True, index: bool = False) -> Column[int]:
    """A reference to the BIGINT key of another table, whose name is that of the table plus ``_id``."""
    target = ForeignKey(f"{OMOP}.{table}.{table}_id")
    return Column(name, BigInteger, target, nullable=nullable, index=index)


def concept_id(
    name: str,
    *,
    nullable: bool = False,
    linked: bool = True,
    primary_key: bool = False,
    index: bool = False,
    deferrable: bool = False,
) -> Column[int]:
    """A concept. Where ``linked`` is false the CDM declares no foreign key, and neither do we."""
    target = [_foreign_key(f"{OMOP}.concept.concept_id", deferrable)] if linked else []
    nullable = nullable and not primary_key
    return Column(
        name, Integer, *target, nullable=nullable, primary_key=primary_key, autoincrement=False, index=index
    )


def code(
    name: str, table: str, *, primary_key: bool = False, index: bool = False, deferrable: bool = False
) -> Column[str]:
    """A reference to a vocabulary table whose key is text, such as ``domain_id``."""
    # Added once all tables stand: without that a circle has no first table.
    target = _foreign_key(f"{OMOP}.{table}.{table}_id", deferrable, use_alter=deferrable)
    return Column(name, String(20), target, nullable=False, primary_key=primary_key, index=index)


def source_value(name: str, length: int = 50) -> Column[str]:
    """A value as the source spells it."""
    return Column(name, String(length))


def sparse_index(name: str) -> Index:
    """An index of the rows where the column holds a value; empty columns then cost nothing to load."""
    return Index(None, name, postgresql_where=text(f"{name} IS NOT NULL"))


def _foreign_key(target: str, deferrable: bool, *, use_alter: bool = False) -> ForeignKey:
    if deferrable:
        return ForeignKey(target, deferrable=True, initially="IMMEDIATE", use_alter=use_alter)
    return ForeignKey(target)
