"""A folder or a zip that a stranger made: listed and read within limits, never unpacked."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from affectbench.errors import MissingData
from affectbench.submission.names import shown
from affectbench.submission.verdict import Refused

MAX_FILES: Final = 5_000
MAX_DEPTH: Final = 4  # folders above a file
MAX_FILE_BYTES: Final = 16_000_000
MAX_BYTES: Final = 2_000_000_000
MAX_DIRECTORY_BYTES: Final = 4_000_000  # of the list of files in a zip
END: Final = struct.Struct("<4s4H2LH")  # end record of a zip
LOCATOR_BYTES: Final = 20  # what a zip64 has before it
JUNK: Final = (".DS_Store", "Thumbs.db", "desktop.ini")  # left by file managers
BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, RuntimeError, ValueError,
    NotImplementedError,
)  # fmt: skip


class Files(Protocol):
    """Files below one root."""

    sizes: dict[str, int]  # name with forward slashes -> bytes as declared

    def read(self, name: str) -> bytes:
        """The bytes of one.

        Raises:
            Refused: it cannot be read, or is larger than declared or allowed.
        """
        ...


@contextmanager
def opened(path: Path) -> Iterator[Files]:
    """The files of a folder or a zip; junk of file managers is left out.

    Raises:
        MissingData: there is nothing of that name.
        Refused: links, devices, names that lead out of the root, more or larger files than a
            bundle has, or a zip that is broken, encrypted or of another kind.
    """
    try:
        facts = path.stat()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise MissingData(f"{shown(str(path), 200)} cannot be opened ({why}).") from error
    if stat.S_ISDIR(facts.st_mode):
        yield _listed(path)
        return
    if not stat.S_ISREG(facts.st_mode):
        raise Refused(path.name, ["It is neither a folder nor a zip but a device or a pipe."])
    if facts.st_size > MAX_BYTES:
        raise Refused(
            path.name,
            [f"It has {facts.st_size:,} bytes; at most {MAX_BYTES:,} are taken. Not opened."],
        )
    try:
        _check_end(path)
        archive = zipfile.ZipFile(path)
    except BROKEN as error:
        why = shown(str(error), 120)
        raise Refused(path.name, [f"It is no zip that can be read ({why})."]) from error
    with archive:
        yield _Zip(path, archive)


def _listed(path: Path) -> _Folder:
    """The files of a folder; a folder in it that may not be entered is told."""
    try:
        return _Folder(path)
    except OSError as error:
        raise Refused(
            path.name, [f"{shown(str(error.filename), 200)} cannot be read ({error.strerror})."]
        ) from error


class _Folder:
    """Files below a folder, found without following links."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sizes: dict[str, int] = {}
        self._walk(root, "", 0)
        _check_total(root, self.sizes)

    def _walk(self, folder: Path, prefix: str, depth: int) -> None:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = f"{prefix}{entry.name}"
                if entry.is_symlink():
                    raise Refused(self.root.name, [f"{shown(name)} is a link; expected files."])
                if _junk(name):
                    continue
                if entry.is_dir():
                    if depth == MAX_DEPTH:
                        raise Refused(self.root.name, [f"{shown(name)} lies too deep."])
                    self._walk(Path(entry.path), f"{name}/", depth + 1)
                elif entry.is_file():
                    self.sizes[name] = entry.stat().st_size
                    _check_count(self.root, len(self.sizes))
                else:
                    raise Refused(self.root.name, [f"{shown(name)} is no plain file."])

    def read(self, name: str) -> bytes:
        try:
            with (self.root / name).open("rb") as file:
                return _within(self.root, name, file.read(MAX_FILE_BYTES + 1))
        except OSError as error:
            raise Refused(
                self.root.name, [f"{shown(name)} cannot be read ({error.strerror})."]
            ) from error


class _Zip:
    """Members of a zip, read into memory one at a time."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self.archive = archive
        self.sizes: dict[str, int] = {}
        for info in archive.infolist():
            problem = _wrong_member(info)
            if problem:
                raise Refused(path.name, [f"{shown(info.filename)} {problem}."])
            if info.is_dir() or _junk(info.filename):
                continue
            if info.filename in self.sizes:
                raise Refused(path.name, [f"{shown(info.filename)} is in it twice."])
            self.sizes[info.filename] = info.file_size
            _check_count(path, len(self.sizes))
        _check_total(path, self.sizes)

    def read(self, name: str) -> bytes:
        try:
            with self.archive.open(name) as file:
                return _within(self.path, name, file.read(MAX_FILE_BYTES + 1))
        except BROKEN as error:
            why = shown(str(error), 120)
            raise Refused(self.path.name, [f"{shown(name)} cannot be read ({why})."]) from error


def _check_end(path: Path) -> None:
    """Refuse a zip whose list of files would be huge, before it is parsed."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - (1 << 16) - END.size - LOCATOR_BYTES))
        tail = file.read((1 << 16) + END.size + LOCATOR_BYTES)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + END.size > len(tail):
        raise Refused(path.name, ["It is no zip, or one that was cut short; expected a zip."])
    end = END.unpack_from(tail, at)
    if tail[max(0, at - LOCATOR_BYTES) :].startswith(b"PK\x06\x07"):
        raise Refused(path.name, ["It is a zip64; expected a plain zip of less than 2 GB."])
    if end[4] > MAX_FILES or end[5] > MAX_DIRECTORY_BYTES:
        raise Refused(path.name, [f"It holds more than {MAX_FILES:,} files."])


def _wrong_member(info: zipfile.ZipInfo) -> str:
    """Why a member of a zip is refused; empty where it is not."""
    parts = PurePosixPath(info.filename).parts
    if "\\" in info.filename or ":" in info.filename or ".." in parts or parts[:1] == ("/",):
        return "leads out of the bundle, or is no plain name"
    if not parts or not info.filename.isprintable() or len(parts) > MAX_DEPTH + 1:
        return "is no plain name, or lies too deep"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device; expected files"
    if info.flag_bits & 1:
        return "is encrypted"
    return ""


def _junk(name: str) -> bool:
    """Whether a file manager left it."""
    parts = PurePosixPath(name).parts
    return parts[-1] in JUNK or parts[-1].startswith("._") or parts[0] == "__MACOSX"


def _check_count(path: Path, count: int) -> None:
    if count > MAX_FILES:
        raise Refused(path.name, [f"It holds more than {MAX_FILES:,} files."])


def _check_total(path: Path, sizes: dict[str, int]) -> None:
    """No file, and not all of them together, may be larger than a bundle needs."""
    large = [name for name, size in sizes.items() if size > MAX_FILE_BYTES]
    if large:
        raise Refused(
            path.name,
            [
                f"{shown(large[0])} has {sizes[large[0]]:,} bytes; at most {MAX_FILE_BYTES:,} are "
                "taken, half a minute of audio at any rate."
            ],
        )
    total = sum(sizes.values())
    if total > MAX_BYTES:
        raise Refused(path.name, [f"Its files have {total:,} bytes; at most {MAX_BYTES:,}."])


def _within(path: Path, name: str, data: bytes) -> bytes:
    """The bytes, if they are not more than allowed whatever was declared."""
    if len(data) > MAX_FILE_BYTES:
        raise Refused(path.name, [f"{shown(name)} unpacks to more than {MAX_FILE_BYTES:,} bytes."])
    return data
