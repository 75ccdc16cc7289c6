"""Verbs about the shards of MODULATE-STREAM: pack them, verify them, unpack them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from affectbench.cli.stream_options import (
    Children,
    Index,
    KeepGoing,
    Threshold,
    Transcripts,
    opened,
    policy_of,
)
from affectbench.cli.terminal import Data, Json, Quiet, Workers, progress_bar, remarks_line
from affectbench.store import plain


def pack(
    out: Annotated[Path, typer.Option("--out", help="Folder of the shards.")],
    where: Annotated[
        str | None, typer.Argument(help="A condition on the columns of clips; all otherwise.")
    ] = None,
    index_folder: Index = None,
    data: Data = None,
    subset: Annotated[str | None, typer.Option("--subset", help="Of this subset alone.")] = None,
    shard_mb: Annotated[
        float, typer.Option("--shard-mb", help="Millions of bytes in a shard, about.")
    ] = 1000,
    shuffle: Annotated[
        bool, typer.Option("--shuffle", help="Random order: each shard is a sample of all.")
    ] = False,
    transcripts: Transcripts = False,
    include_children: Children = False,
    child_threshold: Threshold = None,
    keep_going: KeepGoing = False,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Pack clips into tar shards that WebDataset reads, with an offset index beside each.

    The Opus bytes stay as they are. A killed run goes on with the same command, and ends with the
    same bytes. Clips whose file is missing are packed in no case: without --keep-going nothing is.
    """
    from affectbench.stream import Form, select
    from affectbench.stream import pack as pack_clips

    found = opened(index_folder, data)
    policy = policy_of(include_children, child_threshold)
    chosen = select(found, where, policy=policy, subset=subset)
    with progress_bar(quiet or as_json) as bar:
        made = pack_clips(
            found,
            chosen,
            out,
            form=Form(shard_mb=shard_mb, shuffle=shuffle, transcripts=transcripts),
            keep_going=keep_going,
            workers=workers or os.cpu_count() or 1,
            progress=bar,
        )
    about, shards = made.about, made.about["shards"]
    if as_json:
        typer.echo(json.dumps(plain(about), indent=2, ensure_ascii=False))
        return
    typer.echo(
        f"{made.folder}: {about['clips']:,} clips, {about['hours']:,.1f} h in {len(shards):,} "
        f"shards, {sum(shard['bytes'] for shard in shards):,} bytes; {made.written:,} written now."
    )
    for kind, count in made.left_out.items():
        remarks_line(f"left out, {kind}: {count:,}; listed in {made.folder / 'left-out.parquet'}.")
    remarks_line(f"{policy.line()} {chosen.excluded:,} clips were left out by it.")


def verify(
    folder: Annotated[Path, typer.Argument(help="A folder of shards.")],
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare every byte of every shard with its digest.

    Exit code 1 when something is damaged; shard and clip are named.
    """
    from dataclasses import asdict

    from affectbench.stream import verify as verify_shards

    with progress_bar(quiet or as_json) as bar:
        found = verify_shards(folder, workers=workers or os.cpu_count() or 1, progress=bar)
    if as_json:
        typer.echo(json.dumps([asdict(damage) for damage in found], indent=2, ensure_ascii=False))
    for damage in () if as_json else found:
        typer.echo(f"{damage.shard}: {damage.clip or 'not a clip'}: {damage.what}")
    if not as_json:
        typer.echo(f"DAMAGED in {len(found):,} places" if found else "OK")
    raise typer.Exit(int(bool(found)))


def unpack(
    folder: Annotated[Path, typer.Argument(help="A folder of shards.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the files and their table.")],
    include_children: Children = False,
    child_threshold: Threshold = None,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Write the clips of shards as files again, with a table, in the layout of the release."""
    from affectbench.stream import unpack as unpack_shards

    policy = policy_of(include_children, child_threshold)
    with progress_bar(quiet) as bar:
        clips = unpack_shards(
            folder, out, policy=policy, workers=workers or os.cpu_count() or 1, progress=bar
        )
    typer.echo(f"{out}: {clips:,} clips.")
    remarks_line(policy.line())
