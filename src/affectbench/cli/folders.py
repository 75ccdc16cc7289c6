"""Verbs about corpus folders."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affectbench.cli.terminal import Data, Json, Quiet, Workers, data_of, progress_bar, remarks_line
from affectbench.errors import BadData, MissingData
from affectbench.store import plain

if TYPE_CHECKING:
    from affectbench.types import Split

Name = Annotated[str, typer.Argument(help="A corpus; 'affectbench list corpora' tells which.")]
NewFolder = Annotated[Path, typer.Option("--out", help="Folder to write; must not exist yet.")]


def check(
    corpus: Name,
    data: Data = None,
    no_audio: Annotated[bool, typer.Option("--no-audio", help="Names and labels alone.")] = False,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Count what a folder holds, open every file once, compare with what was published.

    Exit code 1 when something is wrong, 0 when all is fine or only odd.
    """
    from affectbench.check import check as check_folder
    from affectbench.corpora import CORPORA

    row = CORPORA[corpus]
    folder = data_of(data, row)
    with progress_bar(quiet or as_json) as bar:
        found = check_folder(row, folder, workers=workers, progress=bar, audio=not no_audio)
    if as_json:
        typer.echo(json.dumps(found.json(), indent=2, ensure_ascii=False))
    else:
        for line in found.lines():
            typer.echo(line)
    raise typer.Exit(int(found.wrong))


def prepare(
    corpus: Name,
    out: Annotated[Path, typer.Option("--out", help="Folder of prepared clips.")],
    data: Data = None,
    form: Annotated[str, typer.Option("--form", help="wav or flac.")] = "wav",
    arithmetic: Annotated[
        str, typer.Option("--arithmetic", help="round, or official: the organisers' truncation.")
    ] = "round",
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on without files that cannot be read.")
    ] = False,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Write every clip at 16 kHz, mono, 16 bit, peak at -3 dBFS, with its label files."""
    from affectbench.corpora import CORPORA
    from affectbench.preparation import prepare_corpus

    row = CORPORA[corpus]
    with progress_bar(quiet) as bar:
        made = prepare_corpus(
            row,
            data_of(data, row),
            out,
            form=one_of("--form", form, ("wav", "flac")),
            arithmetic=one_of("--arithmetic", arithmetic, ("round", "official")),
            workers=workers,
            keep_going=keep_going,
            progress=bar,
        )
    for finding in made.findings:
        remarks_line(f"{finding.kind}: {len(finding.items):,}. {finding.advice}")
    typer.echo(f"{made.files:,} files in {made.out}: {made.written:,} written, {made.kept:,} kept.")


def cut(
    corpus: Name,
    out: Annotated[Path, typer.Option("--out", help="Folder of clips.")],
    data: Data = None,
    by: Annotated[str, typer.Option("--by", help="block: an emotion; line: a sentence.")] = "block",
    pattern: Annotated[
        str | None, typer.Option("--pattern", help="Regex with (?P<speaker>...) and (?P<role>...).")
    ] = None,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Cut the long recordings of modulate-sonata into clips, to the sample.

    Exit code 1 when a recording could not be cut or a line was not understood.
    """
    from affectbench.corpora import CORPORA
    from affectbench.corpora.cut import cut as cut_folder
    from affectbench.corpora.modulate_sonata import NAME

    row = CORPORA[corpus]
    if corpus != "modulate-sonata":
        raise MissingData(f"{corpus} is released in clips: there is nothing to cut.")
    unit = one_of("--by", by, ("block", "line"))
    with progress_bar(quiet) as bar:
        made = cut_folder(
            data_of(data, row),
            out,
            by=unit,
            pattern=pattern or NAME,
            workers=workers,
            progress=bar,
        )
    for line in made.lines():
        remarks_line(line)
    typer.echo(f"Clips lie in {made.out}.")
    raise typer.Exit(int(not made.fine))


def audit(
    source: Annotated[str, typer.Argument(help="A corpus, or a table of clips of any origin.")],
    data: Annotated[
        Path | None, typer.Option("--data", help="Corpus folder, or what paths are relative to.")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option("--allow", help="A kind that may be shared; repeat.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="role=column or role=column~pattern of a table; repeat."),
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option("--label", help="A label column of a table; repeat.")
    ] = None,
    no_audio: Annotated[bool, typer.Option("--no-audio", help="Do not compare sounds.")] = False,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find what the parts of a split share: speakers, sentences, label vectors, recordings.

    Exit code 1 when there is a leak.
    """
    import os

    from affectbench.audit import audit_corpus, audit_table
    from affectbench.corpora import CORPORA
    from affectbench.tables import read_any

    with progress_bar(quiet or as_json) as bar:
        options = {
            "allow": allow or (),
            "audio": not no_audio,
            "workers": workers or os.cpu_count() or 1,
            "progress": bar,
        }
        if source in CORPORA:
            row = CORPORA[source]
            split = default_split(source)
            found = audit_corpus(row, data_of(data, row), split=split, **options)
        else:
            pairs = [pair.partition("=") for pair in column or []]
            if any(not mark for _, mark, _ in pairs):
                raise BadData("--column expects role=column, such as speaker=actor.")
            columns = {role: name for role, _, name in pairs}
            table = read_any(Path(source), root=data, columns=columns, labels=label or None)
            if not as_json:
                remarks_line(table.told())
            found = audit_table(table, **options)
    if as_json:
        typer.echo(json.dumps(plain(found.as_json()), indent=2, ensure_ascii=False))
    else:
        for line in found.lines():
            typer.echo(line)
    raise typer.Exit(int(bool(found.leaks)))


def default_split(corpus: str) -> Split | None:
    """The split of the first task on a corpus whose release has none; None: the released one."""
    from affectbench.tasks import TASKS

    for task in TASKS.values():
        if task.corpus.name == corpus:
            return None if task.split.released else task.split
    return None


def one_of(flag: str, value: str, allowed: tuple[str, ...]) -> Any:
    """The value of a flag, or an error that names what it may be."""
    if value not in allowed:
        raise BadData(f"{flag} is '{value}'. Expected {' or '.join(allowed)}.")
    return value


def export(
    corpus: Name,
    out: NewFolder,
    to: Annotated[str, typer.Option("--to", help="audformat, csv, parquet or hf.")],
    data: Data = None,
) -> None:
    """Write the clips table of a corpus folder in a form that other tools read."""
    from affectbench.corpora import CORPORA
    from affectbench.export import export as export_clips

    row = CORPORA[corpus]
    typer.echo(export_clips(row, data_of(data, row), out, to))


def get(
    name: Annotated[str, typer.Argument(help="A corpus, or a pretrained model: see list models.")],
    data: Data = None,
    quiet: Quiet = False,
) -> None:
    """Download an open corpus or a pretrained model; say how to get a gated corpus."""
    from affectbench.corpora import CORPORA
    from affectbench.download import get as download

    if name not in CORPORA and ("/" in name or name in fetchable()):
        from affectbench.features import fetch

        with progress_bar(quiet) as bar:
            typer.echo(fetch(name, progress=bar))
        return
    row = CORPORA[name]
    folder = Path() if row.access == "gated" else data_of(data, row)
    with progress_bar(quiet) as bar:
        files = download(row, folder, progress=bar)
    for file in files:
        typer.echo(file)
    if row.access_how:
        typer.echo(row.access_how)


def fetchable() -> list[str]:
    """Names of the pretrained models."""
    from affectbench.features import MODELS
    from affectbench.features.embeddings.models import PICTURES

    return [*MODELS, *PICTURES]


def twin(
    corpus: Annotated[str, typer.Argument(help="A gated corpus.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist yet.")],
    scale: Annotated[float, typer.Option("--scale", help="Share of the published size.")] = 0.02,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same bytes.")] = 0,
    raw: Annotated[float, typer.Option("--raw", help="Share also at 48 kHz, unprepared.")] = 0.0,
    webm: Annotated[float, typer.Option("--webm", help="Share also as webm.")] = 0.0,
    line_s: Annotated[
        float | None, typer.Option("--line-s", help="Seconds from line to line of a script.")
    ] = None,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Write a synthetic copy of a gated corpus in its released layout, with a known ceiling."""
    from affectbench.corpora import CORPORA

    row = CORPORA[corpus]
    if row.twin is None:
        raise MissingData(f"{corpus} has no twin: it is {row.access}, see {row.home}.")
    wanted = (("raw", raw), ("webm", webm), ("line_s", line_s))
    options = {name: value for name, value in wanted if value}
    absent = [name for name in options if name not in inspect.signature(row.twin).parameters]
    if absent:
        raise MissingData(f"The twin of {corpus} has no {' and no '.join(absent)} part.")
    with progress_bar(quiet) as progress:
        update = None if progress is None else lambda done, total: progress("clips", done, total)
        root = row.twin(out, scale=scale, seed=seed, workers=workers, progress=update, **options)
    typer.echo(f"{row.title}, synthetic: {root}")
