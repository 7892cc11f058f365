"""Storing a cohort: its rows, its definition, and how it came about, in one transaction."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from etl.cohorts.definition import Definition, stored_text
from etl.cohorts.draw import TIMEOUT, Drawn, draw
from etl.cohorts.errors import CohortError
from etl.cohorts.header import Value
from etl.cohorts.values import run_name


@dataclass(frozen=True, slots=True)
class Ran:
    """A cohort that was run and stored."""

    definition_id: int
    name: str
    """With the parameters that are not the default."""
    drawn: Drawn


def run(
    engine: Engine,
    definition: Definition,
    values: Mapping[str, Value],
    mapping: str,
    timeout: float = TIMEOUT,
) -> Ran:
    """Draw a cohort and put its rows in the place of those of its last run with the same parameters.

    ``mapping`` is the mapping that it belongs to. Its definition keeps its id. Raises CohortError, and then
    nothing has changed.
    """
    name = run_name(definition, values)
    drawn = draw(engine, definition, values, timeout)
    with engine.begin() as connection:
        _refuse_strangers(connection, definition, drawn)
        connection.execute(_LOCK_DEFINITIONS)
        found = connection.execute(_FIND, {"name": name, "mapping": mapping}).scalar_one_or_none()
        own = connection.execute(_NEXT).scalar_one() if found is None else found
        said = {key: str(value) for key, value in values.items()}
        row = {
            "id": own,
            "name": name,
            "description": f"{definition.header.title}. {definition.header.description}",
            "syntax": stored_text(definition, name, said),
            "mapping": mapping,
            "cohort": definition.name,
            "parameters": json.dumps(said),
            "state": drawn.state,
        }
        connection.execute(_CLEAR, {"id": own})
        connection.execute(_DEFINE, row)
        connection.execute(_REMEMBER, row)
        _fill(connection, own, drawn)
    return Ran(own, name, drawn)


def _refuse_strangers(connection: Connection, definition: Definition, drawn: Drawn) -> None:
    """No withdrawal comes between this and the end of the transaction: none shall leave its person behind."""
    connection.execute(_LOCK_PATIENTS)
    if connection.execute(_STRANGERS, {"persons": list(drawn.reached)}).scalar_one():
        raise CohortError(
            f"{definition.file}: a subject_id is no person of omop.person; take person_id, or, if a patient "
            "was withdrawn meanwhile, run it again"
        )


def _fill(connection: Connection, own: int, drawn: Drawn) -> None:
    subjects, starts, ends = zip(*drawn.periods, strict=True) if drawn.periods else ((), (), ())
    periods = {"id": own, "subjects": list(subjects), "starts": list(starts), "ends": list(ends)}
    connection.execute(_ADD_PERIODS, periods)
    steps = {"id": own, "persons": list(drawn.reached), "steps": list(drawn.reached.values())}
    connection.execute(_ADD_STEPS, steps)
    # Who joins views to a cohort whose size PostgreSQL does not know may wait for hours.
    connection.execute(_ANALYSE)


_LOCK_PATIENTS = text("LOCK TABLE lake.patients IN ROW SHARE MODE")
_LOCK_DEFINITIONS = text("LOCK TABLE results.cohort_definition IN SHARE ROW EXCLUSIVE MODE")
_STRANGERS = text("""
    SELECT EXISTS (
        SELECT FROM unnest(CAST(:persons AS bigint[])) AS found (person_id)
         WHERE NOT EXISTS (SELECT FROM omop.person WHERE person.person_id = found.person_id))
""")
_FIND = text("""
    SELECT cohort_definition_id
      FROM results.cohort_definition JOIN results.cohort_run USING (cohort_definition_id)
     WHERE cohort_definition_name = :name AND mapping = :mapping
""")
_NEXT = text("SELECT coalesce(max(cohort_definition_id), 0) + 1 FROM results.cohort_definition")
_CLEAR = text("""
    DELETE FROM results.cohort WHERE cohort_definition_id = :id;
    DELETE FROM results.cohort_step WHERE cohort_definition_id = :id
""")
# What a subject is, and who made the definition, the vocabulary of the CDM has no concepts for.
_DEFINE = text("""
    INSERT INTO results.cohort_definition (cohort_definition_id, cohort_definition_name,
        cohort_definition_description, definition_type_concept_id, cohort_definition_syntax,
        subject_concept_id, cohort_initiation_date)
    VALUES (:id, :name, :description, 0, :syntax, 0, current_date)
    ON CONFLICT (cohort_definition_id) DO UPDATE
       SET cohort_definition_description = excluded.cohort_definition_description,
           cohort_definition_syntax = excluded.cohort_definition_syntax,
           cohort_initiation_date = excluded.cohort_initiation_date
""")
_REMEMBER = text("""
    INSERT INTO results.cohort_run
           (cohort_definition_id, mapping, cohort_name, parameters, ran_at, data_state)
    VALUES (:id, :mapping, :cohort, CAST(:parameters AS jsonb), now(), :state)
    ON CONFLICT (cohort_definition_id) DO UPDATE
       SET parameters = excluded.parameters, ran_at = excluded.ran_at, data_state = excluded.data_state
""")
_ADD_PERIODS = text("""
    INSERT INTO results.cohort (cohort_definition_id, subject_id, cohort_start_date, cohort_end_date)
    SELECT :id, subject_id, start, stop
      FROM unnest(CAST(:subjects AS bigint[]), CAST(:starts AS date[]), CAST(:ends AS date[]))
           AS drawn (subject_id, start, stop)
""")
_ANALYSE = text("ANALYZE results.cohort, results.cohort_step")
_ADD_STEPS = text("""
    INSERT INTO results.cohort_step (cohort_definition_id, person_id, steps)
    SELECT :id, person_id, steps
      FROM unnest(CAST(:persons AS bigint[]), CAST(:steps AS smallint[])) AS reached (person_id, steps)
""")
