"""What the short words of the language stand for, table by table (CDM v6.0 and its extensions)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Literal

from sqlalchemy import BigInteger, Column, Date, DateTime, Integer, Numeric, String, Table
from sqlalchemy.dialects.postgresql import JSONB

from omop_schema import metadata
from omop_schema.base import OMOP

#: A ``datetime`` goes with a row's date; an ``instant`` is when a tool did its work.
ColumnKind = Literal["concept", "integer", "number", "text", "date", "datetime", "instant", "json"]


@dataclass(frozen=True)
class Target:
    """An OMOP table that rules may write to."""

    table: str
    prefix: str
    """The table's own name in its column names: ``measurement_concept_id``."""
    domains: frozenset[str]
    """Domains whose concepts belong here."""
    field_concept: int | None = None
    """The concept that names this table's id column when a row links to it."""
    link: tuple[str, str] | None = None
    """The columns that say which row this row was recorded of: id and field concept."""
    concept: str = ""
    text: str | None = None
    key: str = ""
    references: Mapping[str, str] = field(default_factory=dict)
    """By table: the column with the id of a row of that table, when this one was recorded of it."""
    derived: frozenset[str] = frozenset()
    """Columns that follow from rows of other cases too: the loader fills them."""

    @cached_property
    def columns(self) -> Mapping[str, Column[object]]:
        """Every column of the table, in the CDM's order."""
        table: Table = metadata.tables[f"{OMOP}.{self.table}"]
        return MappingProxyType({column.name: column for column in table.columns})

    @property
    def id_column(self) -> str:
        return self.key or f"{self.table}_id"

    @property
    def concept_column(self) -> str | None:
        """The column of the row's own concept, or None when the table has none."""
        name = self.concept or f"{self.prefix}_concept_id"
        return name if name in self.columns else None

    @property
    def needs_date(self) -> bool:
        """Whether a row without a date is none."""
        return any(not self.columns[name].nullable for name in self.dates("start"))

    def link_to(self, event: "Target") -> tuple[str, str | None] | None:
        """The columns that say which row of another table a row was recorded of: its id and field concept.

        The field concept's is None where the id's column is for rows of that table alone; the whole is None
        when there is no such link.
        """
        if event.table in self.references:
            return self.references[event.table], None
        return self.link if event.field_concept is not None else None

    def column(self, word: str) -> str | None:
        """The column that a short word stands for, or None when this table has none."""
        name = {
            "concept": self.concept_column or "",
            "type": f"{self.prefix}_type_concept_id",
            "source_value": f"{self.prefix}_source_value",
            "number": "value_as_number",
            "value": "value_as_concept_id",
            "unit": "unit_concept_id",
            "visit": "visit_occurrence_id",
            "raw_value": "value_source_value",
            "title": f"{self.prefix}_title",
            "text": self.text or "",
        }[word]
        return name if name in self.columns else None

    def dates(self, edge: Literal["start", "end"]) -> tuple[str, ...]:
        """The date and datetime columns of the row's start (or only) date, or of its end."""
        infixes = ("", "start_") if edge == "start" else ("end_",)
        # drug_concept_id, but drug_exposure_start_date
        stems = dict.fromkeys((self.prefix, self.table))
        names = (f"{stem}_{one}{kind}" for stem in stems for one in infixes for kind in ("date", "datetime"))
        return tuple(name for name in names if name in self.columns)

    def kind(self, column: str) -> ColumnKind:
        """What sort of value a column takes."""
        kind = self.columns[column].type
        if isinstance(kind, (BigInteger, Integer)):
            return "concept" if column.endswith("concept_id") else "integer"
        if isinstance(kind, Numeric):
            return "number"
        if isinstance(kind, DateTime):
            moved = (*self.dates("start"), *self.dates("end"))
            return "datetime" if column in moved else "instant"
        if isinstance(kind, JSONB):
            return "json"
        return "date" if isinstance(kind, Date) else "text"

    def length(self, column: str) -> int | None:
        """How many characters a text column holds; None: no limit."""
        kind = self.columns[column].type
        return kind.length if isinstance(kind, String) else None


def _target(table: str, prefix: str, *domains: str, **words: object) -> Target:
    return Target(table, prefix, frozenset(domains), **words)  # type: ignore[arg-type]


_MODIFIER = ("modifier_of_event_id", "modifier_of_field_concept_id")
_OBSERVED = ("observation_event_id", "obs_event_field_concept_id")
_NOTED = ("note_event_id", "note_event_field_concept_id")
_FEATURED = ("image_feature_event_id", "image_feature_event_field_concept_id")

_IMAGING = (
    _target(
        "radiology_occurrence",
        "radiology",
        references={one: f"{one}_id" for one in ("procedure_occurrence", "condition_occurrence")},
        derived=frozenset({"image_total_count", "count_of_series"}),
    ),
    _target("radiology_image", "series", key="image_id", derived=frozenset({"radiology_occurrence_id"})),
    _target("image_feature", "image_feature", link=_FEATURED, derived=frozenset({"image_occurrence_id"})),
    _target("curation_run", "curation"),
    _target("registration_step", "step", references={"curation_run": "curation_run_id"}),
    _target("registration_level", "level", references={"registration_step": "registration_step_id"}),
    _target("curation_approval", "approval"),
)

#: In an order that keeps foreign keys; also the order of loading.
TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.table: target
        for target in (
            _target("visit_occurrence", "visit", "Visit"),
            _target("procedure_occurrence", "procedure", "Procedure", field_concept=1147082),
            _target("drug_exposure", "drug", "Drug", field_concept=1147094),
            _target("device_exposure", "device", "Device"),
            _target("condition_occurrence", "condition", "Condition", field_concept=1147127),
            _target("specimen", "specimen", "Specimen"),
            _target("measurement", "measurement", "Measurement", field_concept=1147138, link=_MODIFIER),
            _target(
                "observation",
                "observation",
                "Observation",
                field_concept=1147165,
                link=_OBSERVED,
                text="value_as_string",
            ),
            _target(
                "note",
                "note",
                "Note",
                "Type Concept",
                "Meas Value",
                concept="note_class_concept_id",
                link=_NOTED,
                text="note_text",
            ),
            *_IMAGING,
            _target("episode", "episode", "Episode"),
        )
    }
)

VISIT, EPISODE = "visit_occurrence", "episode"
#: Tables of the visits and episodes of mapping.yaml. Without a date, a row of these is simply not there; any
#: other row would be a loss.
ANCHORS = (VISIT, EPISODE)

#: Tables whose rows carry a generated id, in load order; episode_event goes by its episode's id.
EPISODE_EVENT = "episode_event"
LOAD_ORDER: tuple[str, ...] = ("person", *TARGETS, EPISODE_EVENT)

#: Domains that a concept may have in a column that is not the row's own concept.
COLUMN_DOMAINS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "type_concept_id": frozenset({"Type Concept"}),
        "unit_concept_id": frozenset({"Unit"}),
        "gender_concept_id": frozenset({"Gender"}),
        "language_concept_id": frozenset({"Language", "Observation", "Metadata"}),
    }
)
