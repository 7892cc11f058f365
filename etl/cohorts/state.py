"""The state of what cohorts are drawn from: where it is another, a cohort that was run may be out of date."""

from sqlalchemy import Connection, text

from vocabularies.concepts import FIRST_CUSTOM_ID, PLACEHOLDER


def data_state(connection: Connection) -> str:
    """A digest that is another one once a case, the vocabulary or a view has changed.

    Also after a withdrawal or a remap, and where cases say the same as before but were loaded anew. Series
    and curations come with cases; a curation that waits for its series is in no table that a cohort may read.
    Rows that other tools write into omop are not looked at. Cases are read whole, since nothing counts their
    changes: at most 30 ms with 10,000 cases.
    """
    return str(connection.execute(_STATE, {"custom": FIRST_CUSTOM_ID, "held": PLACEHOLDER}).scalar_one())


# Of cases: versions and times of loading. A clock may be put back, so none of them has to be the latest.
# Of the vocabulary: a load puts new tables in place of the old; between loads only our own rows change.
# Hashes, of which a sum tells no order, are of rows: how a session writes dates does not matter.
# Of views: a definition that is replaced is a new row, a comment or a grant is none.
_STATE = text("""
    SELECT md5(CAST(ROW(
        (SELECT (count(*), sum(loaded_version), sum(extract(epoch FROM loaded_at)), max(case_id))
           FROM lake.cases),
        (SELECT max(withdrawal_id) FROM lake.withdrawals),
        (SELECT pg_class.oid FROM pg_class
          WHERE relnamespace = 'omop'::regnamespace AND relname = 'concept'),
        (SELECT sum(hash_record_extended(concept, 0)) FROM omop.concept
          WHERE concept_id >= :custom OR vocabulary_id = :held),
        (SELECT sum(hash_record_extended(one, 0)) FROM omop.concept_relationship AS one
          WHERE concept_id_1 >= :custom OR concept_id_2 >= :custom),
        (SELECT sum(hash_record_extended(one, 0)) FROM omop.concept_ancestor AS one
          WHERE ancestor_concept_id >= :custom OR descendant_concept_id >= :custom),
        (SELECT sum(hash_record_extended(one, 0)) FROM omop.concept_synonym AS one
          WHERE concept_id >= :custom),
        (SELECT sum(hash_record_extended(one, 0)) FROM omop.source_to_concept_map AS one),
        (SELECT string_agg(pg_rewrite.xmin::text, ' ' ORDER BY ev_class)
           FROM pg_rewrite JOIN pg_class ON pg_class.oid = ev_class
          WHERE relnamespace IN ('omop'::regnamespace, 'omop54'::regnamespace, 'research'::regnamespace)),
        (SELECT string_agg(prosrc, ' ' ORDER BY oid) FROM pg_proc
          WHERE pronamespace IN ('omop'::regnamespace, 'research'::regnamespace))) AS text))
""")
