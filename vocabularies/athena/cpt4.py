"""From which of two files a concept of CPT4 is taken, in SQL: by a load, and by a look at what it would do.

Athena ships these concepts without names in a file of their own, and its cpt4 program writes them with names
into CONCEPT.csv. When that was stopped half-way, either file may have a name that is blank in the other. So
blank ones go first, then those with a name are added.
"""


def drop_unnamed(concepts: str) -> str:
    """Deletes the concepts of CPT4 that are blank in a table, and returns their rows."""
    return f"DELETE FROM {concepts} WHERE concept_name IS NULL AND vocabulary_id = 'CPT4' RETURNING *"


def add_named(concepts: str, cpt4: str) -> str:
    """Adds the concepts of the CPT4 file that have a name and are not there yet; returns their ids."""
    return f"""
        INSERT INTO {concepts} SELECT * FROM {cpt4} AS named
        WHERE concept_name IS NOT NULL
          AND NOT EXISTS (SELECT FROM {concepts} AS held WHERE held.concept_id = named.concept_id)
        RETURNING concept_id
    """
