"""Feature rows by content: computed once per wave, kept through kills, never served for another.

    <cache>/features/<name>-<digest of what the values depend on>/<digest of its keys>.npz

Each .npz holds up to 128 rows: ``keys`` (digests of prepared waves) and ``values`` [n, D] float32.
It is written whole by the worker that computed it, and carries its own checksum (zip).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench import store
from affectbench.audio import pool
from affectbench.audio.shards import DAMAGED, read_wave
from affectbench.audio.waves import Waves
from affectbench.errors import AffectBenchError, BadData, listing
from affectbench.features.joined import concatenated
from affectbench.types import Batch, Extractor, FeatureSet, Progress

SHARD_ROWS: Final = 128
SHARDS_PER_WORKER: Final = 8  # at least, so that no worker waits long for the last one


@dataclass(frozen=True, slots=True)
class Extraction:
    """Features of waves, row by row, and where they came from."""

    values: NDArray[np.float32]  # [N, D], finite, in the order of ``Waves.table``
    padded: tuple[str, ...]  # paths of the clips shorter than ``FeatureSet.min_samples``
    computed: int  # different waves computed now
    cached: int  # different waves read from the cache
    damaged: tuple[str, ...]  # cache files that were not as written, and were made anew
    features: FeatureSet  # what was extracted: of one that is learnt, what was learnt


def extract(
    features: FeatureSet,
    waves: Waves,
    *,
    workers: int,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Features of every wave, from the cache where they are there, else computed in parallel.

    ``progress`` is told the stage "extract", in different waves. Clips shorter than
    ``features.min_samples`` are padded with zeros at their end. A feature set with ``many`` is
    computed in this process, in the order of the waves; one with ``learn`` is learnt first; of one
    with ``parts`` each part is extracted as if alone, and what was computed or read is summed.

    Raises:
        BadData: the extractor failed or gave NaN on some clips; all of them are named, and the
            rows of the others are kept in the cache.
        MissingExtra: the feature set needs a package that is not installed.
        AffectBenchError: another sampling rate is needed, the cache cannot be written, or a
            worker died; finished rows are kept.
    """
    if features.parts:
        parts = [
            extract(part, waves, workers=workers, cache=cache, progress=progress)
            for part in features.parts
        ]
        return _side_by_side(features, parts)
    if features.rate_hz != waves.rate_hz:
        raise AffectBenchError(
            f"Feature set '{features.name}' needs {features.rate_hz:,} Hz; waves are prepared at "
            f"{waves.rate_hz:,} Hz."
        )
    tell = progress or (lambda stage, done, total: None)
    if features.learn is not None:
        features = features.learn(waves, progress)
    folder = _folder(features, cache)
    rows = _Rows(features, waves)
    total = len(rows.of)
    damaged = [path for path in sorted(folder.glob("*.npz")) if not rows.fill(path)]
    for path in damaged:
        _remove(path)
    cached = total - len(rows.missing)
    tell("extract", cached, total)
    jobs = _jobs(features, waves, rows.missing, folder, workers)
    run = _run_here if features.many else _run_jobs
    failed = run(folder, jobs, workers, rows, lambda n: tell("extract", cached + n, total))
    if failed:
        why = [f"{path} ({failed[path]})" for path in waves.table["path"] if path in failed]
        raise BadData(
            f"No '{features.name}' features for {len(failed):,} of {total:,} clips: "
            f"{listing(why)}. "
            "Remove these clips or mend their files; the features of the others are kept."
        )
    if rows.missing:
        raise RuntimeError(f"{len(rows.missing)} waves gave neither features nor a reason")
    short = waves.table.filter(waves.table["samples"] < features.min_samples)
    return Extraction(
        values=rows.values,
        padded=tuple(short["path"]),
        computed=total - cached,
        cached=cached,
        damaged=tuple(path.name for path in damaged),
        features=features,
    )


def _side_by_side(features: FeatureSet, parts: Sequence[Extraction]) -> Extraction:
    """Extractions of the parts as one; of parts that were learnt the set is of what was learnt."""
    extracted = tuple(part.features for part in parts)
    if any(now is not before for now, before in zip(extracted, features.parts, strict=True)):
        features = concatenated(*extracted, name=features.name, title=features.title)
    return Extraction(
        values=np.concatenate([part.values for part in parts], axis=1),
        padded=tuple(dict.fromkeys(path for part in parts for path in part.padded)),
        computed=sum(part.computed for part in parts),
        cached=sum(part.cached for part in parts),
        damaged=tuple(name for part in parts for name in part.damaged),
        features=features,
    )


class _Rows:
    """The values to be filled: which rows each key stands for, and which are still missing."""

    def __init__(self, features: FeatureSet, waves: Waves) -> None:
        self.values = np.full((len(waves), features.dim), np.nan, np.float32)
        self.of: dict[str, list[int]] = {}
        for row, key in enumerate(waves.table["digest"]):
            self.of.setdefault(key, []).append(row)
        self.missing: dict[str, int] = {key: rows[0] for key, rows in self.of.items()}

    def fill(self, path: Path) -> bool:
        """Copy the missing rows that a shard holds; False where it is not as it was written."""
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                keys = file["keys"].tolist()
                if path.stem != store.digest(*keys):
                    return False
                if not any(key in self.missing for key in keys):
                    return True
                values = file["values"]
        except DAMAGED:
            return False
        expected = (len(keys), self.values.shape[1])
        if values.shape != expected or values.dtype != np.float32 or not np.isfinite(values).all():
            return False
        for key, value in zip(keys, values, strict=True):
            if key in self.missing:
                self.values[self.of[key]] = value
                del self.missing[key]
        return True


@dataclass(frozen=True, slots=True)
class _Clip:
    """Where a wave lies, and what to call it."""

    key: str
    shard: str
    offset: int
    samples: int
    path: str


@dataclass(frozen=True, slots=True)
class _Job:
    """Clips whose features one worker computes and writes."""

    opener: Callable[[], Extractor] | None
    many: Callable[[], Batch] | None
    extractor: str  # the same name, the same extractor: a worker opens it once
    dim: int
    min_samples: int
    waves: Path
    folder: Path
    clips: tuple[_Clip, ...]


@dataclass(frozen=True, slots=True)
class _ShardDone:
    """What a worker tells of its job."""

    path: Path | None  # None where no clip gave values
    clips: int
    failed: dict[str, str]  # path of the clip -> why


def _jobs(
    features: FeatureSet, waves: Waves, missing: Mapping[str, int], folder: Path, workers: int
) -> list[_Job]:
    """The missing rows in groups, in the order of the waves."""
    columns = waves.table.select("digest", "shard", "offset", "samples", "path")
    clips = [_Clip(*columns.row(row)) for row in missing.values()]
    step = min(SHARD_ROWS, len(clips) // (SHARDS_PER_WORKER * max(1, workers)) + 1)
    step = SHARD_ROWS if features.many else step
    return [
        _Job(
            opener=features.open,
            many=features.many,
            extractor=str(folder),
            dim=features.dim,
            min_samples=features.min_samples,
            waves=waves.folder,
            folder=folder,
            clips=tuple(clips[start : start + step]),
        )
        for start in range(0, len(clips), step)
    ]


def _run_jobs(
    folder: Path,
    jobs: Sequence[_Job],
    workers: int,
    rows: _Rows,
    finished: Callable[[int], object],
) -> dict[str, str]:
    """Compute the shards in parallel and fill the rows; why, by path of each clip that failed."""
    failed: dict[str, str] = {}
    clips = 0

    def note(result: _ShardDone) -> None:
        nonlocal clips
        clips += result.clips
        failed.update(result.failed)
        if result.path is not None and not rows.fill(result.path):
            raise AffectBenchError(f"{result.path} was changed while it was read. Run again.")
        finished(clips)

    pool.clear_partials(folder)
    try:
        pool.for_each(_compute_shard, jobs, workers=workers, done=note)
    except BaseException:
        # What killed workers had begun to write.
        names = {f"{store.digest(*(clip.key for clip in job.clips))}.npz" for job in jobs}
        pool.clear_partials(folder, names)
        raise
    return failed


def _run_here(
    folder: Path,
    jobs: Sequence[_Job],
    workers: int,
    rows: _Rows,
    finished: Callable[[int], object],
) -> dict[str, str]:
    """The same in this process, with one extractor that takes many waves at once."""
    del workers
    failed: dict[str, str] = {}
    clips = 0
    if not jobs or jobs[0].many is None:
        return failed
    pool.clear_partials(folder)
    batch = jobs[0].many()
    for job in jobs:
        found = batch(_Clips(job))
        keys: list[str] = []
        values: list[NDArray[np.float32]] = []
        for clip, row in zip(job.clips, found, strict=True):
            try:
                values.append(_checked(job, row))
                keys.append(clip.key)
            except BadData as error:
                failed[clip.path] = str(error)
        result = _write_shard(job, keys, values, failed)
        clips += result.clips
        if result.path is not None and not rows.fill(result.path):
            raise AffectBenchError(f"{result.path} was changed while it was read. Run again.")
        finished(clips)
    return failed


_OPEN: dict[str, Extractor] = {}  # in a worker: its extractors


def _compute_shard(job: _Job) -> _ShardDone:
    """Compute and write one shard; runs in a worker."""
    if job.extractor not in _OPEN:
        if job.opener is None:
            raise AffectBenchError(f"{job.folder.name}: these features are not made from waves.")
        _OPEN[job.extractor] = job.opener()
    keys: list[str] = []
    values: list[NDArray[np.float32]] = []
    failed: dict[str, str] = {}
    for clip in job.clips:
        try:
            values.append(_checked(job, _OPEN[job.extractor](_padded(job, clip))))
            keys.append(clip.key)
        except BadData as error:
            failed[clip.path] = str(error)
    return _write_shard(job, keys, values, failed)


def _write_shard(
    job: _Job, keys: list[str], values: list[NDArray[np.float32]], failed: dict[str, str]
) -> _ShardDone:
    """Write the rows of a job."""
    if not keys:
        return _ShardDone(None, len(job.clips), failed)
    path = job.folder / f"{store.digest(*keys)}.npz"
    store.write_atomic(
        path, lambda file: np.savez(file, keys=np.array(keys), values=np.stack(values))
    )
    return _ShardDone(path, len(job.clips), failed)


class _Clips(Sequence[NDArray[np.int16]]):
    """The waves of a job, each read when it is asked for: long clips need not fit side by side."""

    def __init__(self, job: _Job) -> None:
        self._job = job

    def __len__(self) -> int:
        return len(self._job.clips)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return _padded(self._job, self._job.clips[index])


def _padded(job: _Job, clip: _Clip) -> NDArray[np.int16]:
    """[T]: the wave of one clip, with zeros at its end where it is too short."""
    wave = read_wave(job.waves, clip.shard, clip.offset, clip.samples, clip.key)
    return np.pad(wave, (0, max(0, job.min_samples - len(wave))))


def _checked(job: _Job, row: NDArray[np.float32]) -> NDArray[np.float32]:
    """[D]: the features of one clip; ``BadData`` where they are not D finite numbers."""
    row = np.asarray(row, np.float32)
    if row.shape != (job.dim,):
        raise BadData(f"{row.shape} values where ({job.dim},) were expected")
    wrong = job.dim - np.count_nonzero(np.isfinite(row))
    if wrong:
        raise BadData(f"{wrong:,} of {job.dim:,} values are NaN or infinite")
    return row


def _folder(features: FeatureSet, cache: Path | None) -> Path:
    """The folder of this feature set as it is installed now; says inside what that is."""
    identity = {
        "name": features.name,
        "dim": str(features.dim),
        "rate_hz": str(features.rate_hz),
        "min_samples": str(features.min_samples),
        **features.identity(),
    }
    key = store.digest_json(identity)[:16]
    folder = (cache or store.cache_root()) / "features" / f"{features.name}-{key}"
    if not (folder / "identity.json").exists():
        store.write_json(folder / "identity.json", identity)
    return folder


def _remove(path: Path) -> None:
    """Remove a damaged cache file."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise store.disk_error(error, path) from error
