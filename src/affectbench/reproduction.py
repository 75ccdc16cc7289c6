"""Which rows of the paper's tables this package makes again: Tables 5 to 10, row by row.

What is printed comes from ``published``, what can be run from ``SYSTEMS`` and the corpora. The one
thing that is told here by hand is which system is the recipe of which row (``RECIPES``).

    python -m affectbench.reproduction README.md

writes the list between the markers of a file. A test holds README.md equal to it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import Final, Literal

from affectbench.errors import MissingData
from affectbench.published import PUBLISHED, Published
from affectbench.store import write_atomic
from affectbench.systems import SYSTEMS
from affectbench.tasks import TASKS
from affectbench.types import Task

PAPER: Final = "arXiv:2403.14048"  # Baird et al. 2024, the workshop paper
State = Literal["runs", "runs when data is there", "blind (needs the organiser)", "not yet"]
STATES: Final[Mapping[State, str]] = {
    "runs": "a system here is the recipe of the row, the data is there, and its labels were "
    "released",
    "runs when data is there": "the same, for whoever has the data",
    "blind (needs the organiser)": "a system here is the recipe of the row and makes the "
    "predictions; the labels of test were never released, so the organiser must score them",
    "not yet": "no system here is the recipe of the row",
}
# (table, system as published) -> the row of SYSTEMS that is its recipe, and the mode
RECIPES: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("Table 5", "wav2vec2 + SVR"): ("w2v2-msp-svr", "official"),
    ("Table 5", "ComParE + SVR"): ("compare-svr", "official"),
    ("Table 5", "late fusion of four"): ("late-fusion", "official"),
    ("Table 6a", "ComParE + MLP"): ("compare-multitask", "official"),
    ("Table 6a", "eGeMAPS + MLP"): ("egemaps-multitask", "official"),
    ("Table 6c", "End2You"): ("fewshot-lstm", "official"),
    ("Table 7", "ComParE + MLP"): ("compare-mlp", "official"),
    ("Table 7", "End2You"): ("end2you", "official"),
    ("Table 8", "ComParE + MLP"): ("compare-multitask", "official"),
    ("Table 8", "End2You"): ("fewshot-lstm", "official"),
    ("Table 9", "End2You"): ("end2you", "official"),
    ("Table 10", "wav2vec2 + logistic regression"): ("w2v2-logreg", "sound"),
    ("Table 10", "HuBERT + logistic regression"): ("hubert-logreg", "sound"),
    ("Table 10", "early fusion + logistic regression"): ("early-fusion", "sound"),
}
MARKERS: Final = ("<!-- coverage -->", "<!-- /coverage -->")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A row of a table of the paper, for one task."""

    table: str  # "Table 7"
    task: str
    system: str  # as published
    team: str
    dev: State | None  # None: the paper prints no number on that part
    test: State | None
    recipe: str  # the row of SYSTEMS; "" where there is none yet
    command: str  # that makes it, but for the folder of the data; "" where there is no recipe


def coverage(here: Collection[str] = ()) -> tuple[Coverage, ...]:
    """Every row of Tables 5 to 10, in the order of the paper.

    Args:
        here: names of the corpora whose data is there.
    """
    rows: dict[tuple[str, str, str, str], list[Published]] = {}
    for cell in PUBLISHED:
        if cell.source == PAPER:
            key = cell.table, cell.task, cell.system, cell.team
            rows.setdefault(key, []).append(cell)
    return tuple(_row(key, cells, here) for key, cells in rows.items())


def _row(
    key: tuple[str, str, str, str], cells: Collection[Published], here: Collection[str]
) -> Coverage:
    table, task, system, team = key
    recipe, mode = RECIPES.get((table, system), ("", ""))
    parts = {cell.split for cell in cells}
    states = {
        part: _state(TASKS[task], recipe, part, here) if part in parts else None
        for part in ("dev", "test")
    }
    return Coverage(
        table=table,
        task=task,
        system=system,
        team=team,
        dev=states["dev"],
        test=states["test"],
        recipe=recipe,
        command=_command(task, recipe, mode) if recipe else "",
    )


def _state(task: Task, recipe: str, part: str, here: Collection[str]) -> State:
    if not recipe:
        return "not yet"
    if part == "test" and task.corpus.read_labels is not None:  # its labels come apart
        return "blind (needs the organiser)"
    return "runs" if task.corpus.name in here else "runs when data is there"


def _command(task: str, recipe: str, mode: str) -> str:
    flag = "" if mode == SYSTEMS[recipe].modes[0] else f" --mode {mode}"
    return f"affectbench run {task} --system {recipe}{flag} --data DIR"


def found(base: Path | None) -> tuple[str, ...]:
    """Names of the corpora that have a folder, and no twin, in a folder of corpora."""
    if base is None:
        return ()
    names = dict.fromkeys(task.corpus.name for task in TASKS.values())
    return tuple(
        name for name in names if (base / name).is_dir() and not (base / name / "TWIN.md").is_file()
    )


def markdown() -> str:
    """The list as Markdown, for a reader who has no data: the same on every machine."""
    rows = coverage()
    lines = ["| table | task | system | team | dev | test |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {row.table.removeprefix('Table ')} | `{row.task}` | {row.system} | {row.team} | "
        f"{row.dev or '-'} | {row.test or '-'} |"
        for row in rows
    ]
    used = [state for state in STATES if any(state in (row.dev, row.test) for row in rows)]
    told = "\n".join(f"- {state}: {STATES[state]}." for state in used)
    return "\n".join(lines) + f"\n\n{told}\n"


def between(text: str) -> str | None:
    """What a file holds between the markers; None where they are not there."""
    match = re.search(f"{MARKERS[0]}\n(.*?){MARKERS[1]}", text, re.DOTALL)
    return match and match[1]


def put_into(text: str) -> str:
    """The text of a file with the list between its markers.

    Raises:
        MissingData: the markers are not there.
    """
    if between(text) is None:
        raise MissingData(f"No markers: expected a line {MARKERS[0]} and a line {MARKERS[1]}.")
    begin, rest = text.split(f"{MARKERS[0]}\n", 1)
    return f"{begin}{MARKERS[0]}\n{markdown()}{MARKERS[1]}{rest.split(MARKERS[1], 1)[1]}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        text = put_into(path.read_text(encoding="utf-8"))
        write_atomic(path, methodcaller("write", text.encode()))
