"""Where a mapping names a concept."""

from dataclasses import dataclass

from etl.mapping.folder import Keys, Place


@dataclass(frozen=True, slots=True)
class ConceptUse:
    """One place of the mapping that names a concept."""

    concept: int
    name: str | None
    place: Place
    table: str
    column: str
    keys: Keys = ()
    """The keys from a YAML file's root down to the concept; a value map's line says where it is."""
