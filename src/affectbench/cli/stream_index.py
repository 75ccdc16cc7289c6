"""Verbs about the index of MODULATE-STREAM: make it, ask it, list its subsets."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    import polars as pl

    from affectbench.stream import Policy

SHOWN = ("clip", "duration_s", "game", "child_probability", "female_probability", "transcript")


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


def query(
    expression: Annotated[
        str | None,
        typer.Argument(help="SQL over the table clips: a condition on its columns, or SELECT ..."),
    ] = None,
    index_folder: Index = None,
    data: Data = None,
    subset: Annotated[str | None, typer.Option("--subset", help="Of this subset alone.")] = None,
    hours: Annotated[
        float | None, typer.Option("--hours", help="Draw a sample of so many hours.")
    ] = None,
    by: Annotated[
        str, typer.Option("--by", help="Strata of the sample: some of game,duration,folder.")
    ] = "game,duration",
    like: Annotated[
        Path | None,
        typer.Option("--like", help="A subset's .json: draw to its limits, after rows were added."),
    ] = None,
    save: Annotated[
        str | None, typer.Option("--save", help="Store the clips as a subset of that name.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the rows there, as Parquet.")
    ] = None,
    rows: Annotated[int, typer.Option("--rows", min=0, help="Rows to show.")] = 10,
    transcripts: Transcripts = False,
    include_children: Children = False,
    child_threshold: Threshold = None,
    as_json: Json = False,
) -> None:
    """Ask the index a question, or choose clips by a condition, a subset, a number of hours.

    A sample is the same on every machine; a smaller one is a part of a larger one. Saved subsets
    are tables of their name in later questions.
    """
    import polars as pl

    from affectbench.errors import BadData
    from affectbench.stream import query as ask
    from affectbench.stream import save_subset, select
    from affectbench.stream.selecting import WHOLE
    from affectbench.stream.subsets import read_definition

    found = opened(index_folder, data)
    policy = policy_of(include_children, child_threshold)
    about: dict[str, Any] = {"policy": policy.json()}
    if expression is not None and WHOLE.match(expression):
        if subset or save or like or hours is not None:
            raise BadData(
                "--subset, --hours, --like and --save are for conditions, such as "
                "\"game = 'Chess'\"; this is a whole statement."
            )
        table = ask(found, expression, policy=policy, transcripts=transcripts)
    else:
        chosen = select(
            found,
            expression,
            policy=policy,
            subset=subset,
            hours=hours,
            by=[name for name in by.split(",") if name],
            drawn=read_definition(like).get("drawn") or {} if like else None,
        )
        if save:
            about |= {"saved": save_subset(found, save, chosen)["name"]}
        about |= {"clips": len(chosen.clips), "hours": chosen.hours, "hash": chosen.digest}
        about |= {"excluded": chosen.excluded}
        table = chosen.clips
        if transcripts:
            table = found.with_transcripts(table.lazy()).collect()
    if out is not None:
        write_rows(out, table, about["policy"])
    shown = table.select(pl.col("^(" + "|".join(SHOWN) + ")$")) if "clips" in about else table
    answer(shown.head(rows), len(table), about, as_json=as_json)
    if not as_json:
        remarks_line(policy.line())


def subsets(index_folder: Index = None, data: Data = None, as_json: Json = False) -> None:
    """Tell which subsets were saved: how many clips, and how they were chosen."""
    from affectbench.stream import read_subset
    from affectbench.stream.subsets import subset_names

    found = opened(index_folder, data)
    saved = [read_subset(found, name) for name in subset_names(found)]
    if as_json:
        short = [{**about, "drawn": None} for about in saved]  # limits by stratum fill pages
        typer.echo(json.dumps(plain(short), indent=2, ensure_ascii=False))
        return
    lines = [
        (
            about["name"],
            f"{about['clips']:,}",
            f"{about['hours_held']:,.1f}",
            about["policy"]["is_child_probability"],
            about["digest"][:12],
            about["where"] or "",
        )
        for about in saved
    ]
    print_table(("name", "clips", "hours", "children", "hash", "condition"), lines)


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


def write_rows(path: Path, table: pl.DataFrame, policy: dict[str, Any]) -> None:
    """Rows as Parquet that says under which policy they were chosen."""
    from affectbench import store
    from affectbench.errors import ResultConflict

    if path.exists():
        raise ResultConflict(f"{path} is there. Name another file, or remove this one.")
    metadata = {"policy": json.dumps(policy)}
    store.write_atomic(path, lambda file: table.write_parquet(file, metadata=metadata))


def answer(shown: pl.DataFrame, total: int, about: dict[str, Any], *, as_json: bool) -> None:
    """The first rows of an answer, and what there is to say about it."""
    if as_json:
        told = {**about, "rows_in_all": total, "rows": shown.to_dicts()}
        typer.echo(json.dumps(plain(told), indent=2, ensure_ascii=False, default=str))
        return
    if len(shown):
        print_table(tuple(shown.columns), [tuple(map(cell, row)) for row in shown.iter_rows()])
    if total > len(shown):
        remarks_line(f"{len(shown):,} of {total:,} rows; --rows shows more, --out writes all.")
    if "clips" in about:
        remarks_line(
            f"{about['clips']:,} clips, {about['hours']:,.2f} h, hash {about['hash'][:12]}; "
            f"{about['excluded']:,} more were left out by the policy."
        )
    if "saved" in about:
        remarks_line(f"Saved as {about['saved']}.")


def cell(value: object) -> str:
    """A value in a table on the terminal."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
