"""An issuer of the tests' own: its keys, as a file or over HTTP, and the tokens that it signs."""

import base64
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from api.http.errors import ApiError
from api.http.tokens import Verifier

ISSUER = "https://aai.example.org"
AUDIENCE = "ProstateNet"
ORGANISATION_CLAIM = "schac_home_organization"


@cache
def rsa_key(name: str = "first", bits: int = 2048) -> rsa.RSAPrivateKey:
    """The RSA key of this name: made once, as making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(name: str = "first", curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


def jwk(key: Any, kid: str | None, **members: Any) -> dict[str, Any]:
    """The public part of a private key, as it stands in a JWKS."""
    writer = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    found = writer.to_jwk(key.public_key(), as_dict=True)
    found.pop("key_ops", None)
    return found | ({} if kid is None else {"kid": kid}) | {"use": "sig"} | members


def pem(key: Any) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def signed(payload: bytes, header: bytes, key: Any, algorithm: str = "RS256") -> str:
    """A token of exactly these bytes, well signed."""
    message = f"{encoded(header)}.{encoded(payload)}"
    signer = jwt.get_algorithm_by_name(algorithm)
    return f"{message}.{encoded(signer.sign(message.encode(), signer.prepare_key(key)))}"


def refused(verifier: Verifier, authorization: str | None) -> ApiError:
    """How the verifier refuses this header."""
    with pytest.raises(ApiError) as caught:
        verifier.principal(authorization)
    return caught.value


def challenge(error: ApiError) -> str:
    return (error.headers or {})["WWW-Authenticate"]


class Issuer:
    """Signs tokens with one RSA key, whose key id is ``k1``.

    What a client sends: ``client.get("/feed.json", headers=issuer.headers(["modellers"]))``.
    """

    def __init__(self, address: str = ISSUER) -> None:
        self.address, self.key, self.kid = address, rsa_key(), "k1"

    def keys_file(self, folder: Path) -> Path:
        """A JWKS file of its public key in ``folder``: the setting ``keys``."""
        path = folder / "keys.json"
        path.write_text(json.dumps({"keys": [jwk(self.key, self.kid)]}), "utf-8")
        return path

    def settings(self, folder: Path) -> dict[str, Any]:
        """What ``read_settings`` needs to take this issuer's tokens."""
        return {"issuer": self.address, "keys": self.keys_file(folder)}

    def claims(
        self,
        roles: Sequence[str] = ("data-providers",),
        scope: str = "metadata:read metadata:write",
        organisation: str | None = "uke.example.org",
        **claims: Any,
    ) -> dict[str, Any]:
        """The claims of a good token, with ``claims`` in their place; one that is ``...`` is left out."""
        now = int(time.time())
        good = {
            "iss": self.address,
            "sub": "ada@example.org",
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 600,
            "scope": scope,
            "wlcg.groups": list(roles),
            ORGANISATION_CLAIM: ... if organisation is None else organisation,
        }
        return {name: value for name, value in (good | claims).items() if value is not ...}

    def token(self, *args: Any, **claims: Any) -> str:
        """A token with these claims: see ``claims``."""
        return jwt.encode(self.claims(*args, **claims), self.key, "RS256", headers={"kid": self.kid})

    def crafted(
        self, header: dict[str, Any] | None = None, key: Any = None, algorithm: str = "RS256", **claims: Any
    ) -> str:
        """A good token with this and that in place of what is good; ``...`` leaves a member out."""
        made = {"typ": "JWT", "alg": algorithm, "kid": self.kid} | (header or {})
        told = {name: value for name, value in made.items() if value is not ...}
        payload = json.dumps(self.claims(**claims)).encode()
        return signed(payload, json.dumps(told).encode(), key or self.key, algorithm)

    def headers(self, *args: Any, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(*args, **claims)}"}


class Site:
    """A web server in a thread: what each path answers, and what was asked of it."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        """By path: an object to send as JSON, bytes to send as they are, or a number: a status."""
        self.headers: dict[str, str] = {}
        self.delay = self.drip = 0.0
        """Seconds before an answer, and after each of its bytes."""
        self.held = threading.Event()
        """Cleared: nothing is answered until it is set."""
        self.held.set()
        self.asked: list[tuple[str, bytes]] = []
        self.address = ""

    def awaited(self, count: int) -> None:
        """Return once so many requests have come; fail when they do not."""
        deadline = time.monotonic() + 20
        while len(self.asked) < count:
            assert time.monotonic() < deadline, f"{len(self.asked)} requests came, not {count}"
            time.sleep(0.005)


@contextmanager
def site() -> Iterator[Site]:
    """A web server on this machine, over plain HTTP."""
    state = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(state))
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(state: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append((self.path, self.rfile.read(int(self.headers.get("Content-Length", 0)))))
            time.sleep(state.delay)
            state.held.wait(60)
            answer = state.answers.get(self.path, 404)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(answer if isinstance(answer, int) else 200)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # the client has had enough
                if not state.drip:
                    self.wfile.write(content)
                    return
                for each in content:
                    self.wfile.write(bytes([each]))
                    time.sleep(state.drip)

        do_POST = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
