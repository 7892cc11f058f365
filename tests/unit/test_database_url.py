"""Reading a database address, and speaking of it without its password."""

import pytest

from omop_schema.database import DatabaseUnavailable, describe, make_engine, parse

SECRET = "geheim"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_the_usual_schemes_are_accepted(scheme: str) -> None:
    url = parse(f"{scheme}://ada:{SECRET}@db.example:6543/lake")
    assert url.drivername == "postgresql+psycopg2"
    assert (url.username, url.password, url.host, url.port, url.database) == (
        "ada", SECRET, "db.example", 6543, "lake",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"mysql://ada:{SECRET}@host/lake", "does not begin with postgresql://"),
        (f"postgresql+asyncpg://ada:{SECRET}@host/lake", "does not begin with postgresql://"),
        (f"ada {SECRET}", "is not a database address"),
        (f"postgresql://ada:{SECRET}@host:{SECRET}/lake", "is not a database address"),
        (f"postgresql://ada:x@{SECRET}/y@host/lake", "more than one @"),
        (f"postgresql://ada:x@{SECRET}@host/lake", "more than one @"),
    ],
)
def test_a_bad_address_is_named_by_its_setting_and_never_repeated(url: str, said: str) -> None:
    with pytest.raises(DatabaseUnavailable) as caught:
        parse(url)
    assert said in caught.value.message
    assert "ONCOLAKE_DATABASE_URL" in caught.value.message
    assert "postgresql://user:password@host:5432/database" in caught.value.message
    assert SECRET not in caught.value.message


@pytest.mark.parametrize(
    ("url", "described"),
    [
        (f"postgresql://ada:{SECRET}@db.example:6543/lake", 'database "lake" on db.example:6543 as "ada"'),
        (f"postgresql://db/lake?password={SECRET}", 'database "lake" on db:5432'),
        ("postgresql://ada@/lake?host=/run/pg&port=5433", 'database "lake" on /run/pg:5433 as "ada"'),
        ("postgresql:///lake", 'database "lake" on localhost:5432'),
    ],
)
def test_an_address_is_described_without_its_password(url: str, described: str) -> None:
    assert describe(url) == described


def test_an_address_may_set_what_the_engine_would_set() -> None:
    query = make_engine("postgresql://host/lake?application_name=nightly").url.query
    assert (query["application_name"], query["connect_timeout"]) == ("nightly", "10")
    assert make_engine("postgresql://host/lake").url.query["application_name"] == "oncolake"


def test_a_silent_peer_is_noticed_unless_the_address_says_otherwise() -> None:
    query = make_engine("postgresql://host/lake?keepalives_idle=300", {"tcp_user_timeout": "7"}).url.query
    assert (query["keepalives"], query["keepalives_idle"], query["tcp_user_timeout"]) == ("1", "300", "7")
    own = make_engine("postgresql://host/lake?tcp_user_timeout=9", {"tcp_user_timeout": "7"}).url.query
    assert own["tcp_user_timeout"] == "9"
    assert "tcp_user_timeout" not in make_engine("postgresql://host/lake").url.query
