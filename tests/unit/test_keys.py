"""The issuer's keys: discovered over HTTP, kept, and renewed."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from api.http import fetch, keys
from api.http.fetch import is_safe
from api.http.settings import SettingsError, read_settings
from api.http.tokens import Verifier
from tests.tokens import Issuer, Site, ec_key, jwk, refused, rsa_key, site

DISCOVERY, JWKS = "/.well-known/openid-configuration", "/jwks"
HOUR = 3600


@pytest.fixture
def web() -> Iterator[Site]:
    """An identity provider that publishes one key."""
    with site() as served:
        served.answers = {
            DISCOVERY: {"issuer": served.address, "jwks_uri": served.address + JWKS},
            JWKS: {"keys": [jwk(rsa_key(), "k1")]},
        }
        yield served


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that the keys see: it stands still until a test moves it."""
    state = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(keys, "time", SimpleNamespace(monotonic=lambda: state.now))
    return state


def verifier_of(web: Site) -> Verifier:
    return Verifier(read_settings(issuer=web.address))


def bearer(web: Site, kid: str = "k1", key: Any = None) -> str:
    return f"Bearer {Issuer(web.address).crafted({'kid': kid}, key)}"


def test_keys_are_discovered_once_and_kept(web: Site, clock: SimpleNamespace) -> None:
    verifier = verifier_of(web)
    assert web.asked == []
    for _ in range(3):
        assert verifier.principal(bearer(web)).subject == "ada@example.org"
    assert [path for path, _ in web.asked] == [DISCOVERY, JWKS]


def test_a_new_key_is_found_and_the_old_one_dropped(web: Site, clock: SimpleNamespace) -> None:
    verifier = verifier_of(web)
    verifier.principal(bearer(web))
    web.answers[JWKS] = {"keys": [jwk(rsa_key("other"), "k2")]}
    clock.now += keys.PAUSE + 1
    assert verifier.principal(bearer(web, "k2", rsa_key("other")))
    assert refused(verifier, bearer(web, "k1")).status == 401


def test_an_old_key_is_dropped_also_when_nobody_uses_the_new_one(web: Site, clock: SimpleNamespace) -> None:
    verifier = verifier_of(web)
    verifier.principal(bearer(web))
    web.answers[JWKS] = {"keys": [jwk(rsa_key("other"), "k2")]}
    clock.now += keys.FRESH + 1
    assert refused(verifier, bearer(web, "k1")).status == 401


def test_unknown_keys_do_not_make_it_ask_again_and_again(web: Site, clock: SimpleNamespace) -> None:
    verifier = verifier_of(web)
    verifier.principal(bearer(web))
    for number in range(20):
        assert refused(verifier, bearer(web, f"x{number}")).status == 401
    assert len(web.asked) == 2
    clock.now += keys.PAUSE + 1
    assert refused(verifier, bearer(web, "x")).status == 401
    assert len(web.asked) == 4


def test_many_first_requests_at_once_are_one_discovery(web: Site) -> None:
    verifier, sent = verifier_of(web), bearer(web)
    web.delay = 0.05
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: verifier.principal(sent).subject, range(16)))
    assert (set(found), len(web.asked)) == ({"ada@example.org"}, 2)


def test_an_issuer_that_is_away_is_503_and_comes_back(web: Site, clock: SimpleNamespace) -> None:
    verifier = verifier_of(web)
    good, web.answers[DISCOVERY] = web.answers[DISCOVERY], 500
    error = refused(verifier, bearer(web))
    assert (error.status, (error.headers or {})["Retry-After"]) == (503, "5")
    # It is not asked by every request while it is away.
    assert refused(verifier, bearer(web)).status == 503
    assert len(web.asked) == 1
    web.answers[DISCOVERY] = good
    clock.now += keys.PAUSE + 1
    assert verifier.principal(bearer(web))


def test_known_keys_serve_on_while_the_issuer_is_away_but_not_for_ever(
    web: Site, clock: SimpleNamespace
) -> None:
    verifier = verifier_of(web)
    verifier.principal(bearer(web))
    web.answers = {}
    clock.now += keys.FRESH + 1
    assert verifier.principal(bearer(web))
    # Whether an unknown key is the issuer's newest cannot be told now.
    assert refused(verifier, bearer(web, "k2")).status == 503
    clock.now += keys.STALE
    assert refused(verifier, bearer(web)).status == 503


def test_while_one_request_renews_the_keys_others_go_on(web: Site, clock: SimpleNamespace) -> None:
    verifier = verifier_of(web)
    verifier.principal(bearer(web))
    clock.now += keys.FRESH + 1
    web.delay = 0.5
    sent, renewing = bearer(web), threading.Thread(target=verifier.principal, args=(bearer(web),))
    renewing.start()
    while len(web.asked) == 2:
        pass
    assert verifier.principal(sent)
    assert len(web.asked) == 3, "the renewal was waited for"
    renewing.join()


def test_unknown_keys_do_not_queue_behind_a_slow_issuer(
    web: Site, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "PAUSE", 60)
    verifier = verifier_of(web)
    verifier.principal(bearer(web))
    clock.now += keys.PAUSE + 1
    web.held.clear()
    try:
        asking = threading.Thread(target=refused, args=(verifier, bearer(web, "x0")))
        asking.start()
        web.awaited(3)
        clock.now += keys.PATIENCE
        # More than a worker has threads. None is answered by the issuer, which is held until all are.
        answers = [refused(verifier, bearer(web, f"x{number}")) for number in range(1, 100)]
        assert {(each.status, (each.headers or {})["Retry-After"]) for each in answers} == {(503, "5")}
        assert verifier.principal(bearer(web)), "a known key waits for nobody"
        assert (asking.is_alive(), len(web.asked)) == (True, 3)
    finally:
        web.held.set()
        asking.join()
    assert refused(verifier, bearer(web, "x1")).status == 401


def test_what_waits_for_a_discovery_gives_up_soon_after_it_began(
    web: Site, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PATIENCE", 0.05)
    monkeypatch.setattr(fetch, "PAUSE", 60)
    verifier, sent = verifier_of(web), bearer(web)
    web.held.clear()
    try:
        asking = threading.Thread(target=verifier.principal, args=(sent,))
        asking.start()
        web.awaited(1)
        assert refused(verifier, sent).status == 503
    finally:
        web.held.set()
        asking.join()
    assert verifier.principal(sent)


UNUSABLE: dict[str, Any] = {
    "another issuer": {"issuer": "https://evil.example"},
    "with a slash": {"issuer": "{}/"},
    "no issuer": {"issuer": None},
    "no jwks_uri": {"jwks_uri": None},
    "jwks_uri without encryption": {"jwks_uri": "http://keys.example.org/jwks"},
    "jwks_uri a file": {"jwks_uri": "file:///etc/passwd"},
    "jwks_uri like this machine": {"jwks_uri": "http://127.0.0.1.example.org/jwks"},
    "jwks_uri behind a name": {"jwks_uri": "http://localhost@example.org/jwks"},
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_metadata_that_cannot_be_trusted_are_not_used(
    web: Site, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    changed = {key: value and value.format(web.address) for key, value in UNUSABLE[name].items()}
    web.answers[DISCOVERY] |= changed
    assert refused(verifier_of(web), bearer(web)).status == 503
    assert [path for path, _ in web.asked] == [DISCOVERY]
    assert "speaks for another issuer" in caplog.text or "gives no https address" in caplog.text


@pytest.mark.parametrize(
    "answer", [b"no JSON", b"[]", b"", b"[" * 5000, {"keys": []}, {"keys": {}}, {"keys": [1]}]
)
def test_an_unusable_jwks_is_503(web: Site, answer: Any) -> None:
    web.answers[JWKS] = answer
    assert refused(verifier_of(web), bearer(web)).status == 503


def test_an_endless_answer_is_cut(web: Site, caplog: pytest.LogCaptureFixture) -> None:
    web.answers[JWKS] = b" " * (fetch.MAX_BYTES + 1)
    assert refused(verifier_of(web), bearer(web)).status == 503
    assert "more than" in caplog.text


def test_a_slow_answer_is_given_up(
    web: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fetch, "PAUSE", 0.1)
    web.delay = 0.5
    assert refused(verifier_of(web), bearer(web)).status == 503
    assert "TimeoutError" in caplog.text


def test_an_answer_that_never_ends_is_given_up(
    web: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fetch, "PAUSE", 0.2)
    web.drip = 0.02
    assert refused(verifier_of(web), bearer(web)).status == 503
    assert "does not finish its answer" in caplog.text


def test_a_redirect_is_not_followed(web: Site) -> None:
    web.answers[DISCOVERY], web.headers["Location"] = 302, f"{web.address}/elsewhere"
    web.answers["/elsewhere"] = {"issuer": web.address, "jwks_uri": web.address + JWKS}
    assert refused(verifier_of(web), bearer(web)).status == 503
    assert [path for path, _ in web.asked] == [DISCOVERY]


def test_an_issuer_with_a_path_is_asked_below_it(web: Site) -> None:
    address = web.address + "/realms/lake/"
    web.answers[f"/realms/lake{DISCOVERY}"] = {"issuer": address, "jwks_uri": web.address + JWKS}
    assert Verifier(read_settings(issuer=address)).principal(f"Bearer {Issuer(address).token()}")


WEAK: dict[str, dict[str, Any]] = {
    "RSA of 1024 bits": jwk(rsa_key("short", 1024), "k1"),
    "P-384": jwk(ec_key("longer", ec.SECP384R1), "k1"),
    "a secret": {"kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "HS256"},
    "for encryption": jwk(rsa_key(), "k1", use="enc"),
    "for other operations": jwk(rsa_key(), "k1", key_ops=["encrypt"]),
    "for another algorithm": jwk(rsa_key(), "k1", alg="RS512"),
    "kid a number": jwk(rsa_key(), "k1") | {"kid": 1},
    "without modulus": {"kty": "RSA", "kid": "k1", "e": "AQAB"},
    "modulus no number": {"kty": "RSA", "kid": "k1", "e": "AQAB", "n": 5},
    "off the curve": jwk(ec_key(), "k1", x="AAAA"),
    "of no kind": {"kid": "k1"},
}


@pytest.mark.parametrize("name", WEAK)
def test_a_key_of_another_kind_is_left_out(web: Site, name: str) -> None:
    web.answers[JWKS] = {"keys": [WEAK[name], jwk(rsa_key("other"), "k2")]}
    assert [each.kid for each in keys.discover(web.address)] == ["k2"]
    verifier = verifier_of(web)
    assert verifier.principal(bearer(web, "k2", rsa_key("other")))
    assert refused(verifier, bearer(web)).status == 401


@pytest.mark.parametrize(
    "issuer", ["http://aai.example.org", "aai.example.org", "file:///etc", "http://[::1"]
)
def test_without_a_file_the_issuer_must_be_safe_to_ask(issuer: str) -> None:
    with pytest.raises(SettingsError, match="ONCOLAKE_ISSUER: must be an https address"):
        Verifier(read_settings(issuer=issuer))


@pytest.mark.parametrize(
    "url", ["https://a.org", "http://localhost:80/", "http://127.0.0.1", "http://[::1]:8/"]
)
def test_https_and_this_machine_are_safe(url: str) -> None:
    assert is_safe(url)
