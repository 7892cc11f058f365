"""All checks of a database: from the CDM's metadata, and from the mappings that its rows were made by."""

from collections.abc import Iterator, Sequence
from importlib.resources.abc import Traversable

from sqlalchemy import Engine

from etl.mapping.check import checked
from etl.quality.cdm import cdm_checks
from etl.quality.check import Check
from etl.quality.links import case_checks, lineage_checks, link_checks
from etl.quality.values import Numbered, value_checks
from etl.register import foreseen_numbers
from etl.setup import CURATION_MAPPING, DICOM_MAPPING, require_current, vocabulary


def checks_of(engine: Engine, folder: Traversable) -> tuple[Check, ...]:
    """Every check of a database whose cases this mapping describes, with those of images and curations.

    Nothing is written. Raises NotInitialised, or MappingError when the mapping has errors.
    """
    require_current(engine)
    found = []
    with engine.connect() as connection:
        for each in dict.fromkeys((folder, DICOM_MAPPING, CURATION_MAPPING)):
            mapping = checked(each, vocabulary(each, connection))
            found.append(Numbered(mapping, foreseen_numbers(connection, mapping)))
    return tuple(all_checks(found))


def all_checks(mappings: Sequence[Numbered]) -> Iterator[Check]:
    """Every check, each once."""
    yield from cdm_checks()
    yield from value_checks(mappings)
    yield from link_checks()
    yield from lineage_checks()
    for each in mappings:
        if not each.mapping.annex:
            yield from case_checks(each.mapping)
