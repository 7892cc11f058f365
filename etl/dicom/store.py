"""Store: series documents land and load as cases of the mapping ``dicom``."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from tempfile import TemporaryFile
from typing import Any

import orjson
from sqlalchemy import Engine

from etl.complete import complete
from etl.ingest import FileResult, ingest_stream, load_pending
from etl.receive import Sender
from etl.setup import CURATION_MAPPING, DICOM_MAPPING, prepare
from etl.validate import Validator
from omop_schema.database import translated


def store(engine: Engine, documents: Iterable[Mapping[str, Any]], source: str, uploader: str) -> FileResult:
    """Land and load series documents, and those that an earlier scan landed without loading them.

    Curations that waited for one of the series are loaded too.
    Record n of the upload is the n-th document. Raises NotInitialised, MappingError, BadSetting or
    DatabaseError.
    """
    plan = prepare(engine, DICOM_MAPPING)
    validator = Validator(plan.schema)
    with translated(), engine.connect() as connection, TemporaryFile() as lines:
        lines.writelines(orjson.dumps(each, option=orjson.OPT_APPEND_NEWLINE) for each in documents)
        lines.seek(0)
        result = ingest_stream(connection, plan, validator, lines, source, Sender(uploader), lines=True)
        failed = [failure.case_id for failure in result.loaded.failures]
        left_over = load_pending(connection, plan, validator, failed)
        complete(connection, partial(prepare, engine, CURATION_MAPPING))
        return replace(result, loaded=result.loaded + left_over)
