"""Features that users already have: arrays, Parquet, CSV, or a folder with a CSV a clip.

Rows are joined to clips by id, never by order, and both sides are checked: upstream's inner join
loses clips in silence. Quotes and brackets around an id do not count; where an id alone fits
nothing, neither does the ending of an audio file, then neither do folders before it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench import store
from affectbench.errors import BadData, MissingData, listing
from affectbench.features.released import FeatureTable, read_file, read_folder
from affectbench.features.written import (
    ID_NAMES,
    NO_FEATURES,
    bare,
    lines_of,
    without_ending,
    wrong_cell,
)
from affectbench.types import FeatureSet, Progress

if TYPE_CHECKING:
    import polars as pl

SHIPPED: Final = "features.csv"  # of HUME-PROSODY: its folder tells what it holds
ROWS: Final = 4_096  # digested and checked at once
KINDS: Final = ".npy, .npz, .parquet, .csv, .tsv, or a folder with a CSV a clip"


def given(
    path: Path,
    *,
    workers: int | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> FeatureSet:
    """The features in a file or folder as a feature set, named ``given-<name of the file>``.

    - ``.csv``, ``.tsv``, a folder of them: see ``released``. Parsed once, then found by content.
    - ``.parquet``: a column with ids (``clip``, ``filename``, ``file``, ...; else the first) and
      columns of numbers.
    - ``.npz``: ``clips`` [M], ``values`` [M, D], and ``names`` [D] if there are any.
    - ``.npy``: [M, D], its ids one a line in ``<stem>.clips.txt``, ``<stem>.txt`` or
      ``<stem>.csv``.

    Ids, times of frames and segments, and counters that lie before the features are no features.
    Rows of no clip of a corpus are allowed and counted in ``facts``; a clip without a row is not.

    Args:
        path: the file or folder.
        workers: threads that read text; None is one a core.
        cache: folder of the cache; None is the user's.
        progress: told the stage "read features" of text.

    Raises:
        MissingData: the file, or the ids of an array, are not there.
        BadData: another kind of file, a clip twice, NaN or infinities (by clip and column).
        AffectBenchError: the cache cannot be written.
    """
    path = Path(path).resolve()
    if path.is_dir() and (path / SHIPPED).is_file():
        path /= SHIPPED
    if not path.exists():
        raise MissingData(f"{path} is not there. Expected features: {KINDS}.")
    if path.is_dir() or path.suffix.casefold() in (".csv", ".tsv"):
        read = read_folder if path.is_dir() else read_file
        threads = workers or os.cpu_count() or 1
        return _feature_set(path, read(path, workers=threads, cache=cache, progress=progress))
    readers: dict[str, Callable[..., FeatureTable]] = {
        ".npy": _read_npy,
        ".npz": _read_npz,
        ".parquet": _read_parquet,
    }
    if path.suffix.casefold() not in readers:
        raise BadData(f"{path.name} is no kind of features that is known. Expected {KINDS}.")
    return _feature_set(path, readers[path.suffix.casefold()](path))


def _feature_set(path: Path, table: FeatureTable) -> FeatureSet:
    """The row for a table."""
    joining = Joining(path.name, table)
    shipped = path.name == SHIPPED
    word = re.sub("[^a-z0-9]+", "-", (path.parent.name if shipped else path.stem).casefold())
    return FeatureSet(
        name=f"given-{word.strip('-') or table.digest[:8]}",
        title=f"features of {path.name}",
        dim=len(table.names),
        names=lambda: table.names,
        identity=joining.identity,
        of_clips=joining.of_clips,
        licence="that of who made them",
        source=f"given: {path.name}, {len(table.clips):,} rows",
        facts=joining.facts,
    )


class Joining:
    """A table of features that answers for the clips of a corpus.

    ``facts`` tells of the file, and from the first ``of_clips`` on how many of its rows are of no
    clip (``rows_of_no_clip``).
    """

    def __init__(self, name: str, table: FeatureTable) -> None:
        self.name = name
        self.table = table
        self.facts: dict[str, Any] = {
            "file": name,
            "rows": len(table.clips),
            "columns_left_out": list(table.left_out),
        }
        if not table.clips:
            raise BadData(f"{name} has no row. Expected one for each clip.")
        doubled = _doubled([bare(clip) for clip in table.clips])
        if doubled:
            raise BadData(
                f"{name} has {len(doubled):,} clips on more than one row: {listing(doubled)}. "
                "Expected one row a clip; remove the others."
            )

    def identity(self) -> Mapping[str, str]:
        """The digest of what was read."""
        return {"content": self.table.digest}

    def of_clips(self, clips: pl.DataFrame) -> NDArray[np.float32]:
        """[N, D]: the row of each clip, in the order of the clips.

        Raises:
            MissingData: clips have no row; all of them are counted.
            BadData: several rows fit a clip, or a feature is named as a column of the corpus.
        """
        own = [name for name in self.table.names if name in clips.columns]
        if own:
            raise BadData(
                f"{self.name} has columns that are named as labels or facts of the corpus: "
                f"{listing(own)}. A label must not be predicted from itself: remove these columns, "
                "or rename them where they are something else."
            )
        wanted = clips["clip"].to_list()
        rows, missing, many = min(self._joins(wanted), key=lambda join: len(join[1]))
        if missing:
            raise MissingData(
                f"{self.name} has no row for {len(missing):,} of {len(wanted):,} clips: "
                f"{listing(missing)}. Its ids are as {listing(self.table.clips, 3)}. Add rows for "
                "these clips, or take features of this corpus."
            )
        if many:
            raise BadData(
                f"{self.name} has several rows that fit one clip, for {len(many):,} clips: "
                f"{listing(many)}. Expected one row a clip."
            )
        self.facts["rows_of_no_clip"] = len(self.table.clips) - len(wanted)
        if rows == list(range(len(self.table.clips))):
            return self.table.values
        return self.table.values[rows]

    def _joins(self, wanted: Sequence[str]) -> Iterator[tuple[list[int], list[str], list[str]]]:
        """From strict to loose: rows [N], clips without a row, clips that several rows fit."""
        for key in (bare, without_ending, _last_part):
            fits: dict[str, list[int]] = {}
            for row, clip in enumerate(self.table.clips):
                fits.setdefault(key(clip), []).append(row)
            found = [fits.get(key(clip), []) for clip in wanted]
            missing = [clip for clip, rows in zip(wanted, found, strict=True) if not rows]
            many = [clip for clip, rows in zip(wanted, found, strict=True) if len(rows) > 1]
            yield [rows[0] for rows in found if rows], missing, many
            if not missing:
                return


def _last_part(clip: str) -> str:
    """An id without folders, and without the ending of an audio file."""
    return without_ending(PurePosixPath(bare(clip).replace("\\", "/")).name)


def _doubled(clips: Sequence[str]) -> list[str]:
    """Ids that are there more than once."""
    return [clip for clip, count in Counter(clips).items() if count > 1]


def _read_npz(path: Path) -> FeatureTable:
    """``clips`` [M], ``values`` [M, D], ``names`` [D]."""
    arrays = _load(path)
    absent = [name for name in ("clips", "values") if name not in arrays]
    if absent:
        raise MissingData(
            f"{path.name} lacks {listing(absent)}; it holds {listing(sorted(arrays))}. Expected "
            "clips [M] and values [M, D]: np.savez(file, clips=ids, values=features)."
        )
    names = arrays["names"].tolist() if "names" in arrays else None
    return _of_array(path, arrays["clips"].tolist(), arrays["values"], names)


def _read_npy(path: Path) -> FeatureTable:
    """[M, D], with its ids in a file beside it."""
    beside = [path.with_name(path.stem + end) for end in (".clips.txt", ".txt", ".csv")]
    told = next((file for file in beside if file.is_file()), None)
    if told is None:
        raise MissingData(
            f"{path.name} does not say which row is which clip, and order is no join. Write the "
            f"ids, one a line, to {beside[0].name} beside it, or save both in one file: "
            "np.savez(file, clips=ids, values=features)."
        )
    try:
        lines = [line.decode() for line in lines_of(told.read_bytes())]
    except UnicodeDecodeError as error:
        raise BadData(f"{told} is not UTF-8 text ({error}).") from error
    clips = [re.split("[,;\t]", line)[0] for line in lines]
    if clips and bare(clips[0]).casefold() in ID_NAMES:
        del clips[0]
    return _of_array(path, clips, _load(path)["values"], None)


def _load(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file by name; that of an .npy is ``values``."""
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            return {"values": found} if isinstance(found, np.ndarray) else dict(found)
    except (OSError, ValueError, EOFError) as error:
        raise BadData(
            f"{path.name} cannot be read as numbers ({error}). Expected an array of numbers that "
            "numpy saved, without objects in it."
        ) from error


def _read_parquet(path: Path) -> FeatureTable:
    """A column with ids and columns of numbers."""
    import polars as pl

    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise BadData(f"{path.name} cannot be read as Parquet: {error}") from error
    known = {name: name.strip().casefold() for name in table.columns}
    ids = [name for name in table.columns if known[name] in ID_NAMES] or table.columns[:1]
    left = [name for name in table.columns if known[name] in NO_FEATURES and name not in ids]
    names = [name for name in table.columns if name not in (*ids, *left)]
    other = [name for name in names if not table[name].dtype.is_numeric()]
    if not names or other:
        found = f"{listing(other)} holds no numbers" if other else "there is no such column"
        raise BadData(
            f"{path.name}: {found}. Expected a column with ids and, for each feature, a column of "
            "numbers."
        )
    clips = table[ids[0]].cast(pl.String).fill_null("").to_list()
    values = table.select(pl.col(names).cast(pl.Float32)).to_numpy()
    return _of_array(path, clips, values, names, left)


def _of_array(
    path: Path,
    clips: Sequence[Any],
    values: NDArray[Any],
    names: Sequence[str] | None,
    left_out: Sequence[str] = (),
) -> FeatureTable:
    """A table of an array, checked: as many ids and names as it says, and finite numbers."""
    if values.ndim != 2 or values.dtype.kind not in "fiub" or not values.size:
        raise BadData(
            f"{path.name} holds {values.dtype} of shape {values.shape}. Expected numbers [M, D]: a "
            "row a clip, a column a feature."
        )
    if len(clips) != len(values):
        raise BadData(
            f"{path.name} has {len(values):,} rows and {len(clips):,} ids. Expected one id a row."
        )
    names = [f"f{i}" for i in range(values.shape[1])] if names is None else names
    if len(names) != values.shape[1]:
        raise BadData(
            f"{path.name} has {values.shape[1]:,} columns and {len(names):,} names. Expected as "
            "many."
        )
    ids = tuple(str(clip) for clip in clips)
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(values, np.float32)
    digests, wrong = [], []
    for start in range(0, len(numbers), ROWS):
        some = numbers[start : start + ROWS]
        bad = ~np.isfinite(some)
        for row in np.flatnonzero(bad.any(axis=1)).tolist():
            first, *more = np.flatnonzero(bad[row]).tolist()
            cell = f"{values[start + row, first]}"
            wrong.append(wrong_cell(ids[start + row], str(names[first]), cell, len(more)))
        digests.append(store.digest(some.tobytes()))
    if wrong:
        raise BadData(
            f"{path.name}: {len(wrong):,} clips have features that are no finite 32-bit numbers: "
            f"{listing(wrong)}. Extract these clips again, or leave these columns out."
        )
    digest = store.digest("\n".join(ids), "\n".join(map(str, names)), *digests)
    return FeatureTable(ids, numbers, tuple(map(str, names)), digest, tuple(left_out))
