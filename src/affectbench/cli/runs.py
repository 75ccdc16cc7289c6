"""Verbs about tasks, systems and results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from affectbench.cli.boards import show_boards
from affectbench.cli.scores import Draws, Interval, Method, scoring_of, tell
from affectbench.cli.terminal import (
    Data,
    Device,
    Json,
    Out,
    Quiet,
    Workers,
    data_of,
    progress_bar,
    system_of,
    task_of,
)
from affectbench.errors import MissingData


def list_rows(
    kind: Annotated[
        str, typer.Argument(help="corpora, tasks, features, systems, recipes, models or metrics")
    ] = "",
    as_json: Json = False,
) -> None:
    """What there is: corpora, tasks, feature sets, systems, recipes, models and metrics."""
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
    from affectbench.features import FEATURES, MODELS
    from affectbench.metrics import METRICS
    from affectbench.systems import RECIPES, SYSTEMS
    from affectbench.tasks import TASKS

    return {
        "corpora": CORPORA,
        "tasks": TASKS,
        "features": FEATURES,
        "systems": SYSTEMS,
        "recipes": RECIPES,
        "models": MODELS,
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


def run(
    task: Annotated[str, typer.Argument(help="A task, or path/to/file.py:NAME.")],
    system: Annotated[
        str, typer.Option("--system", help="A system, a recipe, or path/to/file.py:NAME.")
    ],
    features: Annotated[
        str | None,
        typer.Option(
            "--features",
            help="Features for a recipe: a name, numbers by clip (.npy, .csv, .parquet, a folder), "
            "a model (owner/model or its folder), or path/to/file.py:NAME.",
        ),
    ] = None,
    data: Data = None,
    out: Out = Path("results"),
    mode: Annotated[str | None, typer.Option("--mode", help="sound or official.")] = None,
    seed: Annotated[list[int] | None, typer.Option("--seed", help="Repeat for several.")] = None,
    draws: Draws = 10_000,
    interval: Interval = None,
    method: Method = "auto",
    workers: Workers = None,
    device: Device = None,
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
    from affectbench.device import use_device
    from affectbench.protocols import run as run_task

    chosen, recipe = task_of(task), system_of(system, features)
    with use_device(device), progress_bar(quiet or as_json) as progress:
        result = run_task(
            chosen,
            recipe,
            data=data_of(data, chosen.corpus),
            out=out,
            mode=mode,
            seeds=seed or None,
            scoring=scoring_of(draws, interval, method),
            workers=workers,
            keep_going=keep_going,
            overwrite=overwrite,
            progress=progress,
        )
    tell(json.loads((result.folder / "summary.json").read_text()), as_json=as_json)
    if not as_json:
        typer.echo(f"\nStored in {result.folder}.")


def fuse(
    task: Annotated[str, typer.Argument(help="A task, or path/to/file.py:NAME.")],
    folders: Annotated[
        list[Path], typer.Argument(help="Results of two systems or more: results/TASK/SYSTEM.")
    ],
    name: Annotated[str, typer.Option("--name", help="Of the fusion.")] = "late-fusion",
    out: Out = Path("results"),
    draws: Draws = 10_000,
    interval: Interval = None,
    method: Method = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a fusion of other predictions.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Late fusion: the mean of the predictions of several results, clip by clip, scored, stored."""
    from affectbench.protocols import fuse as fuse_results

    result = fuse_results(
        task_of(task),
        folders,
        out=out,
        name=name,
        scoring=scoring_of(draws, interval, method),
        overwrite=overwrite,
    )
    tell(json.loads((result.folder / "summary.json").read_text()), as_json=as_json)
    if not as_json:
        typer.echo(f"\nStored in {result.folder}.")
