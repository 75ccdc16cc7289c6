"""Signed entries: what a log is made of, and what a score card is.

An entry is a flat JSON object. ``hash`` is the SHA-256 of all its other fields but ``signature``,
written canonically (keys sorted, no blanks, ASCII); ``signature`` is of the same bytes;
``previous`` is the hash of the entry before it. A card is the entry of the log itself, so it can
be written again from there, and says where in the log it stands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from affectbench.judging.keys import Keys, is_hex, signed_by
from affectbench.store import plain

SCHEMA: Final = 1
FIRST: Final = "0" * 64  # ``previous`` of the first entry
SHA256_BYTES: Final = 32

Entry = dict[str, Any]

SHAPE: Final[Mapping[str, type]] = {
    "entry": int,
    "previous": str,
    "date": str,
    "bundle": str,
    "task": str,
    "task_version": int,
    "public_key": str,
    "version": str,
}  # of every entry; ``team`` and ``submission`` are text or null
SHAPES: Final[Mapping[str, Mapping[str, type]]] = {
    "refused": {"reason": str},
    "scored": {
        "team": str,
        "submission": str,
        "name": str,
        "part": str,
        "attempt": int,
        "attempts": int,
        "clips": int,
        "unscored": int,
        "metric": str,
        "scores": dict,
        "repairs": list,
        "notes": list,
    },  # ``ladder`` is null, or has step, before and improved
}


def canonical(value: Any) -> bytes:
    """``value`` as JSON of which there is only one form: sorted keys, no blanks, ASCII."""
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def page(value: Any) -> bytes:
    """The same content, indented for reading; of this too there is only one form."""
    text = json.dumps(plain(value), sort_keys=True, indent=2, allow_nan=False)
    return text.encode("ascii") + b"\n"


def sha256(data: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def signed(body: Mapping[str, Any], keys: Keys) -> Entry:
    """``body`` with its hash and signature."""
    message = canonical(body)
    return {**plain(body), "hash": sha256(message), "signature": keys.sign(message)}


def parse(data: bytes) -> Any:
    """The JSON value in ``data``.

    Raises:
        ValueError: it is not JSON, holds NaN or infinities, or is nested too deep.
    """
    try:
        value = json.loads(data, parse_constant=_no_constant)
        canonical(value)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return value


def _no_constant(name: str) -> Any:
    """Refuse NaN and infinities: what is undefined is written null."""
    raise ValueError(f"{name} is no JSON")


def fault(value: Any) -> str:
    """What is wrong with an entry taken by itself: empty where hash and signature belong to it.

    The public key is the entry's own: that it is the organiser's has to be compared.
    """
    if not isinstance(value, dict) or value.get("kind") not in ("scored", "refused"):
        return "it is no entry: field kind is neither 'scored' nor 'refused'"
    if value.get("schema") != SCHEMA:
        return f"field schema is not {SCHEMA}: it is of another version of this package"
    for name in ("hash", "previous", "bundle", "public_key"):
        if not is_hex(value.get(name), SHA256_BYTES):
            return f"field {name} is not 64 hex digits"
    odd = _misshapen(value)
    if odd:
        return f"field {odd} is missing or of another type"
    message = _message(value)
    right_hash = value["hash"] == sha256(message)
    right_signature = signed_by(value["public_key"], value.get("signature"), message)
    if right_hash and right_signature:
        return ""
    if right_signature:
        return "field hash was changed: the signature belongs to the content, the hash does not"
    if right_hash:
        return "field signature was changed: the hash belongs to the content, it does not"
    fields = ", ".join(name for name in value if name not in ("hash", "signature"))
    return f"its content was changed after it was signed: one of {fields}"


def _misshapen(entry: Mapping[str, Any]) -> str:
    """The first field that is missing or of another type; empty where there is none."""
    for name, kind in {**SHAPE, **SHAPES[entry["kind"]]}.items():
        if not isinstance(entry.get(name), kind):
            return name
    ladder = entry.get("ladder")
    if ladder is None:
        return ""
    sound = isinstance(ladder, dict) and set(ladder) == {"step", "before", "improved"}
    numbers = sound and isinstance(ladder["step"], (int, float))
    best = numbers and isinstance(ladder["before"], (int, float, type(None)))
    return "" if best else "ladder"


def _message(entry: Mapping[str, Any]) -> bytes:
    """The bytes that are hashed and signed."""
    own = {name: value for name, value in entry.items() if name not in ("hash", "signature")}
    return canonical(own)


def first_difference(found: bytes, expected: bytes) -> int:
    """Index of the first byte that differs."""
    pairs = enumerate(zip(found, expected, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(found), len(expected)))


def differing(one: Any, other: Any, path: str = "", *, within: float = 0.0) -> Iterator[str]:
    """Dotted names of the fields in which two JSON values differ: numbers by over ``within``."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            below = f"{path}.{name}" if path else name
            yield from differing(one.get(name), other.get(name), below, within=within)
    elif isinstance(one, float) and isinstance(other, float):
        if not abs(one - other) <= within:
            yield path
    elif type(one) is not type(other) or one != other:
        yield path
