"""The commands that made the numbers, with words in place of this machine's folders."""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from affectbench.board.own import command
from affectbench.board.stored import Stored
from affectbench.report.evidence import Data, TaskEvidence
from affectbench.scoring import Scoring
from affectbench.types import Task

TWIN: Final = re.compile(r"twin version \d+, seed (\d+), scale (\S+) of the")
WORDS: Final = (
    "DATA is the folder of the corpus, RESULTS that of the results, LABELS the label files of a "
    "blind test."
)


def of_task(found: TaskEvidence) -> list[str]:
    """From the data to the scores, in order; each command once."""
    told: list[str] = []
    for label, one in found.systems.items():
        told += of_system(one, found.data[label], found.task)
    told = list(dict.fromkeys(told))
    told.sort(key=lambda line: ["twin", "get", "run", "score"].index(line.split()[1]))
    if len(found.systems) > 1 and found.task:
        told.append(f"affectbench compare RESULTS/{found.name}")
    return told


def of_system(one: Stored, data: Data, task: Task | None) -> list[str]:
    """What makes one system's numbers."""
    told = [*_source(data), f"{command(one).replace('--data DIR', '--data DATA')} --out RESULTS"]
    scored = f"affectbench score RESULTS/{one.task}"
    flags = _scoring(one)
    if task and "test" in one.summary["scores"] and _was_blind(task, data):
        flags = " --labels LABELS" + flags
    return [*told, scored + flags] if flags else told


def _source(data: Data) -> list[str]:
    """Where the data come from: a twin is made, an open corpus is fetched."""
    corpus = data.known
    if data.origin == "twin" and data.root is not None:
        made = TWIN.search((data.root / "TWIN.md").read_text(encoding="utf-8"))
        seed, scale = made.groups() if made else ("0", "SCALE")
        return [f"affectbench twin {data.corpus} --out DATA --scale {scale} --seed {seed}"]
    if corpus is not None and corpus.remotes:
        return [f"affectbench get {data.corpus} --data DATA"]
    return []


def _was_blind(task: Task, data: Data) -> bool:
    """Whether the folder itself does not tell the labels of test."""
    if data.clips is None:
        return task.corpus.read_labels is not None
    test = data.clips.filter(pl.col("part") == "test")
    return bool(test.select(pl.all_horizontal(pl.col(task.columns).is_null().all())).item())


def _scoring(one: Stored) -> str:
    """Flags of a scoring that is not the usual one."""
    used, usual = one.summary["scoring"], Scoring()
    told = ""
    if used["draws"] != usual.draws:
        told += f" --draws {used['draws']}"
    if used["group_by"] is not None:
        told += f" --interval {used['group_by']}"
    if used.get("method", usual.method) != usual.method:
        told += f" --method {used['method']}"
    return told
