"""What the verbs of MODULATE-STREAM share: options, the policy, the index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affectbench.cli.terminal import data_of

if TYPE_CHECKING:
    from affectbench.stream import Policy, StreamIndex

Children = Annotated[
    bool,
    typer.Option(
        "--include-children", help="Keep the clips that a classifier takes for a child's."
    ),
]
Threshold = Annotated[
    float | None,
    typer.Option("--child-threshold", help="Child probability from which a clip is left out: 0.5."),
]
Index = Annotated[
    Path | None,
    typer.Option("--index", help="Folder of the index; stream-index below --data."),
]
Transcripts = Annotated[
    bool, typer.Option("--transcripts", help="Transcripts too; they are left out otherwise.")
]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going", help="Go on past what is wrong; it is counted and listed.")
]


def policy_of(include_children: bool, threshold: float | None) -> Policy:
    """The policy of the flags."""
    from affectbench.stream import Policy

    if threshold is None:
        return Policy(include_children=include_children)
    return Policy(include_children=include_children, threshold=threshold)


def opened(index_folder: Path | None, data: Path | None) -> StreamIndex:
    """The index that the options name: its folder, or that of the corpus it lies in."""
    from affectbench.corpora import CORPORA
    from affectbench.stream import StreamIndex
    from affectbench.stream.index import NAME

    if index_folder is None:
        index_folder = data_of(data, CORPORA["modulate-stream"]) / NAME
    return StreamIndex(index_folder)
