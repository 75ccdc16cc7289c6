"""The verb that writes the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folder: Annotated[Path, typer.Argument(help="A folder of results.")] = Path("results"),
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the site; by default that of the results."),
    ] = None,
    include_licensed_audio: Annotated[
        bool,
        typer.Option(
            "--include-licensed-audio",
            help="Let the hardest clips of a licensed corpus be heard: not to be passed on.",
        ),
    ] = False,
) -> None:
    """Write a site about a folder of results: it opens from the disk and needs no network."""
    from affectbench.report import write

    typer.echo(f"Open {write(folder, out, licensed_audio=include_licensed_audio)}")
