"""The reader: a PostgreSQL role for data scientists, which reads what is meant for them and nothing else.

It is a group without a login: the administrator lets logins be members of it. On the embedded server it may
log in itself, since that server has no other users.
"""

from dataclasses import dataclass
from typing import cast

from psycopg2.extensions import connection as Session
from psycopg2.extensions import encrypt_password
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

READER = "oncolake_reader"

#: What it reads, and the same for people.
SCHEMAS = ("omop", "omop54", "results", "research")
LISTED = f"{', '.join(SCHEMAS[:-1])} and {SCHEMAS[-1]}"

#: What makes the role, for people to run where this program may not.
CREATE = f"CREATE ROLE {READER} NOLOGIN;"
GRANTS = tuple(
    grant
    for schema in SCHEMAS
    for grant in (
        f"GRANT USAGE ON SCHEMA {schema} TO {READER};",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {READER};",
        # Tables and views of later versions, and those that a new vocabulary brings.
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {READER};",
    )
)
_FORBIDDEN = "42501"
#: Somebody else made the role, or changed its grants, at the same time.
_MEANWHILE = ("42710", "23505", "XX000")

_EXISTS = text("SELECT count(*) FROM pg_roles WHERE rolname = :role")
_MAY_CONNECT = text("SELECT has_database_privilege(:role, current_database(), 'CONNECT')")
_DATABASE = text("SELECT quote_ident(current_database())")
_HAS_NO_LOGIN = text("SELECT NOT rolcanlogin FROM pg_roles WHERE rolname = :role")


@dataclass(frozen=True, slots=True)
class Reader:
    """How far the role is."""

    ready: bool
    missing: tuple[str, ...] = ()
    """The SQL that an administrator has to run in this database, where it is not ready."""


def make_reader(engine: Engine, *, login: bool = False) -> Reader:
    """Make the role and let it read what it may, as far as this user may; running it again changes nothing.

    ``login`` lets the role log in by itself. The schemas must be there. Raises the driver's errors.
    """
    wanted = [CREATE] if not _is_there(engine) else []
    for attempt in (1, 2, 3):
        try:
            with engine.begin() as connection:
                _make(connection, wanted, login)
        except DBAPIError as error:
            code = getattr(error.orig, "pgcode", None)
            if code == _FORBIDDEN:
                return Reader(False, (*wanted, *GRANTS))
            if code not in _MEANWHILE or attempt == 3:
                raise
            wanted = [CREATE] if not _is_there(engine) else []
        else:
            break
    return Reader(True)


def set_password(engine: Engine, password: str) -> None:
    """Give the role a password. Only its verifier travels, so that no log can hold it."""
    with engine.connect() as connection:
        driver = cast("Session", connection.connection.dbapi_connection)
        verifier = encrypt_password(password, READER, driver, "scram-sha-256")
        connection.execute(text(f"ALTER ROLE {READER} PASSWORD :verifier"), {"verifier": verifier})
        connection.commit()


def _make(connection: Connection, wanted: list[str], login: bool) -> None:
    values = {"role": READER}
    for statement in (*wanted, *GRANTS):
        connection.execute(text(statement))
    if login and connection.execute(_HAS_NO_LOGIN, values).scalar_one():
        connection.execute(text(f"ALTER ROLE {READER} LOGIN"))
        connection.execute(text(f"ALTER ROLE {READER} SET search_path = omop"))
    if not connection.execute(_MAY_CONNECT, values).scalar_one():
        name = connection.execute(_DATABASE).scalar_one().replace(":", r"\:")
        connection.execute(text(f"GRANT CONNECT ON DATABASE {name} TO {READER}"))


def _is_there(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(_EXISTS, {"role": READER}).scalar_one())
