"""A corpus folder to one of prepared clips: 16 kHz, mono, 16 bit, peak at -3 dBFS, and its labels.

The folder mirrors the released one: clips under their relative paths with the ending of the form,
label files as they are. Two files more: ``prepared.csv``, one row a file with the digests of what
went in and came out, and ``prepared.parquet``, the clips table with paths relative to the folder,
which ``read_prepared`` reads whatever the form. While files are written, ``prepared.partial.jsonl``
keeps the rows that are done: a run that was killed goes on from there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Final, Literal

import polars as pl

from affectbench import store
from affectbench.audio import decode, pool, prepare
from affectbench.audio.decode import read_bytes
from affectbench.audio.listen import Batches, listen_all
from affectbench.audio.official import encode, official_wave
from affectbench.audio.prepare import identity
from affectbench.audio.shards import THREADS
from affectbench.audio.waves import quiet
from affectbench.errors import BadData, MissingData, MissingExtra, ResultConflict, listing
from affectbench.schema import check_clips
from affectbench.types import Corpus, Finding, Progress, Reading

Form = Literal["wav", "flac"]
Arithmetic = Literal["round", "official"]

MANIFEST: Final = "prepared.csv"
JOURNAL: Final = "prepared.partial.jsonl"
CLIPS: Final = "prepared.parquet"
TABLES: Final = (".csv", ".tsv", ".txt", ".json", ".parquet")  # label files, copied as they are
LEFT_OUT: Final = ("features",)  # folders of extracted features: tables, but no labels
COLUMNS: Final = (
    "clip",  # ids, apart by a blank where several share the file
    "path",  # below the prepared folder
    "source",  # below the released folder
    "source_sha256",
    "sha256",  # of the written file
    "samples",
    "form",
    "arithmetic",
    "settings",  # digest of the versions and settings that the samples depend on
)
SCHEMA: Final = dict.fromkeys(COLUMNS, pl.String)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What ``prepare_corpus`` made."""

    out: Path
    clips: int  # rows of the clips table
    files: int  # prepared files that are there now
    written: int  # of them, by this call
    kept: int  # of them, found whole
    tables: int  # label files beside them
    findings: tuple[Finding, ...]  # of the reader, and files that gave nothing


@dataclass(frozen=True, slots=True)
class _Job:
    """What a worker needs to know besides the files."""

    root: Path
    out: Path
    form: Form
    arithmetic: Arithmetic
    settings: str


@dataclass(frozen=True, slots=True)
class _Done:
    """What a worker tells of its files."""

    rows: list[tuple[str, ...]]  # of the manifest
    bad: dict[str, str]  # source -> why it gave nothing
    kept: int  # rows whose file was there already


def prepare_corpus(
    corpus: Corpus,
    root: Path,
    out: Path,
    *,
    form: Form = "wav",
    arithmetic: Arithmetic = "round",
    workers: int | None = None,
    keep_going: bool = False,
    progress: Progress | None = None,
) -> Prepared:
    """Write every clip of a corpus folder in the form that all systems read.

    Args:
        corpus: What ``root`` is.
        root: The released folder; it is not changed.
        out: The prepared folder, outside ``root``; files in it that are right are kept.
        form: Of the written files, 16 bit either way.
        arithmetic: ``round`` scales in float64 to 10 ** (-3 / 20) of 32,768 and rounds;
            ``official`` is ``official_wave``. No dither.
        workers: Processes; one a core by default.
        keep_going: Go on without what cannot be read, and say so in ``findings``.
        progress: Told the stages "listen" and "prepare", files done, files in all.

    Raises:
        MissingData, BadData: the folder cannot be read as the corpus; a file cannot be decoded
            (all of them in one message, before any is written); two files would have one name.
        AffectBenchError: the disk is full or read-only; a worker died. Finished files are kept.
    """
    if form not in ("wav", "flac") or arithmetic not in ("round", "official"):
        raise BadData(
            f"form is '{form}' and arithmetic '{arithmetic}'. Expected wav or flac, and round or "
            "official."
        )
    root, out = root.resolve(), out.resolve()
    if out.is_relative_to(root) or root.is_relative_to(out):
        raise BadData(f"{out} and {root} lie in each other. Expected a folder apart from the data.")
    workers = workers or os.cpu_count() or 1
    reading = corpus.read(root)
    clips = _relative(check_clips(reading.clips), root)
    findings = list(reading.findings)
    _stop(findings, keep_going)
    sources = clips["path"].drop_nulls().unique(maintain_order=True)
    _one_name_each(sources, form)
    settings = store.digest_json({**identity(), "form": form, "arithmetic": arithmetic})
    job = _Job(root, out, form, arithmetic, settings)
    known = _known(job)
    new = sources.filter(~sources.is_in(known["source"].implode()))
    bad = _unreadable(new, root, workers, progress)
    findings += _broken(bad)
    _stop(findings, keep_going)
    todo = _todo(clips, known).filter(~pl.col("source").is_in(list(bad)))
    rows, bad, kept = _write_all(job, todo, workers, progress)
    findings += _broken(bad)
    _stop(findings, keep_going)
    tables = _copy_tables(root, out)
    store.keep_twin_mark(root, out)
    _finish(out, clips, rows)
    return Prepared(
        out=out,
        clips=len(clips),
        files=len(rows),
        written=len(rows) - kept,
        kept=kept,
        tables=tables,
        findings=tuple(findings),
    )


def read_prepared(folder: Path) -> Reading:
    """The clips of a prepared folder, whatever its form, with the labels that they were read with.

    Raises:
        MissingData: it is not a prepared folder, or its preparation was not finished.
    """
    path = folder / CLIPS
    if not path.is_file() or not (folder / MANIFEST).is_file():
        raise MissingData(
            f"{folder} holds no {CLIPS} and {MANIFEST}. Expected a folder that was prepared to "
            "the end: run affectbench prepare again."
        )
    base = str(folder.resolve())
    clips = pl.read_parquet(path).with_columns(path=pl.lit(base + os.sep) + pl.col("path"))
    return Reading(check_clips(clips))


def _relative(clips: pl.DataFrame, root: Path) -> pl.DataFrame:
    """``clips`` with paths below ``root``.

    Raises:
        BadData: a path leads out of it.
    """
    base = str(root) + os.sep
    path = pl.col("path")
    outside = clips.filter(~path.str.starts_with(base) | path.str.contains("/../", literal=True))
    if len(outside):
        raise BadData(
            f"{len(outside):,} clips lie outside {root}: {listing(outside['clip'].to_list())}. "
            "Expected every file below the folder."
        )
    return clips.with_columns(path=path.str.strip_prefix(base))


def _one_name_each(sources: pl.Series, form: Form) -> None:
    """Refuse files that would be written under one name: ``a.wav`` and ``a.webm``."""
    written = sources.str.replace(r"\.[^./]*$", "") + f".{form}"
    doubled = sources.filter(written.is_duplicated()).to_list()
    if doubled:
        raise BadData(
            f"{len(doubled):,} files would share names when prepared: {listing(doubled)}. Expected "
            "names that differ before their endings."
        )


def _known(job: _Job) -> pl.DataFrame:
    """Rows of the manifest and of an unfinished one; a line that a kill has torn is no row.

    Raises:
        ResultConflict: they were made with other settings or other versions of the libraries.
    """
    tables = [pl.DataFrame(schema=SCHEMA)]
    manifest, journal = job.out / MANIFEST, job.out / JOURNAL
    if manifest.exists():
        tables.append(pl.read_csv(manifest, infer_schema=False))
    if journal.exists():
        data = journal.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole:
            tables.append(pl.read_ndjson(whole, schema=SCHEMA))
    known = pl.concat(tables).unique("source", keep="last", maintain_order=True)
    other = known.filter(pl.col("settings") != job.settings)
    if len(other):
        form, arithmetic = other.select("form", "arithmetic").row(0)
        raise ResultConflict(
            f"{job.out} holds {len(other):,} files prepared as {form} with arithmetic "
            f"'{arithmetic}', or with other versions of the audio libraries. Expected {job.form} "
            f"with '{job.arithmetic}', or an empty folder: choose another --out."
        )
    return known


def _todo(clips: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """One row a file, in the order of the clips: ``source``, ``clip``, and what is known of it."""
    clips = clips.drop_nulls("path").rename({"path": "source"})
    files = clips.group_by("source", maintain_order=True).agg(pl.col("clip").str.join(" "))
    return files.join(known.drop("clip"), on="source", how="left", maintain_order="left")


def _unreadable(
    sources: pl.Series, root: Path, workers: int, progress: Progress | None
) -> dict[str, str]:
    """Why by source that cannot be decoded: all of them, before any is written."""
    base = f"{root}{os.sep}"
    heard = listen_all(base + sources, workers=workers, progress=progress).drop_nulls("why")
    source = pl.col("path").str.strip_prefix(base)
    return dict(heard.select(source, "why").iter_rows())


def _broken(bad: dict[str, str]) -> list[Finding]:
    items = tuple(f"{path}: {why}" for path, why in bad.items())
    advice = "Copy these files again from their source."
    return [Finding(kind="unreadable audio", items=items, fatal=True, advice=advice)] if bad else []


def _stop(findings: Sequence[Finding], keep_going: bool) -> None:
    """Stop at what makes a prepared folder incomplete, all of it in one message."""
    fatal = [finding for finding in findings if finding.fatal]
    if fatal and not keep_going:
        lines = [f"{f.kind}: {len(f.items):,} ({listing(f.items)}). {f.advice}" for f in fatal]
        raise BadData("\n".join(lines) + "\nWith --keep-going it goes on without them.")


def _write_all(
    job: _Job, todo: pl.DataFrame, workers: int, progress: Progress | None
) -> tuple[pl.DataFrame, dict[str, str], int]:
    """The manifest, why by source that gave nothing, and how many files were kept."""
    tables = [pl.DataFrame(schema=SCHEMA)]
    bad: dict[str, str] = {}
    kept = finished = 0
    journal = _open_journal(job, todo)

    def note(done: _Done) -> None:
        nonlocal kept, finished
        table = pl.DataFrame(done.rows, schema=SCHEMA, orient="row")
        journal.write(table.write_ndjson().encode())
        journal.flush()
        tables.append(table)
        bad.update(done.bad)
        kept += done.kept
        finished += len(done.rows) + len(done.bad)
        if progress is not None:
            progress("prepare", finished, len(todo))

    with journal:
        work = partial(_write_batch, job)
        pool.for_each(work, Batches(todo, workers), workers=workers, done=note)
    order = todo.select("source")
    rows = order.join(pl.concat(tables), on="source", how="inner", maintain_order="left")
    return rows.select(COLUMNS), bad, kept


def _open_journal(job: _Job, todo: pl.DataFrame) -> IO[bytes]:
    """The file of finished rows, without a torn line; half-written clips of a kill are removed."""
    rows = todo.drop_nulls("settings").select(COLUMNS)
    path = job.out / JOURNAL
    store.write_atomic(path, lambda file: file.write(rows.write_ndjson().encode()))
    folders: dict[Path, set[str]] = {}
    for source in todo["source"]:
        written = job.out / _name(source, job.form)
        folders.setdefault(written.parent, set()).add(written.name)
    for folder, names in folders.items():
        if folder.is_dir():
            pool.clear_partials(folder, names)
    try:
        return path.open("ab")
    except OSError as error:
        raise store.disk_error(error, path) from error


def _name(source: str, form: Form) -> str:
    """Path of the prepared file, below the prepared folder."""
    return str(Path(source).with_suffix(f".{form}"))


def _write_batch(job: _Job, batch: pl.DataFrame) -> _Done:
    """Prepare some files; runs in a worker."""
    done = _Done([], {}, 0)
    kept = 0
    with ThreadPoolExecutor(THREADS) as threads:  # the disk syncs several files at once
        writes = []
        for known in batch.iter_rows(named=True):
            try:
                row, data = _prepared(job, known)
            except (BadData, MissingData, MissingExtra) as error:
                done.bad[known["source"]] = str(error)
                continue
            done.rows.append(row)
            if data is None:
                kept += 1
            else:
                writes.append(threads.submit(_write, job.out / row[1], data))
        for write in writes:
            write.result()
    return _Done(done.rows, done.bad, kept)


def _write(path: Path, data: bytes) -> None:
    """The file, whole or not there."""
    store.write_atomic(path, lambda file: file.write(data))


def _prepared(job: _Job, known: dict[str, str]) -> tuple[tuple[str, ...], bytes | None]:
    """Manifest row of a file and its new bytes; None where what is there is right."""
    source = known["source"]
    data = read_bytes(job.root / source)
    content = hashlib.sha256(data).hexdigest()
    name = _name(source, job.form)
    written = job.out / name
    if (
        known["source_sha256"] == content
        and written.is_file()
        and hashlib.sha256(written.read_bytes()).hexdigest() == known["sha256"]
    ):
        return tuple(known[column] for column in COLUMNS), None
    with quiet():
        decoded = decode(data)
    make = prepare if job.arithmetic == "round" else official_wave
    wave = make(decoded.samples, decoded.rate_hz)
    encoded = encode(wave, job.form)
    row = (
        known["clip"],
        name,
        source,
        content,
        hashlib.sha256(encoded).hexdigest(),
        str(len(wave)),
        job.form,
        job.arithmetic,
        job.settings,
    )
    return row, encoded


def _copy_tables(root: Path, out: Path) -> int:
    """Copy the label files; returns how many there are. Links to folders are not followed."""
    count = 0
    for path in _tables(root):
        data = read_bytes(path)
        copy = out / path.relative_to(root)
        if not copy.is_file() or copy.read_bytes() != data:
            _write(copy, data)
        count += 1
    return count


def _tables(root: Path) -> Iterator[Path]:
    """Files of ``root`` with an ending of ``TABLES``, outside folders of features."""
    for folder, inner, files in os.walk(root):
        inner[:] = sorted(name for name in inner if name not in LEFT_OUT)
        held = (name for name in sorted(files) if name not in (MANIFEST, CLIPS))
        yield from (Path(folder) / name for name in held if name.endswith(TABLES))


def _finish(out: Path, clips: pl.DataFrame, rows: pl.DataFrame) -> None:
    """Write the clips table and, last, the manifest; the unfinished one goes."""
    names = rows.select(pl.col("source").alias("path"), written="path")
    clips = clips.join(names, on="path", how="left", maintain_order="left")
    table = clips.with_columns(path="written").drop("written")
    store.write_atomic(out / CLIPS, table.write_parquet)
    store.write_atomic(out / MANIFEST, rows.write_csv)
    (out / JOURNAL).unlink()
