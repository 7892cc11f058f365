"""The development issuer: signs tokens on this machine, for trying the service without an identity provider.

Its key is made when it is first needed and lies in a private folder of ONCOLAKE_HOME, so tokens that
``oncolake token`` makes are good for a service that runs.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from api.http.settings import SettingsError
from omop_schema.embedded import default_home

ISSUER = "https://development.oncolake.invalid"
ORGANISATION = "development"
SCOPES = ("metadata:read", "metadata:write")

_PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class DevIssuer:
    """The issuer of one home folder. Building one touches nothing."""

    folder: Path

    @classmethod
    def of_home(cls) -> "DevIssuer":
        """That of ONCOLAKE_HOME."""
        return cls(default_home() / "development-issuer")

    @property
    def public_key(self) -> Path:
        """The PEM file that the service checks tokens with: the setting ONCOLAKE_KEYS."""
        return self.folder / "public.pem"

    @property
    def _private_key(self) -> Path:
        return self.folder / "private.pem"

    def make(self) -> None:
        """Make the key where there is none. Raises OSError where the folder cannot be used."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(mode=_PRIVATE, exist_ok=True)
        self.folder.chmod(_PRIVATE)
        if not self._private_key.exists():
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            _write(
                self._private_key,
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
            )
        key = self._key()
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        _write(self.public_key, public)

    def token(
        self,
        audience: str,
        organisation_claim: str,
        *,
        roles: Sequence[str] = ("admins",),
        scopes: Sequence[str] = SCOPES,
        organisation: str = ORGANISATION,
        minutes: int = 60,
    ) -> str:
        """A token, signed with RS256. Raises SettingsError before ``make``."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": f"{'+'.join(roles) or 'nobody'}@{organisation}",
            "aud": audience,
            "iat": now,
            "exp": now + 60 * minutes,
            "jti": str(uuid4()),
            "wlcg.ver": "1.0",
            "wlcg.groups": list(roles),
            "scope": " ".join(scopes),
            organisation_claim: organisation,
        }
        return jwt.encode(claims, self._key(), "RS256")

    def _key(self) -> rsa.RSAPrivateKey:
        try:
            found = serialization.load_pem_private_key(self._private_key.read_bytes(), None)
        except FileNotFoundError:
            raise SettingsError(
                f"there is no development issuer in '{self.folder.parent}': `oncolake serve --dev` makes it"
            ) from None
        except ValueError:
            raise SettingsError(f"'{self._private_key}' is no key: remove it, then `serve --dev`") from None
        if not isinstance(found, rsa.RSAPrivateKey):
            raise SettingsError(f"'{self._private_key}' is no RSA key: remove it and start `serve --dev`")
        return found


def _write(path: Path, content: bytes) -> None:
    """Write the file whole, for its owner alone; of two at once one wins, and neither reads a half."""
    making = path.with_name(f".{path.name}.{uuid4().hex}")
    with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    if path.name.startswith("private") and path.exists():
        making.unlink()
    else:
        making.replace(path)
