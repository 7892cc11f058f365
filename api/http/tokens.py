"""Tokens: JSON Web Tokens of one OpenID provider, verified to the letter (RFC 7519, 8725, 9068, 6750).

What a refusal says names the claim that is at fault, and never holds a value of it.
"""

import math
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from typing import Any

import jwt

from api.http.errors import ApiError
from api.http.keys import Keys, keys_of
from api.http.principal import Principal
from api.http.settings import Settings
from etl.strict import Flaw, parse

REALM = "oncolake"
#: Longer tokens are refused before anything of them is read.
MAX_TOKEN = 16 * 1024
ALGORITHMS = ("RS256", "ES256")
#: The root of the platform's groups, where they are written as paths (WLCG: the virtual organisation).
ROOT = "prostatenet"

_TYPES = {"jwt", "at+jwt", "application/at+jwt"}
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_PART = re.compile(r"[A-Za-z0-9_-]+")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
#: A group of the WLCG profile that names a role: the bare name that D4.4 prints, or a path of one name,
#: or of one name below the root. A deeper path is another group: being in it does not imply its parents.
_ROLE = re.compile(rf"(?:/(?:{ROOT}/)?)?(?P<role>[a-zA-Z0-9][a-zA-Z0-9_.-]*)")
_LONGEST_NAME = 255
#: What RFC 6750 does not let stand in a description; the name of the organisation's claim is a setting.
_UNTELLABLE = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")
_VERIFY: dict[str, Callable[[bytes, Any, bytes], bool]] = {
    name: jwt.get_algorithm_by_name(name).verify for name in ALGORITHMS
}


class _Invalid(Exception):
    """The token is not valid; the message names the claim."""


def one_header(values: Sequence[str]) -> str | None:
    """The request's Authorization header. Raises ApiError 400 where there are several."""
    if len(values) > 1:
        raise _malformed("send one Authorization header")
    return values[0] if values else None


class Verifier:
    """Knows the issuer's keys, and what a token must say."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError where the issuer or its key file cannot be used."""
        self._settings = settings
        self._keys: Keys = keys_of(settings)

    def principal(self, authorization: str | None) -> Principal:
        """The bearer of the token in this header.

        Raises ApiError: 401 without a valid token, 400 for a malformed header, 503 when the keys to check it
        with cannot be had.
        """
        try:
            return self._principal(self._claims(_token(authorization)))
        except _Invalid as error:
            said = _UNTELLABLE.sub("?", str(error))
            challenge = f'Bearer realm="{REALM}", error="invalid_token", error_description="{said}"'
            headers = {"WWW-Authenticate": challenge}
            raise ApiError(401, f"the token is not valid: {error}", headers=headers) from None

    def _claims(self, token: str) -> dict[str, Any]:
        """What the token says, once its signature is known to be the issuer's."""
        head, payload, signature = _parts(token)
        header = _object(head, "header")
        algorithm, kid = _algorithm(header), _key_id(header)
        said, sealed, verify = f"{head}.{payload}".encode(), _bytes(signature), _VERIFY[algorithm]
        if not any(verify(said, key, sealed) for key in self._keys.fitting(kid, algorithm)):
            raise _Invalid("its signature is not by a key of the issuer")
        return _object(payload, "payload")

    def _principal(self, claims: dict[str, Any]) -> Principal:
        self._check(claims)
        return Principal(
            subject=_name(claims, "sub"),
            organisation=_optional_name(claims, self._settings.organisation_claim),
            roles=_roles(claims.get("wlcg.groups", [])),
            scopes=_scopes(claims.get("scope", "")),
        )

    def _check(self, claims: dict[str, Any]) -> None:
        """That the token is the issuer's, for this service, and good now."""
        settings, now = self._settings, time.time()
        for name in ("iss", "sub", "aud", "exp"):
            if name not in claims:
                raise _Invalid(f"claim '{name}' is missing")
        if claims["iss"] != settings.issuer:
            raise _Invalid("claim 'iss' is another issuer")
        if settings.audience not in _audiences(claims["aud"]):
            raise _Invalid("claim 'aud' is another audience")
        if _seconds(claims, "exp") <= now - settings.leeway:
            raise _Invalid("claim 'exp' has passed: get a new token")
        for name in ("nbf", "iat"):
            if name in claims and _seconds(claims, name) > now + settings.leeway:
                raise _Invalid(f"claim '{name}' is in the future")


def _token(authorization: str | None) -> str:
    """The bearer token of an Authorization header."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        # Nothing was tried that could be an error: RFC 6750 gives no code here.
        challenge = {"WWW-Authenticate": f'Bearer realm="{REALM}"'}
        raise ApiError(401, "send a token of the identity provider: Authorization: Bearer", headers=challenge)
    if len(token) > MAX_TOKEN:
        raise _Invalid(f"it is longer than {MAX_TOKEN} bytes")
    token = token.strip(" ")
    if not _TOKEN.fullmatch(token):
        raise _malformed("the Authorization header is Bearer, a space and the token")
    return token


def _malformed(detail: str) -> ApiError:
    challenge = f'Bearer realm="{REALM}", error="invalid_request", error_description="{detail}"'
    return ApiError(400, detail, headers={"WWW-Authenticate": challenge})


def _parts(token: str) -> list[str]:
    parts = token.split(".")
    if len(parts) == 5:
        raise _Invalid("it is encrypted; send a signed one")
    if len(parts) != 3 or not all(map(_PART.fullmatch, parts)):
        raise _Invalid("it is not a signed JSON Web Token")
    return parts


def _bytes(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise _Invalid("it is not a signed JSON Web Token") from None


def _object(part: str, where: str) -> dict[str, Any]:
    """The JSON object of a part; strictly, so that no two readers can take it for two things."""
    found = parse(_bytes(part))
    if isinstance(found, Flaw):
        raise _Invalid(f"its {where} is not strict JSON")
    return found


def _algorithm(header: dict[str, Any]) -> str:
    """The algorithm, of those that are taken. Keys in the header, or where to get them, count for nothing."""
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    if algorithm not in ALGORITHMS:
        raise _Invalid(f"header 'alg' is not one of {' and '.join(ALGORITHMS)}")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise _Invalid("header 'typ' is not JWT or at+jwt")
    if "crit" in header or "b64" in header:
        raise _Invalid("header 'crit' asks for an extension that is not known")
    return str(algorithm)


def _key_id(header: dict[str, Any]) -> str | None:
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise _Invalid("header 'kid' is not a string")
    return kid


def _audiences(claim: Any) -> list[str]:
    audiences = claim if isinstance(claim, list) else [claim]
    if not all(isinstance(each, str) for each in audiences):
        raise _Invalid("claim 'aud' is not a string or a list of strings")
    return audiences


def _seconds(claims: dict[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _Invalid(f"claim '{name}' is not a number of seconds")
    return value


def _name(claims: dict[str, Any], name: str) -> str:
    value = claims[name]
    if not isinstance(value, str):
        raise _Invalid(f"claim '{name}' is not a string")
    if not (value.isprintable() and value == value.strip() and 1 <= len(value) <= _LONGEST_NAME):
        raise _Invalid(f"claim '{name}' is not 1 to {_LONGEST_NAME} printable characters")
    return value


def _optional_name(claims: dict[str, Any], name: str) -> str | None:
    return None if claims.get(name) in (None, "") else _name(claims, name)


def _roles(claim: Any) -> frozenset[str]:
    """The roles that the groups name. Whatever is not written as a role exactly is none."""
    if not isinstance(claim, list) or not all(isinstance(each, str) for each in claim):
        raise _Invalid("claim 'wlcg.groups' is not a list of strings")
    found = (_ROLE.fullmatch(each) for each in claim)
    return frozenset(each["role"] for each in found if each) - {ROOT}


def _scopes(claim: Any) -> frozenset[str]:
    if not isinstance(claim, str) or not (claim == "" or _SCOPE.fullmatch(claim)):
        raise _Invalid("claim 'scope' is not a string of words with a space between them")
    return frozenset(claim.split())
