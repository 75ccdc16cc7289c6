"""Verbs about MODULATE-STREAM at scale: index it, query it, pack it."""

from __future__ import annotations

import typer

from affectbench.cli import stream_index, stream_shards

app = typer.Typer(
    no_args_is_help=True,
    help="MODULATE-STREAM at scale: index it, query it, pack it into shards.",
)
for verb in (
    *(stream_index.index, stream_index.query, stream_index.subsets),
    *(stream_shards.pack, stream_shards.verify, stream_shards.unpack),
):
    app.command()(verb)
