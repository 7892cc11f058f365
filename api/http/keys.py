"""The issuer's public keys: discovered and kept, or read from a file.

A key is of use when it is RSA of 2048 to 8192 bits (RS256) or on the curve P-256 (ES256), and public.
"""

import logging
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from os import stat_result
from pathlib import Path
from typing import Any, NoReturn, Protocol

import jwt
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from api.http.errors import RETRY_AFTER, ApiError
from api.http.fetch import FetchError, fetch, is_safe
from api.http.settings import Settings, SettingsError

#: Seconds: the least between two discoveries; when keys are fetched anew; when they are not used any more.
PAUSE, FRESH, STALE = 30.0, 600.0, 3600.0
#: Seconds of a discovery in which requests that need its keys wait for it. After that they are refused, so
#: that tokens with invented key ids do not take every thread while the issuer is slow.
PATIENCE = 1.0

_LOG = logging.getLogger("oncolake.http")
_DISCOVERY = "/.well-known/openid-configuration"
_RSA_BITS = range(2048, 8192 + 1)
_MOST_KEYS = 64
_PEM = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)

PublicKey = RSAPublicKey | EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Key:
    """One public key of the issuer."""

    kid: str | None
    """None in a PEM file, whose keys serve every token."""
    algorithm: str
    key: PublicKey


class KeysError(Exception):
    """Keys that cannot be had or used; the message says where and why."""


class Keys(Protocol):
    """Where the issuer's keys come from."""

    def fitting(self, kid: str | None, algorithm: str) -> list[PublicKey]:
        """The keys that a token of this key id and algorithm may be signed with; empty: none is known.

        Raises ApiError 503 where the keys cannot be had.
        """


def keys_of(settings: Settings) -> Keys:
    """The keys that the settings name. Raises SettingsError; a discovery takes place with the first token."""
    if settings.keys is not None:
        return FileKeys(settings.keys)
    issuer = settings.issuer or ""
    if not is_safe(issuer):
        raise SettingsError("ONCOLAKE_ISSUER: must be an https address, or ONCOLAKE_KEYS must name its keys")
    return DiscoveredKeys(issuer)


def _unavailable() -> NoReturn:
    detail = "the identity provider's keys cannot be had now, so tokens cannot be checked; try again later"
    raise ApiError(503, detail, headers={"Retry-After": str(RETRY_AFTER)})


def _choose(keys: Sequence[Key], kid: str | None, algorithm: str) -> list[PublicKey]:
    fit = [each for each in keys if each.algorithm == algorithm]
    if kid is None:
        return [each.key for each in fit]
    return [each.key for each in fit if each.kid in (kid, None)]


class FileKeys:
    """Keys of a PEM or JWKS file, read again when it changes."""

    def __init__(self, path: Path) -> None:
        """Raises SettingsError."""
        self._path = path
        try:
            self._read: tuple[tuple[int, ...], list[Key]] = self._keys()
        except KeysError as error:
            raise SettingsError(f"ONCOLAKE_KEYS: {error}") from None

    def fitting(self, kid: str | None, algorithm: str) -> list[PublicKey]:
        """See Keys. A file that was changed to something unusable gives no keys, not the former ones."""
        try:
            if _version(self._path.stat()) != self._read[0]:
                self._read = self._keys()
        except (OSError, KeysError) as error:
            _LOG.error("the identity provider's keys cannot be read: %s", error)
            _unavailable()
        return _choose(self._read[1], kid, algorithm)

    def _keys(self) -> tuple[tuple[int, ...], list[Key]]:
        try:
            # The version first: a file that changes in between is read once more.
            return _version(self._path.stat()), keys_in(self._path.read_bytes(), f"'{self._path}'")
        except OSError as error:
            raise KeysError(f"'{self._path}' cannot be read: {error.strerror}") from error


def _version(stat: stat_result) -> tuple[int, ...]:
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


class DiscoveredKeys:
    """Keys that the issuer publishes (OpenID Connect Discovery), kept for a while."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._keys: list[Key] = []
        self._fetched = self._tried = float("-inf")
        self._lock = threading.Lock()
        self._idle = threading.Event()
        """Set unless a request is fetching the keys."""
        self._idle.set()

    def fitting(self, kid: str | None, algorithm: str) -> list[PublicKey]:
        """See Keys. An unknown key id has them fetched anew: the issuer may have begun to use another."""
        found = _choose(self._keys, kid, algorithm)
        if not found or self._age() > FRESH:
            self._renew(waits=not found or self._age() > STALE)
        # Judged by the last try: with the issuer away, an unknown key is not known to be wrong.
        if self._age() > STALE or (not found and self._tried > self._fetched):
            _unavailable()
        return _choose(self._keys, kid, algorithm)

    def _age(self) -> float:
        return time.monotonic() - self._fetched

    def _renew(self, *, waits: bool) -> None:
        """Fetch the keys, unless that was tried a moment ago or another request does it now.

        ``waits``: for the other one, until the same moment as everybody who waits: soon after it began.
        """
        with self._lock:
            now = time.monotonic()
            fetches = self._idle.is_set() and now - self._tried >= PAUSE
            if fetches:
                self._tried = now
                self._idle.clear()
        if fetches:
            try:
                self._fetch(now)
            finally:
                self._idle.set()
        elif waits:
            self._idle.wait(max(0.0, self._tried + PATIENCE - now))

    def _fetch(self, now: float) -> None:
        try:
            self._keys = discover(self._issuer)
        except KeysError as error:
            _LOG.warning("the identity provider's keys cannot be fetched: %s", error)
        else:
            self._fetched = now


def discover(issuer: str) -> list[Key]:
    """The keys that the issuer publishes now. Raises KeysError."""
    address = issuer.removesuffix("/") + _DISCOVERY
    try:
        found = fetch(address)
        if not isinstance(found, dict) or found.get("issuer") != issuer:
            raise KeysError(f"'{address}' speaks for another issuer")
        where = found.get("jwks_uri")
        if not isinstance(where, str) or not is_safe(where):
            raise KeysError(f"'{address}' gives no https address as jwks_uri")
        return _jwks(fetch(where), f"'{where}'")
    except FetchError as error:
        raise KeysError(str(error)) from error


def keys_in(content: bytes, where: str) -> list[Key]:
    """The keys of a PEM or JWKS file. Raises KeysError."""
    if blocks := list(_PEM.finditer(content)):
        return [_pem(each[0], each[1].decode(), where) for each in blocks]
    try:
        return _jwks(orjson.loads(content), where)
    except orjson.JSONDecodeError:
        raise KeysError(f"{where} is neither PEM nor JWKS") from None


def _pem(block: bytes, label: str, where: str) -> Key:
    if "PRIVATE" in label:
        raise KeysError(f"{where} holds a private key; give the public one alone")
    try:
        is_certificate = label == "CERTIFICATE"
        key = load_pem_x509_certificate(block).public_key() if is_certificate else load_pem_public_key(block)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeysError(f"{where} holds a {label.lower()} that cannot be read") from error
    if (algorithm := _algorithm(key)) is None:
        raise KeysError(f"{where} holds a key that is neither RSA of 2048 bits or more nor on P-256")
    return Key(None, algorithm, key)  # type: ignore[arg-type]


def _algorithm(key: object) -> str | None:
    """The algorithm that the key is good for, if any."""
    if isinstance(key, RSAPublicKey) and key.key_size in _RSA_BITS:
        return "RS256"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return "ES256"
    return None


def _jwks(document: Any, where: str) -> list[Key]:
    """The keys of a JWKS that are of use here. Raises KeysError where there is none."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise KeysError(f"{where} is not a JWKS: it has no list 'keys'")
    keys = [key for each in listed[:_MOST_KEYS] if isinstance(each, dict) and (key := _jwk(each))]
    if not keys:
        raise KeysError(f"{where} has no key for RS256 (RSA of 2048 bits or more) or ES256 (P-256)")
    return keys


def _jwk(found: dict[str, Any]) -> Key | None:
    """A key for signatures, of a kind that is taken. Only what is public of it is looked at."""
    kid, operations = found.get("kid"), found.get("key_ops", ["verify"])
    for_signatures = (
        found.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations
    )
    if not for_signatures or not isinstance(kid, str | None):
        return None
    key: object
    try:
        if found.get("kty") == "RSA":
            key = RSAAlgorithm.from_jwk({name: found[name] for name in ("kty", "n", "e")})
        else:
            key = ECAlgorithm.from_jwk({name: found[name] for name in ("kty", "crv", "x", "y")})
    except (KeyError, TypeError, ValueError, UnsupportedAlgorithm, jwt.PyJWTError):
        return None
    algorithm = _algorithm(key)
    if algorithm is None or found.get("alg", algorithm) != algorithm:
        return None
    return Key(kid, algorithm, key)  # type: ignore[arg-type]
