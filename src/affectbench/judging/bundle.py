"""The sealed bundle: one file, a header in clear and the truth encrypted.

    affectbench bundle 1        a line: the form
    {"attempts":5,"clips":...}  a line: the header, canonical JSON
    nonce, ciphertext           ChaCha20-Poly1305; the lines above are authenticated with it

Inside are a salt and the truth as Parquet, padded, so that the size tells nothing of the labels.
The fingerprint is the SHA-256 of header and ciphertext: who has it can tell whether a bundle is
the one that was announced. The header commits to the truth: when the labels are published one day
with the salt, anyone can tell whether they are what was sealed.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import polars as pl

from affectbench.errors import BadData, MissingData
from affectbench.judging.entries import SCHEMA, canonical, parse, sha256
from affectbench.judging.keys import Keys
from affectbench.store import plain

MAGIC: Final = b"affectbench bundle 1\n"
HEADER_BYTES: Final = 2**20
BUNDLE_BYTES: Final = 2**31 - 1  # more than the cipher takes at once
SALT_BYTES: Final = 32
LENGTH_BYTES: Final = 8
PADDED_BYTES: Final = 2**16  # at least; then the next power of two
FINGERPRINT: Final = "affectbench fingerprint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What everyone may know about a sealed truth."""

    name: str  # the organiser's own
    task: str
    task_version: int
    part: str
    metric: str  # the one that ranks
    columns: tuple[str, ...]  # of the truth, without their values
    clips: int
    ids: str  # SHA-256 of the sorted clip ids, a line each
    truth: str  # SHA-256 of salt and truth: ``commitment``
    attempts: int  # scored files a team
    step: float | None  # scores are told in steps of this size; None: as they are
    outputs: bool  # whether scores per class or emotion are told
    scoring: Mapping[str, Any]  # draws, level, seed and groups of the intervals
    public_key: str
    sealed: str  # date
    version: str  # of this package


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle file as anyone can read it."""

    header: Header
    head: bytes  # the clear bytes, as they are authenticated
    ciphertext: bytes

    @property
    def public(self) -> dict[str, Any]:
        """The content of the fingerprint file."""
        return fingerprint_of(asdict(self.header), sha256(self.ciphertext))

    @property
    def fingerprint(self) -> str:
        """64 hex digits."""
        return str(self.public["fingerprint"])


def fingerprint_of(header: Mapping[str, Any], ciphertext: str) -> dict[str, Any]:
    """The fingerprint file of a header and the SHA-256 of a ciphertext."""
    made = sha256(canonical({"header": header, "ciphertext": ciphertext}))
    return {
        "kind": FINGERPRINT,
        "schema": SCHEMA,
        "header": plain(header),
        "ciphertext": ciphertext,
        "fingerprint": made,
    }


def commitment(truth: pl.DataFrame, salt: bytes) -> str:
    """SHA-256 of the salt and the rows of ``truth``, sorted by clip, as canonical JSON.

    The salt keeps anyone from guessing labels until the hash fits.
    """
    rows = [list(row) for row in truth.sort("clip").iter_rows()]
    return sha256(salt + canonical([truth.columns, rows]))


def ids_hash(clips: Sequence[str]) -> str:
    """SHA-256 of the sorted clip ids, a line each: participants can compare their list."""
    return sha256("".join(f"{clip}\n" for clip in sorted(clips)).encode())


def pack(header: Header, truth: pl.DataFrame, salt: bytes, keys: Keys) -> bytes:
    """The bytes of a bundle file."""
    buffer = io.BytesIO()
    truth.write_parquet(buffer)
    data = buffer.getvalue()
    content = salt + len(data).to_bytes(LENGTH_BYTES, "little") + data
    size = max(PADDED_BYTES, 1 << (len(content) - 1).bit_length())
    head = MAGIC + canonical(asdict(header)) + b"\n"
    return head + keys.encrypt(content.ljust(size, b"\0"), head)


def read_bundle(path: Path) -> Bundle:
    """A bundle, without opening it.

    Raises:
        MissingData: there is no such file, or it cannot be read.
        BadData: it is not a bundle of this form.
    """
    if not path.is_file():
        raise MissingData(f"{path} is not there. Expected the bundle file that 'seal' wrote.")
    try:
        with path.open("rb") as file:
            magic = file.readline(len(MAGIC))
            line = file.readline(HEADER_BYTES) if magic == MAGIC else b""
            sealed = file.read(BUNDLE_BYTES + 1) if line.endswith(b"\n") else b""
    except OSError as error:
        raise MissingData(f"{path} cannot be read: {error.strerror}.") from error
    if magic != MAGIC:
        raise BadData(f"{path} is not a bundle of this form. Expected the file that 'seal' wrote.")
    if not sealed or len(sealed) > BUNDLE_BYTES:
        raise BadData(f"{path} is cut off or too large. Take the bundle as 'seal' wrote it.")
    try:
        header = _header(parse(line))
        if canonical(asdict(header)) + b"\n" != line:
            raise ValueError("it is not written as 'seal' writes it")
    except (ValueError, TypeError) as error:
        raise BadData(
            f"{path}: its header was changed ({error}). Take the bundle again."
        ) from error
    return Bundle(header, MAGIC + line, sealed)


TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "task_version": (int,),
    "clips": (int,),
    "attempts": (int,),
    "columns": (list,),
    "step": (float, int, type(None)),
    "outputs": (bool,),
    "scoring": (dict,),
}


def _header(value: Any) -> Header:
    """The header that a JSON object stands for.

    Raises:
        ValueError: a field is missing, unknown, or of another type.
    """
    names = {field.name for field in fields(Header)}
    if not isinstance(value, dict) or set(value) != names:
        raise ValueError("its fields are not those of a header")
    for name, found in value.items():
        if not isinstance(found, TYPES.get(name, (str,))):
            raise ValueError(f"field {name} is of the wrong type")
    return Header(**{**value, "columns": tuple(value["columns"])})


def open_bundle(path: Path, keys: Keys) -> tuple[Bundle, pl.DataFrame, bytes]:
    """A bundle, its truth and its salt.

    Returns:
        The bundle; the truth: ``clip``, group columns and label columns, one row a clip, sorted by
        clip; and the salt of its commitment.

    Raises:
        MissingData: there is no such file.
        BadData: it is not a bundle, was changed, or belongs to another key.
    """
    bundle = read_bundle(path)
    if bundle.header.public_key != keys.public:
        raise BadData(
            f"{path} was sealed with another key, or its header was changed. Give the key file "
            "that was made with it."
        )
    content = keys.decrypt(bundle.ciphertext, bundle.head)
    if content is None:
        raise BadData(
            f"{path} was changed after it was sealed. Take the bundle as 'seal' wrote it."
        )
    salt, rest = content[:SALT_BYTES], content[SALT_BYTES:]
    length = int.from_bytes(rest[:LENGTH_BYTES], "little")
    truth = pl.read_parquet(io.BytesIO(rest[LENGTH_BYTES : LENGTH_BYTES + length]))
    if commitment(truth, salt) != bundle.header.truth:
        raise BadData(f"{path}: its truth is not the one that its header commits to.")
    return bundle, truth, salt
