"""Every table of the database, as SQLAlchemy Core metadata, and nothing else.

Schema ``lake`` (module ``lake``) holds what was submitted. Schema ``omop`` holds OMOP CDM v6.0.0 in the
groups of its documentation (``vocabulary``, ``cdm_metadata``, ``clinical``, ``health_system``, ``economics``,
``derived``), the ``oncology`` extension and the radiology extension (``imaging``, ``curation``); what cases
say of images is in ``statements``. Schema ``results`` (module of that name) holds cohorts. Importing the
package registers all in ``metadata``.
"""

from omop_schema import (
    cdm_metadata,
    clinical,
    curation,
    derived,
    economics,
    health_system,
    imaging,
    lake,
    oncology,
    results,
    statements,
    vocabulary,
)
from omop_schema.base import LAKE, OMOP, RESULTS, metadata

__all__ = [
    "LAKE",
    "OMOP",
    "RESULTS",
    "cdm_metadata",
    "clinical",
    "curation",
    "derived",
    "economics",
    "health_system",
    "imaging",
    "lake",
    "metadata",
    "oncology",
    "results",
    "statements",
    "vocabulary",
]
