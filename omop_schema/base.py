"""What every table module shares: the one metadata object and the shorthand for columns."""

from sqlalchemy import MetaData

OMOP = "omop"
RESULTS = "results"
LAKE = "lake"

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
