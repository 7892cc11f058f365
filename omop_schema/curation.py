"""Curation: what was done to image series and who approved it (D4.4 5.6 and Appendix B).

The tables are our own. A run is never changed: another run of the same function, with other parameters,
is another row. What a run made is a series of its own, named by its UID, known already or not.
"""

from sqlalchemy import Column, DateTime, ForeignKey, Integer, Numeric, String, Table
from sqlalchemy.dialects.postgresql import JSONB

from omop_schema.base import OMOP, metadata
from omop_schema.columns import key, link, person_id
from omop_schema.imaging import UID


def _source_series() -> Column[str]:
    target = ForeignKey(f"{OMOP}.radiology_image.series_instance_uid")
    return Column("source_series_uid", UID, target, nullable=False, index=True)


curation_run = Table(
    "curation_run",
    metadata,
    key("curation_run_id"),
    person_id(),
    Column("curation_function", String(32), nullable=False, comment="motion_correction or coregistration"),
    _source_series(),
    Column("static_series_uid", UID, index=True, comment="The series it was aligned with"),
    Column("derived_series_uid", UID, index=True, comment="The series that it made"),
    Column("performed_by", String(255)),
    Column("performed_at", DateTime, comment="When the tool ran, in UTC"),
    Column("tool_name", String(255)),
    Column("tool_version", String(64)),
    Column("nbins", Integer, comment="Bins of the histograms for mutual information"),
    Column("sampling_prop", Numeric, comment="Proportion of the voxels that was sampled"),
    Column("parameters", JSONB, nullable=False, comment="All parameters, as submitted"),
    schema=OMOP,
    comment="Runs of a curation function on a series",
)

registration_step = Table(
    "registration_step",
    metadata,
    key("registration_step_id"),
    person_id(),
    link("curation_run_id", "curation_run", nullable=False, index=True),
    Column("step_number", Integer, nullable=False, comment="Order in the run, from 1"),
    Column("step_name", String(32), nullable=False, comment="translation, rigid or affine"),
    schema=OMOP,
    comment="The transforms of a run, in the order in which they were fitted",
)

registration_level = Table(
    "registration_level",
    metadata,
    key("registration_level_id"),
    person_id(),
    link("registration_step_id", "registration_step", nullable=False, index=True),
    Column("level_number", Integer, nullable=False, comment="Order in the step, from 1: coarse to fine"),
    Column("factor", Numeric, nullable=False, comment="Shrink factor"),
    Column("level_iters", Integer, nullable=False, comment="Most iterations"),
    Column("sigma", Numeric, nullable=False, comment="Sigma of the Gaussian, in voxels"),
    schema=OMOP,
    comment="The levels of the image pyramid of a step",
)

curation_approval = Table(
    "curation_approval",
    metadata,
    key("curation_approval_id"),
    person_id(),
    _source_series(),
    Column("derived_series_uid", UID, nullable=False, index=True, comment="The series that was judged"),
    Column("decision", String(16), nullable=False, comment="approved or rejected"),
    Column("decided_by", String(255)),
    Column("decided_at", DateTime, comment="In UTC"),
    schema=OMOP,
    comment="What people decided on derived series; the newest decision counts",
)
