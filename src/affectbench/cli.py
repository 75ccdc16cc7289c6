"""The command line: names in, objects out.

Exit codes: 0 fine, 1 a check failed, 2 the call or the input is wrong, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affectbench.errors import AffectBenchError, BadData, MissingData

if TYPE_CHECKING:
    from affectbench.types import Corpus, System, Task

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Benchmarks for emotion in the voice: a system, a task, a number and how sure it is.",
)

Out = Annotated[Path, typer.Option("--out", help="Folder of results.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on the terminal.")]
Workers = Annotated[int | None, typer.Option("--workers", min=1, help="Processes; one a core.")]


def main() -> None:
    """Entry point: one message and exit code 2 for the user's errors, a traceback for ours."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        app()
    except AffectBenchError as error:
        print(f"affectbench: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        message = "interrupted. Finished work is kept: the same command goes on from there."
        print(f"affectbench: {message}", file=sys.stderr)  # noqa: T201
        sys.exit(130)


def from_file(name: str) -> Any:
    """The object that ``path/to/file.py:NAME`` names."""
    path, _, attribute = name.rpartition(":")
    file = Path(path)
    if not file.is_file():
        raise MissingData(f"{file} is not there. Expected a Python file in {name}.")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise BadData(f"{file} is not a Python file. Expected path/to/file.py:NAME.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    import cloudpickle

    cloudpickle.register_pickle_by_value(module)  # worker processes cannot import the file
    if not hasattr(module, attribute):
        raise MissingData(f"{file} has no '{attribute}'.")
    return getattr(module, attribute)


def task_of(name: str) -> Task:
    """A task by its name in ``TASKS``, or from a file."""
    from affectbench.tasks import TASKS

    task: Task = from_file(name) if ":" in name else TASKS[name]
    return task


def system_of(name: str) -> System:
    """A system by its name in ``SYSTEMS``, or from a file."""
    from affectbench.systems import SYSTEMS

    system: System = from_file(name) if ":" in name else SYSTEMS[name]
    return system


def data_of(data: Path | None, corpus: Corpus) -> Path:
    """``--data``, or the corpus's folder under ``$AFFECTBENCH_DATA``."""
    if data is not None:
        return data
    base = os.environ.get("AFFECTBENCH_DATA")
    if not base:
        raise MissingData(
            f"No --data was given. Expected the folder of {corpus.title}: {corpus.layout}; or set "
            f"AFFECTBENCH_DATA to a folder that holds {corpus.name}/."
        )
    return Path(base) / corpus.name


@contextlib.contextmanager
def progress_bar(quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar per stage on a terminal, nothing elsewhere or when quiet."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    stages: dict[str, Any] = {}
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def update(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage, total=total)
            bars.update(stages[stage], completed=done, total=total)

        yield update


@app.command("list")
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


@app.command()
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


def remarks_line(text: str) -> None:
    """A remark, folded to the terminal and indented."""
    width = shutil.get_terminal_size().columns
    typer.echo(textwrap.fill(text, width, initial_indent="  ", subsequent_indent="    "))


def print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Columns as wide as they need to be."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(f"  {cells}".rstrip())


@app.command()
def run(
    task: Annotated[str, typer.Argument(help="A task, or path/to/file.py:NAME.")],
    system: Annotated[str, typer.Option("--system", help="A system, or path/to/file.py:NAME.")],
    data: Annotated[Path | None, typer.Option("--data", help="Root of the corpus folder.")] = None,
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


@app.command()
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


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A folder of results.")] = Path("results"),
    out: Annotated[Path | None, typer.Option("--out", help="HTML file to write.")] = None,
) -> None:
    """Write the results of a folder as one HTML file."""
    from affectbench import report as html

    typer.echo(f"Report: {html.write(folder, out)}")


@app.command()
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


if __name__ == "__main__":
    main()
