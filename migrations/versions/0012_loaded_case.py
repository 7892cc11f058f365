"""The view ``omop.loaded_case``: which of a patient's cases has the newest document."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

#: No more than ids: it runs with its owner's rights, and who may read ``omop`` has none in the lake.
LOADED_CASE = """
CREATE VIEW omop.loaded_case AS
SELECT cases.case_id, cases.person_id, documents.document_id
  FROM lake.cases
  JOIN lake.documents ON documents.case_id = cases.case_id AND documents.version = cases.loaded_version;
COMMENT ON VIEW omop.loaded_case IS
    'Cases whose rows are here, one row each. Of a person the one with the highest document_id is the newest';
COMMENT ON COLUMN omop.loaded_case.case_id IS 'The high 31 bits of the ids of its rows';
COMMENT ON COLUMN omop.loaded_case.document_id IS
    'The document that its rows come from: its place in the order in which documents came';
"""


def upgrade() -> None:
    """Create the view."""
    op.get_bind().exec_driver_sql(LOADED_CASE, execution_options={"no_parameters": True})


def downgrade() -> None:
    """Once views read it, it should stay."""
    raise NotImplementedError("there is no way back from revision '0012'; restore a backup instead")
