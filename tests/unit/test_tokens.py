"""Tokens: which are taken, and what they say of their bearer. The attacks are in test_token_attacks.py."""

import base64
import json
import time
from typing import Any

import jwt
import pytest

from api.http.errors import ApiError
from api.http.settings import read_settings
from api.http.tokens import MAX_TOKEN, Verifier, one_header
from tests.tokens import ISSUER, ORGANISATION_CLAIM, Issuer, challenge, ec_key, jwk, refused, rsa_key

ISSUED = Issuer()
PUBLISHED = [jwk(rsa_key(), "k1"), jwk(ec_key(), "e1"), jwk(rsa_key("other"), "k2")]
token = ISSUED.crafted


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    path.write_text(json.dumps({"keys": PUBLISHED}))
    return Verifier(read_settings(issuer=ISSUER, keys=path))


def test_the_token_that_the_attacks_are_made_of_is_good(verifier: Verifier) -> None:
    found = verifier.principal(f"Bearer {token()}")
    assert (found.subject, found.organisation) == ("ada@example.org", "uke.example.org")
    assert (found.roles, found.scopes) == ({"data-providers"}, {"metadata:read", "metadata:write"})


GOOD = {
    "ES256": lambda: token({"alg": "ES256", "kid": "e1"}, ec_key(), "ES256"),
    "no kid": lambda: token({"kid": ...}),
    "the second key": lambda: token({"kid": "k2"}, rsa_key("other")),
    "keys in the header count for nothing": lambda: token(
        {"jwk": PUBLISHED[2], "jku": "https://evil.example/jwks"}
    ),
    "typ of an access token": lambda: token({"typ": "at+jwt"}),
    "typ as a media type": lambda: token({"typ": "application/at+JWT"}),
    "no typ": lambda: token({"typ": ...}),
    "several audiences": lambda: token(aud=["DicomWeb", "ProstateNet"]),
    "just expired": lambda: token(exp=time.time() - 10),
    "clocks apart": lambda: token(nbf=time.time() + 10, iat=time.time() + 10),
    "no iat": lambda: token(iat=...),
    "a fraction of a second": lambda: token(exp=time.time() + 60.5),
    "claims unknown": lambda: token(acr="x", jti="y", **{"wlcg.ver": "1.0"}),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_token_is_taken(verifier: Verifier, name: str) -> None:
    assert verifier.principal(f"Bearer {GOOD[name]()}").roles == {"data-providers"}


GROUPS = [
    # What names a role: the bare name of D4.4, a path of one name, one name below the root.
    (["modellers"], {"modellers"}),
    (["/modellers"], {"modellers"}),
    (["/prostatenet/modellers"], {"modellers"}),
    (["/prostatenet", "/prostatenet/modellers", "users"], {"modellers", "users"}),
    # A child does not imply its parents, nor a parent its children.
    (["/admins/trainees"], set()),
    (["/prostatenet/admins/trainees"], set()),
    (["/prostatenet"], set()),
    (["prostatenet"], set()),
    # Paths that lead elsewhere.
    (["/modellers/../admins"], set()),
    (["/prostatenet/../admins"], set()),
    (["/prostatenet//admins"], set()),
    (["//admins"], set()),
    (["/admins/"], set()),
    (["./admins"], set()),
    (["prostatenet/admins"], set()),
    (["/otherproject/admins"], set()),
    (["/ProstateNet/admins"], set()),
    # What looks like a role, and is none.
    (["Admins"], {"Admins"}),
    (["admins "], set()),
    ([" admins"], set()),
    (["admins\n"], set()),
    (["admins\u200b"], set()),
    (["аdmins"], set()),
    (["ａdmins"], set()),
    (["admins,modellers"], set()),
    (["admins modellers"], set()),
    (["*"], set()),
    ([""], set()),
    ([], set()),
]


@pytest.mark.parametrize(
    ("groups", "roles"), GROUPS, ids=lambda each: ascii(sorted(each) if isinstance(each, set) else each)
)
def test_a_group_is_a_role_only_where_it_is_written_as_one(
    verifier: Verifier, groups: list[str], roles: set[str]
) -> None:
    assert verifier.principal(f"Bearer {token(roles=groups)}").roles == roles


def test_a_token_without_groups_or_scope_or_organisation_has_none(verifier: Verifier) -> None:
    found = verifier.principal(
        f"Bearer {token(**{'wlcg.groups': ..., 'scope': ..., ORGANISATION_CLAIM: ...})}"
    )
    assert (found.roles, found.scopes, found.organisation) == (frozenset(), frozenset(), None)


def test_an_empty_scope_and_an_empty_organisation_are_none(verifier: Verifier) -> None:
    found = verifier.principal(f"Bearer {token(scope='', organisation='')}")
    assert (found.scopes, found.organisation) == (frozenset(), None)


def test_scopes_are_words_not_parts_of_words(verifier: Verifier) -> None:
    found = verifier.principal(f"Bearer {token(scope='openid metadata:read:own')}")
    assert found.scopes == {"openid", "metadata:read:own"}


@pytest.mark.parametrize("header", [None, "", "Basic dXNlcjpwYXNz", "Token abc", "DPoP abc"])
def test_without_a_bearer_token_the_challenge_has_no_error_code(
    verifier: Verifier, header: str | None
) -> None:
    error = refused(verifier, header)
    assert (error.status, challenge(error)) == (401, 'Bearer realm="oncolake"')


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer a b", 'Bearer "abc"', "Bearer abc,def", "Bearer é", "Bearer a=.b"]
)
def test_a_malformed_header_is_an_invalid_request(verifier: Verifier, header: str) -> None:
    error = refused(verifier, header)
    assert error.status == 400
    assert 'error="invalid_request"' in challenge(error)


def test_two_headers_are_an_invalid_request() -> None:
    with pytest.raises(ApiError) as caught:
        one_header(["Bearer a", "Bearer b"])
    assert caught.value.status == 400


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer "])
def test_the_scheme_is_read_in_any_letters(verifier: Verifier, scheme: str) -> None:
    assert verifier.principal(f"{scheme} {token()}").subject == "ada@example.org"


def test_the_size_is_checked_before_anything_is_read(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: Any) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr("api.http.tokens._parts", read)
    assert "longer than" in refused(verifier, "Bearer " + "a" * (MAX_TOKEN + 1)).detail
    with pytest.raises(AssertionError):
        verifier.principal("Bearer " + "a" * MAX_TOKEN)


def test_the_claim_of_the_organisation_is_a_setting(tmp_path: Any) -> None:
    settings = read_settings(
        **ISSUED.settings(tmp_path), organisation_claim='org"é', audience="Lake", leeway=0
    )
    verifier = Verifier(settings)
    made = token(aud="Lake", **{'org"é': "cea.fr"})
    assert verifier.principal(f"Bearer {made}").organisation == "cea.fr"
    # Its name stands in a header of the answer, where not every character may stand.
    other = token(aud="Lake", **{'org"é': 1})
    error = refused(verifier, f"Bearer {other}")
    assert "claim 'org??' is not a string" in challenge(error)
    assert "'exp'" in refused(verifier, f"Bearer {token(aud='Lake', exp=time.time() - 1)}").detail


def test_no_value_of_a_claim_is_logged(verifier: Verifier, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    secret = base64.b32encode(b"a name that nobody may read").decode()
    for claims in ({"sub": secret, "exp": 1}, {"iss": secret}, {"aud": secret}, {"wlcg.groups": secret}):
        error = refused(verifier, f"Bearer {token(**claims)}")
        assert secret not in error.detail + challenge(error)
    verifier.principal(f"Bearer {token(sub=secret)}")
    assert secret not in caplog.text


def test_pyjwt_finds_the_same_tokens_good() -> None:
    """What the tests sign is what another library signs."""
    found = jwt.decode(token(), rsa_key().public_key(), ["RS256"], audience="ProstateNet", issuer=ISSUER)
    assert found == ISSUED.claims() | {"iat": found["iat"], "exp": found["exp"]}
