"""Getting open corpora from their published homes: resumed, checked, unpacked, whole or not there.

A file comes as ``.<name>.partial`` beside its place and takes its name when all its bytes are there
and its size and checksum, where they are known, agree. A transfer that breaks goes on from where it
was, in the same call and in the next one, if the server can say that the file is still the same;
otherwise it starts again.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import lzma
import shutil
import stat
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Final
from urllib.parse import urlsplit

from affectbench.errors import AffectBenchError, BadData, MissingData, listing
from affectbench.store import disk_error, write_atomic
from affectbench.types import Corpus, Progress, Remote

CHUNK_BYTES: Final = 1 << 18
TIMEOUT_S: Final = 60.0
DAMAGED: Final = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
)
NETWORK: Final = (urllib.error.URLError, http.client.HTTPException, OSError)


class _Broken(Exception):  # noqa: N818
    """The connection failed or ended early; what has come is kept."""


def get(corpus: Corpus, root: Path, *, progress: Progress | None = None) -> list[Path]:
    """Download what ``corpus.remotes`` names to the folder root, and unpack its archives there.

    Files that are there under their final name are not fetched again.

    Args:
        corpus: An open corpus.
        root: The corpus's folder; made where it is not there.
        progress: Called with a file's path, its bytes so far and in all (0 where not known).

    Returns:
        The downloaded files, archives included.

    Raises:
        MissingData: The corpus is gated (the message says who grants access), nothing of it can be
            fetched by this command, or the server cannot be reached or has no such file.
        BadData: Size or checksum is wrong, or an archive is damaged or tries to leave the folder.
        AffectBenchError: The disk is full or not writable.
    """
    if corpus.access == "gated":
        how = corpus.access_how or f"Ask {corpus.home}."
        raise MissingData(f"{corpus.title} is not open for download. {how}")
    if not corpus.remotes:
        how = f" {corpus.access_how}" if corpus.access_how else ""
        raise MissingData(
            f"No address of a file of {corpus.title} is known here. Get it from {corpus.home} and "
            f"put it into {root} as released: {corpus.layout}.{how}"
        )
    return [_get_one(corpus, remote, root, progress) for remote in corpus.remotes]


def _get_one(corpus: Corpus, remote: Remote, root: Path, progress: Progress | None) -> Path:
    if _leaves(remote.path) or urlsplit(remote.url).scheme not in {"http", "https"}:
        raise ValueError(f"not a path below the folder, or not http: {remote}")
    target = root / remote.path
    if target.exists():
        _check(remote, target, corpus)
    else:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, target) from error
        _Transfer(corpus, remote, target, progress).run()
    if remote.unpack:
        unpack(target, target.parent)
    return target


@dataclass(slots=True)
class _Transfer:
    """One file on its way."""

    corpus: Corpus
    remote: Remote
    target: Path
    progress: Progress | None

    @property
    def partial(self) -> Path:
        return self.target.with_name(f".{self.target.name}.partial")

    @property
    def tag(self) -> Path:
        """Holds what the server said that names this state of the file (ETag or date)."""
        return self.target.with_name(f".{self.target.name}.tag")

    def run(self) -> None:
        """Fetch, go on where it broke as long as bytes come, check, rename."""
        before = -1
        while True:
            try:
                self._fetch()
                break
            except _Broken as error:
                held = self._held()
                if held <= before or not held:
                    raise MissingData(
                        f"{self.remote.url} could not be fetched ({error}). Are you online? "
                        f"{held:,} bytes have come and are kept: the same command goes on from "
                        f"there. Home of the corpus: {self.corpus.home}"
                    ) from error
                before = held
        try:
            _check(self.remote, self.partial, self.corpus)
        except BadData:
            self.tag.unlink(missing_ok=True)
            raise
        try:
            self.partial.replace(self.target)
            self.tag.unlink(missing_ok=True)
        except OSError as error:
            raise disk_error(error, self.target) from error

    def _held(self) -> int:
        return self.partial.stat().st_size if self.partial.exists() else 0

    def _fetch(self) -> None:
        """One request: the rest where the server gives it, otherwise all."""
        held = self._held()
        tag = self.tag.read_text() if self.tag.exists() else ""
        headers = {"User-Agent": "affectbench", "Accept-Encoding": "identity"}
        if held and tag:
            headers |= {"Range": f"bytes={held}-", "If-Range": tag}
        request = urllib.request.Request(self.remote.url, headers=headers)
        try:
            answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and held:
                # Nothing lies beyond what has come: whole, or of another state of the file.
                error.close()
                if error.headers.get("Content-Range") == f"bytes */{held}":
                    return
                self._start_again()
                return
            raise self._refused(error) from error
        except NETWORK as error:
            raise _Broken(getattr(error, "reason", None) or error) from error
        with answer:
            self._receive(answer, held)

    def _receive(self, answer: http.client.HTTPResponse, held: int) -> None:
        """Write the answer behind what is held, or from the start where the server sends all."""
        goes_on = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        if goes_on and not answer.headers.get("Content-Range", "").startswith(f"bytes {held}-"):
            if not held:
                raise _Broken("the server sent another range than was asked for")
            self._start_again()
            return
        done = held if goes_on else 0
        length = answer.headers.get("Content-Length")
        total = done + int(length) if length else self.remote.size_bytes or 0
        expected = self.remote.size_bytes
        if length and expected is not None and total != expected:
            raise BadData(
                f"{self.remote.url} has {total:,} bytes, expected {expected:,}: the published "
                f"file has changed. See {self.corpus.home}"
            )
        tag = answer.headers.get("ETag", "")
        tag = tag if tag.startswith('"') else answer.headers.get("Last-Modified", "")
        try:
            if not goes_on:
                self.partial.unlink(missing_ok=True)  # never old bytes under a new tag
            self.tag.write_text(tag)
            with self.partial.open("ab" if goes_on else "wb") as file:
                for data in _chunks(answer):
                    file.write(data)
                    done += len(data)
                    if self.progress:
                        self.progress(self.remote.path, done, total)
        except OSError as error:
            raise disk_error(error, self.target) from error
        if total and done != total:
            raise _Broken(f"it ended after {done:,} of {total:,} bytes")

    def _start_again(self) -> None:
        """Fetch all: what was held belongs to another state of the file."""
        self.partial.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)
        self._fetch()

    def _refused(self, error: urllib.error.HTTPError) -> AffectBenchError:
        """The server's answer as one message."""
        error.close()
        return MissingData(
            f"{self.remote.url} answers {error.code} {error.reason}, expected the file. It may "
            f"have moved, or the server is busy: see {self.corpus.home}, or try again later."
        )


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body in pieces; a failing connection is not mistaken for a failing disk."""
    while True:
        try:
            data = answer.read(CHUNK_BYTES)
        except NETWORK as error:
            raise _Broken(error) from error
        if not data:
            return
        yield data


def _check(remote: Remote, path: Path, corpus: Corpus) -> None:
    """Compare size and checksum with the published ones; a wrong download is removed.

    Raises:
        BadData: one of them is another.
    """
    wrong = ""
    size = path.stat().st_size
    if remote.size_bytes is not None and size != remote.size_bytes:
        wrong = f"{size:,} bytes, expected {remote.size_bytes:,}"
    elif remote.sha256:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != remote.sha256:
            wrong = f"SHA-256 {found}, expected {remote.sha256}"
    if not wrong:
        return
    if path.suffix == ".partial":
        path.unlink()
        what = "It was removed: run the same command again."
    else:
        what = f"It lies at {path}: move it away and run the same command again."
    raise BadData(
        f"{remote.url} came with {wrong}. {what} If that does not help, the published file has "
        f"changed: see {corpus.home}"
    )


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack a zip or tar archive into folder; each file is whole or not there.

    Files that are there with the right size are kept, so that a killed run goes on.

    Raises:
        BadData: Not a zip or tar archive, damaged, or an entry that is a link, a device, or would
            land outside the folder; then nothing is unpacked.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                return _unpack_zip(packed, archive, folder)
        with tarfile.open(archive) as packed_tar:
            return _unpack_tar(packed_tar, archive, folder)
    except DAMAGED as error:
        raise BadData(
            f"{archive} is damaged or neither zip nor tar ({error}). Expected an archive; remove "
            "it and run the same command again."
        ) from error


def _unpack_zip(packed: zipfile.ZipFile, archive: Path, folder: Path) -> list[Path]:
    entries = packed.infolist()
    # The upper half of external_attr is the Unix mode; plain files and folders may leave it 0.
    kinds = {entry.filename: stat.S_IFMT(entry.external_attr >> 16) for entry in entries}
    plain = {0, stat.S_IFREG, stat.S_IFDIR}
    _refuse(archive, [n for n, kind in kinds.items() if _leaves(n) or kind not in plain])
    return [
        _place(folder / entry.filename, entry.file_size, partial(packed.open, entry))
        for entry in entries
        if not entry.is_dir()
    ]


def _unpack_tar(packed: tarfile.TarFile, archive: Path, folder: Path) -> list[Path]:
    entries = packed.getmembers()
    bad = [e.name for e in entries if _leaves(e.name) or not (e.isfile() or e.isdir())]
    _refuse(archive, bad)
    return [
        _place(folder / entry.name, entry.size, partial(packed.extractfile, entry))
        for entry in entries
        if entry.isfile()
    ]


def _place(target: Path, size: int, open_entry: Callable[[], IO[bytes] | None]) -> Path:
    """One file of an archive at its place."""
    if target.is_file() and target.stat().st_size == size:
        return target
    source = open_entry()
    if source is None:
        raise tarfile.ReadError(f"{target.name} has no content")
    with source:
        write_atomic(target, lambda file: shutil.copyfileobj(source, file))
    return target


def _leaves(name: str) -> bool:
    """Whether a path is absolute or climbs, as POSIX or as Windows reads it."""
    windows = PureWindowsPath(name)
    parts = {*PurePosixPath(name).parts, *windows.parts}
    return not name or name.startswith(("/", "\\")) or bool(windows.drive) or ".." in parts


def _refuse(archive: Path, names: list[str]) -> None:
    if names:
        raise BadData(
            f"{archive}: {len(names):,} entries are links or would land outside the folder: "
            f"{listing([ascii(name) for name in names])}. Nothing was unpacked. Expected plain "
            "files; do not trust this archive."
        )
