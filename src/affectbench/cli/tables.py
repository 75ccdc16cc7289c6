"""The verb about the paper's tables: which rows can be run, and a table made again."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affectbench.cli.scores import Draws, Interval, Method, scoring_of
from affectbench.cli.terminal import (
    Data,
    Device,
    Json,
    Out,
    Quiet,
    Workers,
    data_of,
    progress_bar,
    remarks_line,
)
from affectbench.errors import AffectBenchError, MissingData

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from affectbench.board.text import Columns
    from affectbench.reproducing import Cell
    from affectbench.reproduction import Coverage


def reproduce(
    table: Annotated[str, typer.Argument(help="table5, table6a, table7, table10, ...")] = "",
    data: Data = None,
    out: Out = Path("results"),
    stand_ins: Annotated[
        bool,
        typer.Option(
            "--stand-ins",
            help="Tiny random models in place of pretrained ones: shows that all runs, no more.",
        ),
    ] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the rows of the paper.")] = False,
    draws: Draws = 10_000,
    interval: Interval = None,
    method: Method = "auto",
    workers: Workers = None,
    device: Device = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on without clips that cannot be used.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results of other data or settings.")
    ] = False,
    as_json: Json = False,
    as_markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Of the list: Markdown, as on a machine without data."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Make a table of the paper again: printed value, measured value, interval, inside or outside.

    Exit code 1: a printed value lies outside the measured interval.
    """
    if listed == bool(table):
        raise MissingData(
            "Expected a table or --list: affectbench reproduce table5 --data DIR. The rows, and "
            "which of them can be run: affectbench reproduce --list"
        )
    if listed:
        list_coverage(as_json=as_json, as_markdown=as_markdown)
        return
    from affectbench import reproducing
    from affectbench.device import use_device
    from affectbench.tasks import TASKS

    with use_device(device), progress_bar(quiet or as_json) as progress:
        cells = reproducing.reproduce(
            table,
            data=data_of(data, TASKS[reproducing.task_of(table)].corpus),
            out=out,
            stand_ins=stand_ins,
            scoring=scoring_of(draws, interval, method),
            workers=workers,
            overwrite=overwrite,
            keep_going=keep_going,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps([asdict(cell) for cell in cells], indent=2, ensure_ascii=False))
    else:
        print_cells(cells)
    if reproducing.failed(cells):
        raise typer.Exit(1)


def print_cells(cells: Sequence[Cell]) -> None:
    """The cells of a table, a task at a time; then why some are not compared."""
    from affectbench.board.text import table
    from affectbench.board.wording import number

    width = min(shutil.get_terminal_size().columns, 120)
    reasons = list(dict.fromkeys(cell.reason for cell in cells if cell.reason))
    for task, system in dict.fromkeys((cell.task, cell.system) for cell in cells):
        held = [cell for cell in cells if (cell.task, cell.system) == (task, system)]
        recipe = f" ({held[0].recipe})" if held[0].recipe else ""
        typer.echo(f"\n{held[0].table}, {task}: {system}{recipe}")
        ceilings = ["" if cell.ceiling is None else number(cell.ceiling) for cell in held]
        columns: Columns = {
            "part": ("left", [cell.part for cell in held]),
            "reading": ("left", [_reading(cell) for cell in held]),
            "printed": ("right", [cell.printed for cell in held]),
            "measured": ("right", [_told(cell, number) for cell in held]),
            "interval": ("left", [_bounds(cell) for cell in held]),
            **({"ceiling": ("right", ceilings)} if any(ceilings) else {}),
            "verdict": ("left", [_verdict(cell, reasons) for cell in held]),
        }
        for line in table(columns, "reading", width):
            typer.echo(line)
    typer.echo("")
    for mark, reason in enumerate(reasons, 1):
        remarks_line(f"({mark}) {reason}")
    doubted = [cell for cell in cells if cell.status in ("disputed", "extraction-damaged")]
    for note in dict.fromkeys(cell.note for cell in doubted):
        told = [f"{c.system} {c.part} {c.printed} ({c.status})" for c in doubted if c.note == note]
        remarks_line(f"{'; '.join(told)}: {note}")


def _reading(cell: Cell) -> str:
    return f"{cell.metric} {cell.output}".rstrip()


def _told(cell: Cell, number: Callable[[float | None], str]) -> str:
    return "" if cell.measured is None else number(cell.measured)


def _bounds(cell: Cell) -> str:
    from affectbench.board.wording import bounds

    if cell.measured is None:
        return ""
    return "none" if cell.low is None or cell.high is None else bounds(cell.low, cell.high)


def _verdict(cell: Cell, reasons: Sequence[str]) -> str:
    mark = f" ({reasons.index(cell.reason) + 1})" if cell.reason else ""
    return f"{cell.verdict}{mark}"


def list_coverage(*, as_json: bool, as_markdown: bool) -> None:
    """Every row of the paper's tables: can it be run here, and by which command?"""
    from affectbench import reproduction

    if as_json and as_markdown:
        raise AffectBenchError("Found --json and --markdown; expected one of them.")
    if as_markdown:
        typer.echo(reproduction.markdown().rstrip("\n"))
        return
    base = os.environ.get("AFFECTBENCH_DATA")
    rows = reproduction.coverage(reproduction.found(Path(base) if base else None))
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
        return
    print_coverage(rows)


def print_coverage(rows: Sequence[Coverage]) -> None:
    """The rows of the paper by table and task, then the commands, then what the states mean."""
    from affectbench.board.text import table
    from affectbench.reproduction import STATES

    width = min(shutil.get_terminal_size().columns, 100)
    tables: dict[str, list[Coverage]] = {}
    for row in rows:
        tables.setdefault(row.table, []).append(row)
    for name, held in tables.items():
        typer.echo(f"\n{name}")
        columns: Columns = {
            "task": ("left", [row.task for row in held]),
            "system": ("left", [f"{row.system} ({row.team})" for row in held]),
            "state": ("left", [states_of(row) for row in held]),
        }
        for line in table(columns, "system", width):
            typer.echo(line)
    typer.echo("")
    for row in rows:
        if row.command:
            remarks_line(f"{row.table}, {row.task}: {row.command}")
    for state, meaning in STATES.items():
        count = sum(state in (row.dev, row.test) for row in rows)
        remarks_line(f"{state} ({count:,} of {len(rows):,} rows): {meaning}.")


def states_of(row: Coverage) -> str:
    """``dev: runs`` and ``test: ...`` in two lines, or one state for both."""
    parts = {"dev": row.dev, "test": row.test}
    told = {part: state for part, state in parts.items() if state}
    if len(told) > 1 and row.dev == row.test:
        return f"dev, test: {row.dev}"
    return "\n".join(f"{part}: {state}" for part, state in told.items())
