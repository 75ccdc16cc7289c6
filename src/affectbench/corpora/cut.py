"""The long recordings of MODULATE-SONATA to one wav a clip, sample-exact in the decoded mp3.

    <out>/wav/<clip>.wav     16 bit, mono (all channels averaged), the rate of the recording
    <out>/manifest.csv       where each came from, and its digest

A clip is samples round(start_s * rate) to round(end_s * rate) of what libsndfile decodes. An mp3
encoder delays its input; libsndfile's decoder (mpg123) takes that delay and the padding at the end
away where the first frame tells them (the LAME tag, which nearly all encoders write): then the
offset is 0 samples, which a test measures. Without the tag nothing tells the delay, the audio comes
1,105 samples late after LAME (576 of the encoder, 529 of the decoder; 25 ms at 44.1 kHz), and so it
does in most players, so times read off a player still fit; such recordings are named in the report.
"""

from __future__ import annotations

import hashlib
import io
import os
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench.audio import pool
from affectbench.audio.decode import decode, read_bytes
from affectbench.audio.mpeg import after_id3, read_header
from affectbench.audio.waves import quiet
from affectbench.corpora.modulate_sonata import CORPUS, EXTRA, MANIFEST, NAME, SPLIT_FILE, By, read
from affectbench.errors import AffectBenchError, BadData, MissingData, ResultConflict, listing
from affectbench.store import keep_twin_mark, write_atomic
from affectbench.types import Fact, Finding, Progress

COLUMNS: Final = {
    "clip": pl.String,
    "speaker": pl.String,
    "role": pl.String,
    "emotion": pl.String,
    "source": pl.String,  # name of the recording
    "start_s": pl.Float64,
    "end_s": pl.Float64,
    "lines": pl.Int64,
    "sentence": pl.String,
    "rate_hz": pl.Int64,
    "samples": pl.Int64,
    "clipped": pl.Int64,  # decoded samples beyond full scale, set to it
    "sha256": pl.String,  # of the wav file
    "source_sha256": pl.String,  # of the recording
}
DELAY_TAGS: Final = (b"LAME", b"Lavf", b"Lavc")  # who says in the first frame what it delays


@dataclass(frozen=True, slots=True, kw_only=True)
class CutReport:
    """What was cut, and what could not be."""

    out: Path
    by: By
    manifest: pl.DataFrame  # [N] rows of ``COLUMNS``
    kept: int  # clips that were there already
    bad: Mapping[str, str]  # recording -> why it cannot be used
    untagged: tuple[str, ...]  # recordings that do not tell the delay of their encoder
    findings: tuple[Finding, ...]  # of reading the folder

    @property
    def segments(self) -> int:
        """N, the clips cut."""
        return self.manifest.height

    @property
    def total_s(self) -> float:
        """Duration of all clips, seconds."""
        return float((self.manifest["samples"] / self.manifest["rate_hz"]).sum())

    @property
    def mean_s(self) -> float:
        """Mean duration of a clip, seconds; NaN without any."""
        return self.total_s / self.segments if self.segments else float("nan")

    @property
    def fine(self) -> bool:
        """Whether every recording was cut and nothing fatal was found."""
        return not self.bad and not any(finding.fatal for finding in self.findings)

    def beside_published(self) -> tuple[tuple[Fact, float], ...]:
        """Each published total of emotion blocks with what was found; empty for lines."""
        if self.by != "block":
            return ()
        per_class = self.manifest["emotion"].value_counts()["count"]
        found = {
            "clips": self.segments,
            "mean duration_s": self.mean_s,
            "duration_s": self.total_s,
            "speakers": self.manifest["speaker"].drop_nulls().n_unique(),
            "clips of a class from": _number(per_class.min()),
            "clips of a class to": _number(per_class.max()),
        }
        return tuple(
            (fact, found[fact.what])
            for fact in CORPUS.facts
            if fact.what in found and fact.status == "published"
        )

    def lines(self) -> list[str]:
        """The report as text, without a label."""
        text = [
            f"{self.segments:,} {self.by}s of {self.manifest['source'].n_unique():,} recordings, "
            f"{self.total_s:,.0f} s, mean {self.mean_s:.2f} s; {self.kept:,} were there already"
        ]
        for fact, value in self.beside_published():
            text.append(f"{fact.what}: {value:,.10g} here, {fact.value:,.10g} in {fact.source}")
        clipped = int(self.manifest["clipped"].sum())
        if clipped:
            text.append(f"{clipped:,} decoded samples beyond full scale were set to it")
        if self.untagged:
            text.append(
                f"{len(self.untagged):,} recordings do not tell their encoder's delay "
                f"({listing(self.untagged)}): clips may come about 25 ms late"
            )
        text += [f"not cut: {name}: {why}" for name, why in self.bad.items()]
        for finding in self.findings:
            shown = f" ({listing(finding.items)})" if finding.items else ""
            text.append(f"{finding.kind}: {len(finding.items):,}{shown}. {finding.advice}")
        return text


def _number(value: Any) -> float:
    """A count, NaN where there is none."""
    return float("nan") if value is None else float(value)


@dataclass(frozen=True, slots=True)
class _Job:
    """One recording: its clips, and the manifest rows of an earlier run."""

    path: Path
    out: Path
    clips: tuple[dict[str, Any], ...]
    before: Mapping[str, dict[str, Any]]  # clip -> row


@dataclass(frozen=True, slots=True)
class _Done:
    """What a worker did with a recording."""

    name: str
    rows: list[dict[str, Any]]
    kept: int
    bad: str  # why nothing was cut; empty when all went well
    tagged: bool


def cut(
    root: Path,
    out: Path,
    *,
    by: By = "block",
    pattern: str = NAME,
    workers: int | None = None,
    progress: Progress | None = None,
) -> CutReport:
    """Cut all recordings below root into clips; ``read(out)`` then gives the same clips.

    A killed run goes on where it stopped: a wav that is there with the right digest is kept.
    A recording that cannot be decoded whole is reported and the others are cut.

    Args:
        root: A folder of the released layout.
        out: Where ``wav/`` and ``manifest.csv`` go; another folder than root.
        by: "block": all lines of a class that follow one another; "line": each line.
        pattern: How names tell speaker and role; see ``modulate_sonata.NAME``.
        workers: Processes; all cores when None.
        progress: Told "cut", recordings done, recordings in all.

    Raises:
        MissingData, BadData: the folder cannot be read; see ``modulate_sonata.read``.
        ResultConflict: out holds clips of another cut, or is root.
        AffectBenchError: out cannot be written, or a worker died.
    """
    root, out = Path(root), Path(out)
    if by not in ("block", "line"):
        raise AffectBenchError(f"Cut by {by!r} was asked for; expected 'block' or 'line'.")
    if out.resolve() == root.resolve():
        raise ResultConflict(f"{out} is the folder of the recordings. Name another one for --out.")
    if (root / MANIFEST).exists():
        raise BadData(f"{root} holds a {MANIFEST}: it is cut already. Name the recordings' folder.")
    reading = read(root, by=by, pattern=pattern)
    jobs, order = _jobs(reading.clips, out)
    rows: dict[str, dict[str, Any]] = {}
    finished: list[_Done] = []

    def note(done: _Done) -> None:
        finished.append(done)
        rows.update((row["clip"], row) for row in done.rows)
        _write_manifest(out, [rows[clip] for clip in order if clip in rows])
        if progress is not None:
            progress("cut", len(finished), len(jobs))

    (out / "wav").mkdir(parents=True, exist_ok=True)
    keep_twin_mark(root, out)
    pool.clear_partials(out / "wav", [f"{clip}.wav" for clip in order])
    if (root / SPLIT_FILE).is_file():
        known = (root / SPLIT_FILE).read_bytes()
        write_atomic(out / SPLIT_FILE, lambda file: file.write(known))
    pool.for_each(_cut_one, jobs, workers=workers or os.cpu_count() or 1, done=note)
    finished.sort(key=lambda done: done.name)
    return CutReport(
        out=out,
        by=by,
        manifest=_table([rows[clip] for clip in order if clip in rows]),
        kept=sum(done.kept for done in finished),
        bad={done.name: done.bad for done in finished if done.bad},
        untagged=tuple(done.name for done in finished if not done.bad and not done.tagged),
        findings=tuple(f for f in reading.findings if f.kind != "recordings not cut"),
    )


def _table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=COLUMNS)


def _write_manifest(out: Path, rows: list[dict[str, Any]]) -> None:
    write_atomic(out / MANIFEST, _table(rows).write_csv)


def _jobs(clips: pl.DataFrame, out: Path) -> tuple[list[_Job], list[str]]:
    """A job for each recording, and the ids of all clips in order."""
    before = _rows_before(out / MANIFEST)
    order = clips["clip"].to_list()
    foreign = sorted(set(before) - set(order))
    if foreign:
        raise ResultConflict(
            f"{out / MANIFEST} lists {len(foreign):,} clips that are none of this cut: "
            f"{listing(foreign)}. Name an empty folder, or remove this one."
        )
    jobs = []
    for path, some in clips.group_by("path", maintain_order=True):
        told = tuple(some.select("clip", "speaker", *EXTRA).iter_rows(named=True))
        mine = {row["clip"]: before[row["clip"]] for row in told if row["clip"] in before}
        jobs.append(_Job(Path(str(path[0])), out, told, mine))
    return jobs, order


def _rows_before(path: Path) -> dict[str, dict[str, Any]]:
    """Rows of the manifest of an earlier run by clip; none where there is no manifest."""
    if not path.is_file():
        return {}
    try:
        found = pl.read_csv(path, n_rows=0).columns
        if found != list(COLUMNS):
            raise ResultConflict(
                f"{path} is not of this command: its columns are {listing(found)}. "
                "Name an empty folder."
            )
        table = pl.read_csv(path, schema=COLUMNS)
    except pl.exceptions.PolarsError as error:
        raise ResultConflict(
            f"{path} cannot be read: {error}. Remove it; what is cut is cut again."
        ) from error
    return {row["clip"]: row for row in table.iter_rows(named=True)}


def _cut_one(job: _Job) -> _Done:
    """Cut one recording; runs in a worker."""
    name = job.path.name
    try:
        data = read_bytes(job.path)
        source = hashlib.sha256(data).hexdigest()
        if _whole(job, source):
            rows = [job.before[clip["clip"]] for clip in job.clips]
            return _Done(name, rows, len(rows), "", _tells_delay(data))
        with quiet():
            decoded = decode(data)
        told = {"source": name, "rate_hz": decoded.rate_hz, "source_sha256": source}
        rows, kept = [], 0
        for clip in job.clips:
            row, was_there = _write_clip(job.out, clip | told, decoded.samples, decoded.rate_hz)
            rows.append(row)
            kept += was_there
    except (BadData, MissingData) as error:
        return _Done(name, [], 0, str(error), True)
    return _Done(name, rows, kept, "", _tells_delay(data))


def _whole(job: _Job, source: str) -> bool:
    """Whether all clips of a recording are there as this run would write them."""
    for clip in job.clips:
        row = job.before.get(clip["clip"])
        if row is None or row["source_sha256"] != source:
            return False
        if any(row[name] != value for name, value in clip.items()):
            return False
        if _digest(job.out, clip["clip"]) != row["sha256"]:
            return False
    return True


def _digest(out: Path, clip: str) -> str:
    """SHA-256 of a clip's file; empty where there is none."""
    path = out / "wav" / f"{clip}.wav"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _write_clip(
    out: Path, row: dict[str, Any], samples: NDArray[np.float32], rate_hz: int
) -> tuple[dict[str, Any], bool]:
    """Write one clip unless it is there; its manifest row, and whether it was there."""
    first, last = (round(row[edge] * rate_hz) for edge in ("start_s", "end_s"))
    piece = samples[first:last]
    if not len(piece):
        raise BadData(f"clip {row['clip']} lies past the {len(samples):,} samples decoded")
    data, clipped = wav_bytes(piece, rate_hz)
    digest = hashlib.sha256(data).hexdigest()
    row |= {"samples": len(piece), "clipped": clipped, "sha256": digest}
    if _digest(out, row["clip"]) == digest:
        return row, True
    write_atomic(out / "wav" / f"{row['clip']}.wav", lambda file: file.write(data))
    return row, False


def wav_bytes(samples: NDArray[np.float32], rate_hz: int) -> tuple[bytes, int]:
    """[T] as a 16 bit wav (full scale is 32,768, rounded), and how many samples were too large."""
    scaled = np.rint(samples * np.float32(32768))
    whole = np.clip(scaled, -32768, 32767)
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(whole.astype("<i2").tobytes())
    return data.getvalue(), int(np.count_nonzero(whole != scaled))


def _tells_delay(data: bytes) -> bool:
    """Whether the first frame of an mp3 tells its encoder's delay."""
    start = after_id3(data)
    frame = read_header(data, start)
    head = data[start : start + frame.size] if frame else b""
    counted = b"Xing" in head or b"Info" in head  # else a tag is filling in an audio frame
    return counted and any(tag in head for tag in DELAY_TAGS)
