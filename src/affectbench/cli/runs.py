"""Verbs about tasks, systems and results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from affectbench.cli.terminal import (
    Data,
    Json,
    Out,
    Quiet,
    Workers,
    data_of,
    print_table,
    progress_bar,
    remarks_line,
    system_of,
    task_of,
)
from affectbench.errors import BadData, MissingData


def list_rows(
    kind: Annotated[str, typer.Argument(help="corpora, tasks, features, systems or metrics")] = "",
    as_json: Json = False,
) -> None:
    """What there is: corpora, tasks, feature sets, systems and metrics."""
    tables = all_tables()
    if kind and kind not in tables:
        raise MissingData(f"Nothing is listed as '{kind}'. There are: {', '.join(tables)}.")
    chosen = {kind: tables[kind]} if kind else tables
    if as_json:
        typer.echo(json.dumps({name: list(table) for name, table in chosen.items()}, indent=2))
        return
    for name, table in chosen.items():
        typer.echo(name)
        for key, row in table.items():
            typer.echo(f"  {key:<20} {getattr(row, 'title', row.source)}")


def all_tables() -> dict[str, Any]:
    """The tables by the word that the command line uses for them."""
    from affectbench.corpora import CORPORA
    from affectbench.features import FEATURES
    from affectbench.metrics import METRICS
    from affectbench.systems import SYSTEMS
    from affectbench.tasks import TASKS

    return {
        "corpora": CORPORA,
        "tasks": TASKS,
        "features": FEATURES,
        "systems": SYSTEMS,
        "metrics": METRICS,
    }


def show(
    name: Annotated[
        str, typer.Argument(help="A folder of results, or a name of any table.")
    ] = "results",
    as_json: Json = False,
) -> None:
    """A ranked table of the results in a folder, or the facts of a corpus, task, system, ...."""
    if Path(name).is_dir():
        show_boards(Path(name), as_json=as_json)
        return
    rows = [table[name] for table in all_tables().values() if name in table]
    if not rows:
        raise MissingData(
            f"'{name}' is neither a folder of results nor a name. See: affectbench list"
        )
    facts = [facts_of(row) for row in rows]
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    for row in facts:
        for key, value in row.items():
            typer.echo(f"{key:<12} {value}")


def facts_of(row: Any) -> dict[str, Any]:
    """The fields of a row that can be read: functions left out, other rows by their names."""
    from dataclasses import fields

    told: dict[str, Any] = {}
    for field in fields(row):
        value = getattr(row, field.name)
        if callable(value) or value in ("", (), None):
            continue
        if isinstance(value, tuple) and value and hasattr(value[0], "name"):
            value = [getattr(item, "key", item.name) for item in value]
        elif hasattr(value, "name"):
            value = getattr(value, "key", value.name)
        told[field.name] = dict(value) if hasattr(value, "items") else value
    return told


def show_boards(out: Path, *, as_json: bool = False) -> None:
    """Print a ranked table a task."""
    from affectbench import board

    boards = board.collect(out)
    if as_json:
        rows = {b.task: [entry.summary for entry in b.entries] for b in boards}
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for found in boards:
        typer.echo(f"\n{found.task}")
        print_table(board.HEADER, board.lines(found))
        for remark in board.remarks(found):
            remarks_line(remark)
    typer.echo(f"\nResults lie in {out}.")


def run(
    task: Annotated[str, typer.Argument(help="A task, or path/to/file.py:NAME.")],
    system: Annotated[str, typer.Option("--system", help="A system, or path/to/file.py:NAME.")],
    data: Data = None,
    out: Out = Path("results"),
    mode: Annotated[str | None, typer.Option("--mode", help="sound or official.")] = None,
    seed: Annotated[list[int] | None, typer.Option("--seed", help="Repeat for several.")] = None,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws.")] = 10_000,
    interval: Annotated[
        str, typer.Option("--interval", help="Resample speaker or clip.")
    ] = "speaker",
    workers: Workers = None,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going", help="Go on without clips that cannot be used; they are counted."
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results of other data or settings.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a system on a task: fit on train, choose on dev, predict, score with intervals, store."""
    from affectbench.protocols import run as run_task

    chosen, recipe = task_of(task), system_of(system)
    with progress_bar(quiet or as_json) as progress:
        result = run_task(
            chosen,
            recipe,
            data=data_of(data, chosen.corpus),
            out=out,
            mode=mode,
            seeds=seed or None,
            scoring=scoring_of(draws, interval),
            workers=workers,
            keep_going=keep_going,
            overwrite=overwrite,
            progress=progress,
        )
    tell(result, as_json=as_json)


def scoring_of(draws: int, interval: str) -> Any:
    """How intervals are made, from the flags."""
    from affectbench.scoring import Scoring

    if interval not in ("speaker", "clip"):
        raise BadData(f"--interval is '{interval}'. Expected speaker or clip.")
    return Scoring(draws=draws, group_by=interval)


def tell(result: Any, *, as_json: bool) -> None:
    """A result on the terminal: every metric and output, the notes, where it lies."""
    from affectbench.board import interval, number

    summary = json.loads((result.folder / "summary.json").read_text())
    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
        return
    for part, metrics in summary["scores"].items():
        ranking = metrics[summary["metric"]]
        typer.echo(
            f"\n{summary['task']}  {summary['system']}  {part}  "
            f"({ranking['clips']:,} clips, {ranking['groups']:,} {ranking['group_by'] or 'group'}s)"
        )
        rows = [(key, number(score["value"]), interval(score)) for key, score in metrics.items()]
        rows += [
            (f"  {name}", number(o["value"]), interval(o)) for name, o in ranking["outputs"].items()
        ]
        print_table(("metric", "value", f"{ranking['level']:.0%} interval"), rows)
    for part, left in summary["unscored"].items():
        if left:
            typer.echo(f"  {part}: {left:,} clips were not scored: no label or no prediction.")
    for note in summary["notes"]:
        remarks_line(note)
    typer.echo(f"\nStored in {result.folder}.")


def score(
    folder: Annotated[Path, typer.Argument(help="A folder of results, of one system, or of many.")],
    labels: Annotated[
        Path | None, typer.Option("--labels", help="Corpus folder whose test labels are known.")
    ] = None,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws.")] = 10_000,
    interval: Annotated[
        str, typer.Option("--interval", help="Resample speaker or clip.")
    ] = "speaker",
    as_json: Json = False,
) -> None:
    """Score stored predictions again, with no model and no audio."""
    from affectbench import results, scoring

    folders = results.system_folders(folder)
    if not folders:
        raise MissingData(
            f"{folder} holds no results. Expected <task>/<system>/seed<k>/result.json."
        )
    for place in folders:
        task = task_of(results.task_name(place))
        if labels is not None:
            results.unblind(place, task, labels)
        tell(scoring.score_system(place, task, scoring_of(draws, interval)), as_json=as_json)


def report(
    folder: Annotated[Path, typer.Argument(help="A folder of results.")] = Path("results"),
    out: Annotated[Path | None, typer.Option("--out", help="HTML file to write.")] = None,
) -> None:
    """Write the results of a folder as one HTML file."""
    from affectbench import report as html

    typer.echo(f"Report: {html.write(folder, out)}")
