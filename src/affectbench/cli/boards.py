"""The verb about where a number stands: the board of a task."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affectbench.cli.terminal import Json, task_of
from affectbench.errors import AffectBenchError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from affectbench.board import Board

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
