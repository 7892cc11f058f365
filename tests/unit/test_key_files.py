"""The issuer's keys in a file: PEM or JWKS, read again when it changes."""

import json
import os
from datetime import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from api.http.errors import ApiError
from api.http.settings import SettingsError, read_settings
from api.http.tokens import Verifier
from tests.tokens import Issuer, ec_key, jwk, pem, refused, rsa_key


def test_only_what_is_public_of_a_private_key_is_used(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [jwk(rsa_key(), "k1", d="AQAB", p="AQAB", q="AQAB")]}))
    assert Verifier(read_settings(issuer=Issuer().address, keys=path)).principal(f"Bearer {Issuer().token()}")


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "aai.example.org")])
    day = datetime(2024, 1, 1)
    builder = x509.CertificateBuilder(name, name, rsa_key().public_key(), 1, day, day.replace(year=2044))
    return builder.sign(rsa_key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize("content", [pem(rsa_key()), pem(ec_key()) + b"\n" + pem(rsa_key()), certificate()])
def test_a_pem_file_serves_every_key_id(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.pem"
    path.write_bytes(content)
    verifier = Verifier(read_settings(issuer=Issuer().address, keys=path))
    assert verifier.principal(f"Bearer {Issuer().token()}")
    other = Issuer().crafted(key=rsa_key("other"))
    assert refused(verifier, f"Bearer {other}").status == 401


def private() -> bytes:
    return rsa_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


FILES = {
    "holds a private key; give": private(),
    "neither RSA of 2048 bits or more nor on P-256": pem(rsa_key("short", 1024)),
    "nor on P-256": pem(ec_key("longer", ec.SECP384R1)),
    "that cannot be read": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    "is neither PEM nor JWKS": b"ssh-rsa AAAA",
    "is not a JWKS": b"{}",
    "has no key for RS256": b'{"keys": []}',
}


@pytest.mark.parametrize("says", FILES)
def test_a_file_without_usable_keys_stops_the_start(tmp_path: Path, says: str) -> None:
    path = tmp_path / "keys"
    path.write_bytes(FILES[says])
    with pytest.raises(SettingsError, match=f"^ONCOLAKE_KEYS: .*{says}"):
        Verifier(read_settings(issuer=Issuer().address, keys=path))


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        Verifier(read_settings(issuer=Issuer().address, keys=tmp_path / "none"))


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = Issuer().keys_file(tmp_path)
    verifier = Verifier(read_settings(issuer=Issuer().address, keys=path))
    sent = f"Bearer {Issuer().token()}"
    assert verifier.principal(sent)
    path.write_bytes(b"half")
    assert refused(verifier, sent).status == 503
    path.write_bytes(pem(rsa_key("other")))
    assert refused(verifier, sent).status == 401
    Issuer().keys_file(tmp_path)
    os.utime(path, ns=(1, 1))
    assert verifier.principal(sent)
    path.unlink()
    with pytest.raises(ApiError, match="cannot be had now"):
        verifier.principal(sent)
