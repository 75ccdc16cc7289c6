"""Feature tables in text: one CSV of all clips, or a folder with a CSV a clip, as was shipped.

    HUME-PROSODY   features/<system>/features.csv   filename, D columns; openSMILE's with ``;``,
                                                    quoted by ``'``, and a frameTime
    ExVo           feats/<FEATURE>/<id>.csv         ``,``; name, D columns; one row
    A-VB           features/<FEATURE>/<id>.csv      ``;``; name, frameTime, D columns; one row
    openXBOW       <id>.csv                         D columns, no header; one row

Separator, quotes, header and the columns before the features are told from the content. Lines are
parsed once and found again by their content:

    <cache>/features/given-<digest of header and form>/<digest of the lines>.npz

Each .npz holds up to 128 rows of a folder, or what lies in 8 MiB of a file: ``clips`` and
``values`` [n, D] float32, with its own checksum (zip). Names and dates are never trusted: files are
read and hashed on every run, the header once a folder; numbers are parsed in the first run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from affectbench import store
from affectbench.audio.shards import DAMAGED
from affectbench.errors import BadData, MissingData, listing
from affectbench.features.written import BOM, Block, Form, Row, form_of, lines_of, parse
from affectbench.types import Progress

READER: Final = "1"  # raised when the same text gives other numbers
FILES: Final = 128  # of a folder, in one file of the cache
BYTES: Final = 8 << 20  # of a file, in one file of the cache

Job = TypeVar("Job")


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Features as they were found: rows in the order of the file, or of the names of the files."""

    clips: tuple[str, ...]  # [M] ids as written
    values: NDArray[np.float32]  # [M, D]
    names: tuple[str, ...]  # [D]
    digest: str  # of all that was read
    left_out: tuple[str, ...] = ()  # columns that are no features


def read_folder(
    folder: Path,
    *,
    workers: int,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> FeatureTable:
    """Features of a folder with one CSV a clip, all of one form; a clip is named as its file.

    ``progress`` is told the stage "read features", in groups of 128 files.

    Raises:
        MissingData: no CSV is there, or one cannot be read.
        BadData: files without a row or with several, of another header or name than expected, or
            with cells that are no finite number; all of them in one message.
        AffectBenchError: the cache cannot be written.
    """
    found = (path for path in folder.iterdir() if path.suffix.casefold() == ".csv")
    paths = sorted(found, key=lambda path: path.name)
    if not paths:
        inside = sorted(path.name for path in folder.iterdir() if path.is_dir())
        hint = f" It has the folders {listing(inside)}: name one of them." if inside else ""
        raise MissingData(f"{folder} has no .csv file. Expected one a clip, <clip>.csv.{hint}")
    form = form_of(paths[0], lines_of(_read(paths[0]))[:2], single=False)
    where = _folder(form, cache)

    def work(group: Sequence[Path]) -> Block:
        rows, problems = [], []
        for path in group:
            line, problem = _only_line(form, path, paths[0])
            rows.append(Row(path.stem, line))
            problems += [problem] if problem else []
        return Block([], form.none, "", problems) if problems else _block(form, rows, where)

    groups = [paths[start : start + FILES] for start in range(0, len(paths), FILES)]
    return _joined(folder, form, _in_threads(work, groups, workers, progress))


def read_file(
    path: Path,
    *,
    workers: int,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> FeatureTable:
    """Features of one CSV with a row a clip: an id, then numbers.

    The id is the first column, or that of them before the features which is called ``clip``,
    ``filename``, ``File_ID``, ``name``, ``file`` or ``id``.
    ``progress`` is told the stage "read features", in pieces of 8 MiB.

    Raises:
        MissingData, BadData, AffectBenchError: as ``read_folder``.
    """
    with _opened(path) as file:
        first = file.readline()
        second = next((line for line in file if line.strip()), b"")
        form = form_of(path, lines_of(first + second), single=True)
        size = path.stat().st_size
        bounds = [len(first) if form.header else 0]
        while bounds[-1] < size:
            file.seek(min(bounds[-1] + BYTES, size))
            file.readline()
            bounds.append(file.tell())
    where = _folder(form, cache)

    def work(span: tuple[int, int]) -> Block:
        with _opened(path) as file:
            file.seek(span[0])
            lines = lines_of(file.read(span[1] - span[0]))
        return _block(form, [Row("", line) for line in lines], where)

    return _joined(path, form, _in_threads(work, list(pairwise(bounds)), workers, progress))


def _opened(path: Path) -> BinaryIO:
    """A file to read from."""
    try:
        return path.open("rb")
    except OSError as error:
        raise MissingData(f"{path} cannot be read: {error.strerror}.") from error


def _read(path: Path) -> bytes:
    """The bytes of a file."""
    with _opened(path) as file:
        return file.read()


def _only_line(form: Form, path: Path, first: Path) -> tuple[bytes, str]:
    """The line with the features of one clip, and what is wrong with its file, or nothing."""
    data = _read(path).removeprefix(BOM)
    if form.header:
        end = len(form.header)
        if not data.startswith(form.header) or data[end : end + 1] not in (b"\n", b"\r"):
            return b"", f"{path.name} has another header than {first.name}"
        data = data[end:]
    lines = lines_of(data)
    if len(lines) != 1:
        return b"", f"{path.name} has {len(lines):,} rows"
    if form.tells_name and form.name_in(lines[0]) != path.stem:
        return b"", f"{path.name} does not begin with its name, as {first.name} does"
    return lines[0], ""


def _folder(form: Form, cache: Path | None) -> Path:
    """Where parsed lines of this form are kept."""
    told = (READER, form.separator, form.quote, f"{form.lead} {form.id_at}", form.header)
    key = store.digest(*told)[:16]
    return (cache or store.cache_root()) / "features" / f"given-{key}"


def _block(form: Form, rows: Sequence[Row], where: Path) -> Block:
    """Ids and numbers of some lines, from the cache if these lines are there."""
    digest = store.digest(*(part for row in rows for part in row))
    path = where / f"{digest}.npz"
    found = _stored(path, digest, len(rows), len(form.names))
    if found is not None:
        return found
    block = parse(form, rows, digest)
    if not block.problems:
        clips, values = np.array(block.clips), block.values
        store.write_atomic(
            path, lambda file: np.savez(file, clips=clips, values=values, of=np.array(digest))
        )
    return block


def _stored(path: Path, digest: str, rows: int, dim: int) -> Block | None:
    """What the cache holds of some lines; None where it holds nothing, or is damaged."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            clips, values, of = file["clips"].tolist(), file["values"], str(file["of"])
    except DAMAGED:
        return None
    if (of, len(clips), values.shape) != (digest, rows, (rows, dim)):
        return None
    return Block(clips, values, digest, [])


def _in_threads(
    work: Callable[[Job], Block], jobs: Sequence[Job], workers: int, progress: Progress | None
) -> Iterator[Block]:
    """Blocks in the order of the jobs; reading, hashing and parsing release the interpreter."""
    with ThreadPoolExecutor(workers) as threads:
        try:
            for done, block in enumerate(threads.map(work, jobs), start=1):
                if progress is not None:
                    progress("read features", done, len(jobs))
                yield block
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def _joined(path: Path, form: Form, blocks: Iterator[Block]) -> FeatureTable:
    """All blocks as one table.

    Raises:
        BadData: what is wrong in any of them.
    """
    found = list(blocks)
    problems = [problem for block in found for problem in block.problems]
    if problems:
        raise BadData(
            f"{path}: {len(problems):,} faults in the features: {listing(problems)}. Expected one "
            f"row a clip, with {len(form.names):,} finite numbers in columns of one order. Extract "
            "these clips again, or leave them out."
        )
    clips = tuple(clip for block in found for clip in block.clips)
    values = np.empty((len(clips), len(form.names)), np.float32)
    start = 0
    for i, block in enumerate(found):
        values[start : start + len(block.values)] = block.values
        start += len(block.values)
        found[i] = block._replace(values=form.none)  # what was copied is let go
    digest = store.digest(_folder(form, Path()).name, *(block.digest for block in found))
    return FeatureTable(clips, values, form.names, digest, form.left_out)
