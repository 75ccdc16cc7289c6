"""Verbs about corpus folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from affectbench.cli.terminal import Quiet, Workers, progress_bar
from affectbench.errors import MissingData


def twin(
    corpus: Annotated[str, typer.Argument(help="A gated corpus.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write; must not exist yet.")],
    scale: Annotated[float, typer.Option("--scale", help="Share of the published size.")] = 0.02,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same bytes.")] = 0,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Write a synthetic copy of a gated corpus in its released layout, with a known ceiling."""
    from affectbench.corpora import CORPORA

    row = CORPORA[corpus]
    if row.twin is None:
        raise MissingData(f"{corpus} has no twin: it is {row.access}, see {row.home}.")
    with progress_bar(quiet) as progress:
        update = None if progress is None else lambda done, total: progress("clips", done, total)
        root = row.twin(out, scale=scale, seed=seed, workers=workers, progress=update)
    typer.echo(f"{row.title}, synthetic: {root}")
