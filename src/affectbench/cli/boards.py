"""Verbs about where a number stands: the board of a task, the rows of the paper."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affectbench.cli.terminal import Json, remarks_line, task_of
from affectbench.errors import AffectBenchError, MissingData

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from affectbench.board import Board
    from affectbench.board.text import Columns
    from affectbench.reproduction import Coverage

RESULTS = Path("results")


def board(
    task: Annotated[str, typer.Argument(help="A task, or path/to/file.py:NAME.")],
    results: Annotated[
        Path | None,
        typer.Option("--results", help="Folder of results; results/ by default, if it is there."),
    ] = None,
    part: Annotated[
        str | None, typer.Option("--part", help="test or dev; both by default.")
    ] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX.")] = False,
) -> None:
    """Published numbers of a task and your results: ranked where they compare, apart where not.

    Exit code 1: a result cannot be used; the board says which and why.
    """
    from affectbench.board import of_task, tables

    forms = {
        "--json": (as_json, tables.to_json),
        "--csv": (as_csv, tables.to_csv),
        "--markdown": (as_markdown, tables.to_markdown),
        "--latex": (as_latex, tables.to_latex),
    }
    asked = {name: write for name, (wanted, write) in forms.items() if wanted}
    if len(asked) > 1:
        raise AffectBenchError(f"Found {' and '.join(asked)}; expected one of them.")
    folder = results or (RESULTS if RESULTS.is_dir() else None)
    found = of_task(task_of(task), results=folder, part=part)
    if asked:
        typer.echo(next(iter(asked.values()))(found).rstrip("\n"))
    else:
        print_board(found)
    exit_if_unusable([found])


def print_board(found: Board) -> None:
    """A board, folded to the terminal."""
    from affectbench.board import text

    for line in text.lines(found, shutil.get_terminal_size().columns):
        typer.echo(line)


def show_boards(out: Path, *, as_json: bool = False) -> None:
    """Print the ranked own results of each task in a folder."""
    from affectbench.board import of_folder

    boards = of_folder(out)
    if as_json:
        told = {
            found.task: [
                json.loads((row.folder / "summary.json").read_text(encoding="utf-8"))
                for row in found.rows
                if row.folder and row.status == "measured"
            ]
            for found in boards
        }
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        for found in boards:
            typer.echo("")
            print_board(found)
        typer.echo(f"\nResults lie in {out}.")
    exit_if_unusable(boards)


def exit_if_unusable(boards: Iterable[Board]) -> None:
    """Exit code 1 if a result cannot be used: its row says why."""
    count = sum(row.status == "unusable" for found in boards for row in found.rows)
    if count:
        typer.echo(f"affectbench: results that cannot be used: {count:,}; see there why.", err=True)
        raise typer.Exit(1)


def reproduce(
    listed: Annotated[bool, typer.Option("--list", help="List the rows of the paper.")] = False,
    as_json: Json = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, as on a machine without data.")
    ] = False,
) -> None:
    """Every row of the paper's tables: can it be run here, and by which command?"""
    from affectbench import reproduction

    if not listed:
        raise MissingData(
            "Expected --list. A row is run by the command that the list has for it: "
            "affectbench reproduce --list --json"
        )
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
