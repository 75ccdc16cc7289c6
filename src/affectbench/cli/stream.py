"""Verbs about MODULATE-STREAM at scale: index it, query it, pack it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affectbench.cli.terminal import (
    Data,
    Json,
    Quiet,
    Workers,
    data_of,
    print_table,
    progress_bar,
    remarks_line,
)
from affectbench.store import plain

if TYPE_CHECKING:
    from affectbench.stream import Policy

app = typer.Typer(
    no_args_is_help=True,
    help="MODULATE-STREAM at scale: index it, query it, pack it into shards.",
)

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
KeepGoing = Annotated[
    bool, typer.Option("--keep-going", help="Go on past what is wrong; it is counted and listed.")
]


@app.command()
def index(
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the index; stream-index below --data.")
    ] = None,
    headers: Annotated[
        bool, typer.Option("--headers", help="Read the head and end of every Opus file.")
    ] = False,
    keep_going: KeepGoing = False,
    include_children: Children = False,
    child_threshold: Threshold = None,
    workers: Workers = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Type and check the table, match it with the files, tell what there is.

    Exit code 1 when something is wrong with the table or the files: the index is made all the
    same, and faults.parquet in it tells what and where.
    """
    from affectbench.corpora import CORPORA
    from affectbench.stream import build, summarise
    from affectbench.stream.indexing import NOTES

    policy = policy_of(include_children, child_threshold)
    with progress_bar(quiet or as_json) as bar:
        made = build(
            data_of(data, CORPORA["modulate-stream"]),
            out,
            headers=headers,
            workers=workers or os.cpu_count() or 1,
            progress=bar,
        )
    told = {**summarise(made, policy), "index": str(made.folder)}
    if as_json:
        typer.echo(json.dumps(plain(told), indent=2, ensure_ascii=False))
    else:
        tell(told, policy)
    wrong = any(kind not in NOTES for kind in told["faults"])
    raise typer.Exit(int(wrong and not keep_going))


def policy_of(include_children: bool, threshold: float | None) -> Policy:
    """The policy of the flags."""
    from affectbench.stream import Policy

    if threshold is None:
        return Policy(include_children=include_children)
    return Policy(include_children=include_children, threshold=threshold)


def tell(told: dict[str, Any], policy: Policy) -> None:
    """A summary, as lines."""
    kept, in_all = told["kept"], told["in_all"]
    typer.echo(f"{told['index']}: {in_all['clips']:,} clips, {in_all['hours']:,.1f} h")
    remarks_line(f"{policy.line()} {in_all['excluded']:,} clips are concerned.")
    remarks_line(
        f"{kept['clips']:,} clips, {kept['hours']:,.1f} h; {kept['files']:,} with a file; "
        f"{kept['games']:,} games, {kept['without_game']:,} clips without; "
        f"{kept['without_transcript']:,} without a transcript, "
        f"{kept['without_duration']:,} without a duration."
    )
    for title, name in (
        ("seconds", "duration_s"),
        ("child probability, of all", "child_probability"),
        ("female probability, of all", "female_probability"),
        ("largest games", "largest_games"),
    ):
        typer.echo()
        rows = [
            (str(row["value"] or "none"), f"{row['clips']:,}", f"{row['hours']:,.1f}")
            for row in told[name]
        ]
        print_table((title, "clips", "hours"), rows)
    typer.echo()
    if told["faults"]:
        found = [(kind, f"{count:,}") for kind, count in told["faults"].items()]
        print_table(("faults", "number"), found)
        remarks_line(f"By line and clip in {Path(told['index']) / 'faults.parquet'}.")
    if not told["headers_read"]:
        remarks_line("Headers of the files were not read; --headers does.")
