"""Attacks on tokens: each is answered with 401, and what is wrong with it."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from api.http.settings import read_settings
from api.http.tokens import MAX_TOKEN, Verifier
from tests.tokens import (
    ISSUER,
    ORGANISATION_CLAIM,
    Issuer,
    challenge,
    ec_key,
    encoded,
    jwk,
    pem,
    refused,
    rsa_key,
    signed,
)

ISSUED = Issuer()
PUBLISHED = [jwk(rsa_key(), "k1"), jwk(ec_key(), "e1"), jwk(rsa_key("other"), "k2")]
token = ISSUED.crafted


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    path.write_text(json.dumps({"keys": PUBLISHED}))
    return Verifier(read_settings(issuer=ISSUER, keys=path))


def with_payload(payload: bytes, header: bytes = b'{"alg":"RS256","kid":"k1"}') -> str:
    return signed(payload, header, ISSUED.key)


def unsigned(algorithm: str, signature: str = "") -> str:
    header = json.dumps({"typ": "JWT", "alg": algorithm, "kid": "k1"}).encode()
    return f"{encoded(header)}.{encoded(json.dumps(ISSUED.claims()).encode())}.{signature}"


def hmac_with(secret: bytes) -> str:
    """HS256, with a secret that everybody knows: the public key."""
    message = unsigned("HS256").removesuffix(".")
    return f"{message}.{encoded(hmac.digest(secret, message.encode(), hashlib.sha256))}"


def tampered() -> str:
    head, _, signature = token().split(".")
    return f"{head}.{encoded(json.dumps(ISSUED.claims(['admins'])).encode())}.{signature}"


def twice(member: str) -> str:
    """Claims that say a thing twice: first what is true, then what is wished."""
    claims = json.dumps(ISSUED.claims(["users"]))
    return with_payload(f"{claims[:-1]}, {member}}}".encode())


def jwe() -> str:
    header = encoded(b'{"alg":"RSA-OAEP","enc":"A256GCM","kid":"k1"}')
    return ".".join([header, *(encoded(bytes([each]) * 32) for each in range(4))])


class Attack(NamedTuple):
    name: str
    make: Callable[[], str]
    says: str


def now() -> int:
    """Asked when a token is made, not when this module is read: the tests may begin minutes later."""
    return int(time.time())


NO_JWT, HEADER, PAYLOAD = (
    "not a signed JSON Web Token",
    "its header is not strict JSON",
    "its payload is not strict JSON",
)
GROUPS = "claim 'wlcg.groups' is not a list of strings"
SIGNATURE = "its signature is not by a key of the issuer"
ATTACKER, LONGER = rsa_key("attacker"), ec_key("x", ec.SECP384R1)
STOLEN_NAME = {
    "jwk": jwk(ATTACKER, "k1"),
    "jku": "https://evil.example/jwks",
    "x5u": "https://evil.example/c",
}

ATTACKS = [
    # The algorithm
    Attack("alg none", lambda: unsigned("none"), NO_JWT),
    Attack("alg none with a signature", lambda: unsigned("none", "QQ"), "'alg'"),
    Attack("alg None", lambda: unsigned("None", "QQ"), "'alg'"),
    Attack("HS256 with the PEM", lambda: hmac_with(pem(ISSUED.key)), "'alg'"),
    Attack("HS256 with the JWK", lambda: hmac_with(json.dumps(PUBLISHED[0]).encode()), "'alg'"),
    Attack("alg missing", lambda: token({"alg": ...}), "'alg'"),
    Attack("alg a list", lambda: token({"alg": ["RS256"]}), "'alg'"),
    Attack("RS512", lambda: token(algorithm="RS512"), "'alg'"),
    Attack("PS256", lambda: token(algorithm="PS256"), "'alg'"),
    Attack("ES256 for an RSA key", lambda: token({"alg": "ES256"}), SIGNATURE),
    Attack("RS256 for an EC key", lambda: token({"alg": "RS256", "kid": "e1"}, ec_key(), "ES256"), SIGNATURE),
    # The key
    Attack("another's key", lambda: token(key=ATTACKER), SIGNATURE),
    Attack("the wrong one of the keys", lambda: token({"kid": "k2"}), SIGNATURE),
    Attack("another's key, no kid", lambda: token({"kid": ...}, ATTACKER), SIGNATURE),
    Attack("kid unknown", lambda: token({"kid": "k9"}), SIGNATURE),
    Attack("kid a path", lambda: token({"kid": "../../../../dev/null"}, ATTACKER), SIGNATURE),
    Attack("kid SQL", lambda: token({"kid": "k1' OR '1'='1"}), SIGNATURE),
    Attack("kid a number", lambda: token({"kid": 1}), "'kid'"),
    Attack("kid empty", lambda: token({"kid": ""}), SIGNATURE),
    Attack("its own key in the header", lambda: token(STOLEN_NAME, ATTACKER), SIGNATURE),
    Attack("P-384", lambda: token({"alg": "ES256", "kid": "e1"}, LONGER, "ES384"), SIGNATURE),
    Attack("signature empty", lambda: token().rsplit(".", 1)[0] + ".", NO_JWT),
    Attack("signature missing", lambda: token().rsplit(".", 1)[0], NO_JWT),
    Attack("signature cut", lambda: token()[:-8], SIGNATURE),
    Attack("signature of zeros", lambda: unsigned("RS256", encoded(bytes(256))), SIGNATURE),
    Attack("ES256 of zeros", lambda: unsigned("ES256", encoded(bytes(64))), SIGNATURE),
    Attack("payload changed", tampered, SIGNATURE),
    # The form
    Attack("encrypted", jwe, "it is encrypted"),
    Attack("1 MB", lambda: token(padding="x" * 1_000_000), f"longer than {MAX_TOKEN} bytes"),
    Attack("four parts", lambda: token() + ".QQ", NO_JWT),
    Attack("one part", lambda: "QQ", NO_JWT),
    Attack("padding", lambda: token() + "=", NO_JWT),
    Attack("standard base64", lambda: token()[:-2] + "+/", NO_JWT),
    Attack("header no JSON", lambda: with_payload(b"{}", b"{alg:RS256}"), HEADER),
    Attack("header a list", lambda: with_payload(b"{}", b"[]"), HEADER),
    Attack("alg twice", lambda: with_payload(b"{}", b'{"alg":"RS256","alg":"none"}'), HEADER),
    Attack("header deep", lambda: with_payload(b"{}", b"[" * 9000), HEADER),
    Attack("payload no object", lambda: with_payload(b'"admins"'), PAYLOAD),
    Attack("payload deep", lambda: with_payload(b'{"a":' * 1000 + b"1" + b"}" * 1000), PAYLOAD),
    Attack("payload not UTF-8", lambda: with_payload(b'{"sub":"\xff"}'), PAYLOAD),
    Attack("groups twice", lambda: twice('"wlcg.groups": ["admins"]'), PAYLOAD),
    Attack("exp twice", lambda: twice('"exp": 99999999999'), PAYLOAD),
    Attack("exp NaN", lambda: with_payload(b'{"exp": NaN}'), PAYLOAD),
    Attack("crit", lambda: token({"crit": ["exp"]}), "'crit'"),
    Attack("crit empty", lambda: token({"crit": []}), "'crit'"),
    Attack("b64", lambda: token({"b64": False}), "'crit'"),
    Attack("typ of a logout", lambda: token({"typ": "logout+jwt"}), "'typ'"),
    Attack("typ no string", lambda: token({"typ": None}), "'typ'"),
    # The claims
    *(Attack(f"{name} missing", lambda n=name: token(**{n: ...}), f"claim '{name}' is missing")
      for name in ("iss", "sub", "aud", "exp")),
    Attack("another issuer", lambda: token(iss="https://evil.example"), "claim 'iss' is another issuer"),
    Attack("issuer with a slash", lambda: token(iss=ISSUER + "/"), "claim 'iss' is another issuer"),
    Attack("issuer in capitals", lambda: token(iss=ISSUER.upper()), "claim 'iss' is another issuer"),
    Attack("issuer in a list", lambda: token(iss=[ISSUER]), "claim 'iss' is another issuer"),
    Attack("another audience", lambda: token(aud="DicomWeb"), "claim 'aud' is another audience"),
    Attack("audience alike", lambda: token(aud="Prostаte" + "Net"), "claim 'aud' is another audience"),
    Attack("audience in small letters", lambda: token(aud="prostatenet"), "claim 'aud' is another audience"),
    Attack("audience a part", lambda: token(aud="ProstateNet-test"), "claim 'aud' is another audience"),
    Attack("no audience", lambda: token(aud=[]), "claim 'aud' is another audience"),
    Attack("audience nested", lambda: token(aud=[["ProstateNet"]]), "claim 'aud' is not a string or"),
    Attack("audience an object", lambda: token(aud={"ProstateNet": 1}), "claim 'aud' is not a string or"),
    Attack("expired", lambda: token(exp=now() - 31), "claim 'exp' has passed"),
    Attack("exp a string", lambda: token(exp=str(now() + 600)), "claim 'exp' is not a number"),
    Attack("exp true", lambda: token(exp=True), "claim 'exp' is not a number"),
    Attack("exp null", lambda: token(exp=None), "claim 'exp' is not a number"),
    Attack("not yet valid", lambda: token(nbf=now() + 120), "claim 'nbf' is in the future"),
    Attack("nbf a string", lambda: token(nbf="0"), "claim 'nbf' is not a number"),
    Attack("issued tomorrow", lambda: token(iat=now() + 86_400), "claim 'iat' is in the future"),
    Attack("sub empty", lambda: token(sub=""), "claim 'sub' is not 1 to 255 printable"),
    Attack("sub a number", lambda: token(sub=7), "claim 'sub' is not a string"),
    Attack("sub with NUL", lambda: token(sub="a\0b"), PAYLOAD),
    Attack("sub with a line feed", lambda: token(sub="a\nadmin"), "claim 'sub' is not 1 to 255 printable"),
    Attack("sub right to left", lambda: token(sub="a\u202eb"), "claim 'sub' is not 1 to 255 printable"),
    Attack("sub long", lambda: token(sub="a" * 256), "claim 'sub' is not 1 to 255 printable"),
    Attack("groups a string", lambda: token(**{"wlcg.groups": "admins"}), GROUPS),
    Attack("groups an object", lambda: token(**{"wlcg.groups": {"admins": 1}}), GROUPS),
    Attack("groups nested", lambda: token(**{"wlcg.groups": [["admins"]]}), GROUPS),
    Attack("groups null", lambda: token(**{"wlcg.groups": None}), GROUPS),
    Attack("scope a list", lambda: token(scope=["metadata:read"]), "claim 'scope' is not a string of words"),
    Attack("scope with a line feed", lambda: token(scope="a\nmetadata:read"), "claim 'scope' is not"),
    Attack("scope with a wide space", lambda: token(scope="a\u2003b"), "claim 'scope' is not"),
    Attack("organisation a list", lambda: token(**{ORGANISATION_CLAIM: ["uke"]}), f"'{ORGANISATION_CLAIM}'"),
    Attack("organisation spaces", lambda: token(organisation=" uke "), f"'{ORGANISATION_CLAIM}'"),
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_answered_with_401_and_what_is_wrong(verifier: Verifier, attack: Attack) -> None:
    made = attack.make()
    error = refused(verifier, f"Bearer {made}")
    assert error.status == 401
    assert attack.says in error.detail
    assert challenge(error).startswith('Bearer realm="oncolake", error="invalid_token", error_description="')
    assert attack.says in challenge(error)
    assert made[-20:] not in error.detail + challenge(error)
