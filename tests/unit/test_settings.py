"""Settings: what cannot be used stops the start with a sentence, and a misspelt name is told."""

import pytest

from api.http.settings import Settings, SettingsError, misspelt, read_settings
from tests.tokens import ISSUER

URL = "must be an address alone, without a user, ? or #"
BAD = [
    ("ISSUER", "  ", "is blank; give it a value, or unset it"),
    ("AUDIENCE", " ", "is blank; give it a value, or unset it"),
    ("ORGANISATION_CLAIM", "\t", "is blank; give it a value, or unset it"),
    *((name, number, "") for name in ("LEEWAY", "BODY_SECONDS", "CONNECTION_SECONDS")
      for number in ("inf", "-inf", "nan", "1e300")),
    ("PUBLIC_URL", "https://proxy.example.org/lake?x=1", URL),
    ("PUBLIC_URL", "https://proxy.example.org/?", URL),
    ("PUBLIC_URL", "https://proxy.example.org/#top", URL),
    ("PUBLIC_URL", "https://ada:secret@proxy.example.org", URL),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "says"), BAD)
def test_what_cannot_be_used_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv("ONCOLAKE_ISSUER", ISSUER)
    monkeypatch.setenv(f"ONCOLAKE_{name}", value)
    with pytest.raises(SettingsError, match=rf"^ONCOLAKE_{name}: ") as caught:
        read_settings()
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_empty_is_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUDIENCE", "ORGANISATION_CLAIM", "PUBLIC_URL", "BODY_SECONDS"):
        monkeypatch.setenv(f"ONCOLAKE_{name}", "")
    assert read_settings(issuer=ISSUER) == read_settings(issuer=ISSUER, audience="ProstateNet")


def test_a_public_url_may_have_a_path() -> None:
    found = read_settings(issuer=ISSUER, public_url="https://proxy.example.org/lake/")
    assert str(found.public_url) == "https://proxy.example.org/lake/"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ONCOLAKE_PAGE_SIZ", "did you mean ONCOLAKE_PAGE_SIZE?"),
        ("ONCOLAKE_ISUER", "did you mean ONCOLAKE_ISSUER?"),
        ("ONCOLAKE_ORGANIZATION_CLAIM", "did you mean ONCOLAKE_ORGANISATION_CLAIM?"),
        ("ONCOLAKE_DATABASE", "did you mean ONCOLAKE_DATABASE_URL?"),
        ("oncolake_home", "did you mean ONCOLAKE_HOME?"),
        ("ONCOLAKE_XYZQW", "the README lists those that there are"),
    ],
)
def test_a_misspelt_setting_is_told_with_the_nearest(name: str, says: str) -> None:
    assert misspelt(["PATH", name]) == [f"{name} is no setting; {says}"]


def test_a_setting_that_there_is_is_not_told() -> None:
    service = [f"ONCOLAKE_{name}".upper() for name in Settings.model_fields]
    others = ["ONCOLAKE_DATABASE_URL", "ONCOLAKE_HOME", "ONCOLAKE_MAX_DOCUMENT_BYTES"]
    assert misspelt([*service, "oncolake_page_size", *others, "HOME", "LAKE"]) == []
