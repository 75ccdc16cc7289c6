"""The organiser's keys: one that opens the bundle, one that signs. The only user of cryptography.

A key file is JSON, readable by its owner alone, and never written over: without it neither the
sealed truth can be read nor a card be signed.

    encryption  32 random bytes, ChaCha20-Poly1305 (RFC 8439)
    signing     32 random bytes, the seed of an Ed25519 key (RFC 8032)
"""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from affectbench.errors import BadData, MissingData, MissingExtra, ResultConflict
from affectbench.store import disk_error

KIND: Final = "affectbench key"
SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 12
SIGNATURE_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Keys:
    """Both secrets of an organiser; they are not shown where this is printed."""

    encryption: bytes = field(repr=False)
    signing: bytes = field(repr=False)

    @property
    def public(self) -> str:
        """The public half of the signing key, 64 hex digits: what cards are verified with."""
        return str(
            _ed25519()
            .Ed25519PrivateKey.from_private_bytes(self.signing)
            .public_key()
            .public_bytes_raw()
            .hex()
        )

    def sign(self, message: bytes) -> str:
        """Ed25519 signature of ``message``, 128 hex digits; the same message, the same digits."""
        key = _ed25519().Ed25519PrivateKey.from_private_bytes(self.signing)
        return str(key.sign(message).hex())

    def encrypt(self, plain: bytes, header: bytes) -> bytes:
        """A fresh nonce and the ciphertext of ``plain``; ``header`` is authenticated with it."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + bytes(_aead(self.encryption).encrypt(nonce, plain, header))

    def decrypt(self, sealed: bytes, header: bytes) -> bytes | None:
        """What ``encrypt`` was given, or None: another key, or a byte of either was changed."""
        from cryptography.exceptions import InvalidTag

        cipher = _aead(self.encryption)
        try:
            return bytes(cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], header))
        except (InvalidTag, ValueError):  # ValueError: shorter than a nonce
            return None


def new_keys() -> Keys:
    """Two fresh secrets from the operating system.

    Raises:
        MissingExtra: the package ``cryptography`` is not installed.
    """
    _ed25519()
    return Keys(secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SECRET_BYTES))


def signed_by(public: object, signature: object, message: bytes) -> bool:
    """Whether ``signature`` is that of ``message`` by the holder of ``public``, both in hex."""
    from_hex = _ed25519().Ed25519PublicKey.from_public_bytes
    from cryptography.exceptions import InvalidSignature

    if not is_hex(public, SECRET_BYTES) or not is_hex(signature, SIGNATURE_BYTES):
        return False
    try:
        from_hex(bytes.fromhex(str(public))).verify(bytes.fromhex(str(signature)), message)
    except (InvalidSignature, ValueError):  # ValueError: no point of the curve
        return False
    return True


def is_hex(value: object, length: int) -> bool:
    """Whether ``value`` is text of exactly ``length`` bytes in lower-case hex."""
    return isinstance(value, str) and re.fullmatch(rf"[0-9a-f]{{{2 * length}}}", value) is not None


def write_keys(path: Path, keys: Keys) -> None:
    """Write a new key file that its owner alone can read (mode 0600).

    Raises:
        ResultConflict: something lies there: a key is never written over.
        AffectBenchError: it cannot be written; nothing is left there.
    """
    held = {"kind": KIND, "encryption": keys.encryption.hex(), "signing": keys.signing.hex()}
    data = (json.dumps(held, indent=2) + "\n").encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ResultConflict(
            f"{path} is there already. A key is never written over: name a new file with --key."
        ) from error
    except OSError as error:
        raise disk_error(error, path) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise disk_error(error, path) from error


def read_keys(path: Path) -> tuple[Keys, tuple[str, ...]]:
    """The keys in a file, and what is odd about it, in sentences.

    Raises:
        MissingData: there is no such file, or it cannot be read.
        BadData: it is not a key file. Nothing of it is repeated in the message.
        MissingExtra: the package ``cryptography`` is not installed.
    """
    _ed25519()
    if not path.is_file():
        raise MissingData(f"{path} is not there. Expected the key file that 'seal' wrote.")
    try:
        held: Any = json.loads(path.read_bytes())
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        raise MissingData(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError):
        held, mode = None, 0
    secrets_of = [held.get(name) for name in ("encryption", "signing")] if _is_key(held) else []
    if not secrets_of or not all(is_hex(secret, SECRET_BYTES) for secret in secrets_of):
        raise BadData(f"{path} is not a key file, or was changed. Expected what 'seal' wrote.")
    notes: tuple[str, ...] = ()
    if mode & 0o077:
        notes = (f"{path} can be read by others (mode {mode:o}). Close it: chmod 600 {path}",)
    return Keys(*(bytes.fromhex(secret) for secret in secrets_of)), notes


def _is_key(held: object) -> bool:
    """Whether this is the content of a key file, by its own word."""
    return isinstance(held, dict) and held.get("kind") == KIND


def _ed25519() -> Any:
    """The module of that name.

    Raises:
        MissingExtra: the package ``cryptography`` is not installed.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError as error:
        raise MissingExtra("cryptography", "judge") from error
    return ed25519


def _aead(key: bytes) -> Any:
    """The cipher of a key."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305(key)
