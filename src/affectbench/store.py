"""Files that are whole or not there: atomic writes, content digests, where the cache lies."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from affectbench.errors import AffectBenchError

DISK_ERRORS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would exceed the size limit",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
}


def cache_root() -> Path:
    """``$AFFECTBENCH_CACHE``, or ``affectbench`` under the user's cache folder."""
    named = os.environ.get("AFFECTBENCH_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "affectbench"


def write_atomic(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let ``write`` fill a file beside ``path``, sync it, and rename it: whole or not there.

    Raises:
        AffectBenchError: the disk is full, read-only or not writable; nothing is left behind.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, path) from error
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise disk_error(error, path) from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def disk_error(error: OSError, path: Path) -> AffectBenchError:
    """The message for a failed write: what happened, where, and what to do."""
    why = DISK_ERRORS.get(error.errno or 0, error.strerror or str(error))
    return AffectBenchError(
        f"Could not write {path}: {why}. Nothing half-written was left there. "
        "Free space or choose another folder, then run the same command again: "
        "finished work is kept."
    )


TWIN_MARK = "TWIN.md"  # in the root of a synthetic corpus
CEILING = "ceiling.json"  # beside it: the best scores that there can be


def is_twin(root: Path) -> bool:
    """Whether a corpus folder is synthetic, so that its scores say nothing about people."""
    return (root / TWIN_MARK).is_file()


def keep_twin_mark(root: Path, out: Path) -> None:
    """What is made of a twin is one: its mark goes along, and its ceiling."""
    if not is_twin(root):
        return
    for name in (TWIN_MARK, CEILING):
        if (root / name).is_file():
            write_atomic(out / name, partial(_write, (root / name).read_bytes()))


def _write(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def plain(value: Any) -> Any:
    """``value`` as JSON holds it: NaN and infinities become null, keys strings, tuples lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "item") and callable(value.item):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. NaN is written as null."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomic(path, lambda file: file.write(text.encode()))


def digest(*parts: bytes | str) -> str:
    """32 hex digits that stand for the content of ``parts`` (BLAKE2b, lengths included)."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def digest_rows(rows: Iterable[tuple[object, ...]]) -> str:
    """Digest of rows in any order: they are written as JSON and sorted first."""
    lines = sorted(json.dumps(plain(list(row)), ensure_ascii=False) for row in rows)
    return digest(*lines)


def digest_json(value: Any) -> str:
    """Digest of a JSON-like value; the order of keys does not count."""
    return digest(json.dumps(plain(value), sort_keys=True, ensure_ascii=False))
