"""Pages about the tasks, written from the tables: what is measured, how, and what is wrong with it.

    python -m affectbench.guide docs

writes ``docs/protocols/<task>.md`` and ``docs/errata.md``. A test holds the files equal to these
pages.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from operator import methodcaller
from pathlib import Path
from typing import Final

from affectbench import submission
from affectbench.errata import ERRATA, Erratum, of_task
from affectbench.intervals.methods import BOOTSTRAP_FROM
from affectbench.store import write_atomic
from affectbench.submission.names import numbered
from affectbench.tasks import TASKS
from affectbench.types import Metric, Target, Task

MADE: Final = "<!-- Written by `python -m affectbench.guide docs` from the tables. Do not edit. -->"
PROTOCOLS: Final = {
    "predict": "Fit on train, choose on dev, predict dev with a model that never saw it, refit "
    "where the recipe says so, predict test.",
    "personalise": "Adapt a copy of the model to the two labelled support clips of a speaker, "
    "predict all other clips of that speaker, restore. Support clips are never scored.",
    "generate": "Learn, make 100 clips for each emotion, measure their Fréchet distance to dev, "
    "and take human ratings where there are any.",
}
KINDS: Final = {"paper": "Paper", "code": "Published code", "open": "Not known"}


def pages() -> dict[str, str]:
    """Text by path below ``docs``."""
    found = {f"protocols/{task.name}.md": task_page(task) for task in TASKS.values()}
    return {**found, "errata.md": errata_page()}


def write(folder: Path) -> list[Path]:
    """Write all pages below a folder; the files."""
    written = []
    for name, text in pages().items():
        path = folder / name
        write_atomic(path, methodcaller("write", text.encode()))
        written.append(path)
    return written


def task_page(task: Task) -> str:
    """The page of a task."""
    sections = [
        f"# {task.title}",
        MADE,
        f"Task `{task.name}`, version {task.version}. {task.source}.",
        "## What is predicted",
        *_targets(task.targets),
        "## Data and protocol",
        *_data(task),
        "## Score",
        *_score(task),
        "## Run it",
        _commands(task),
        "## File to hand in",
        *_hand_in(task),
        "## What is wrong or not known",
        *(_errata(of_task(task.name)) or ["Nothing that we know of."]),
    ]
    return "\n\n".join(sections) + "\n"


def errata_page() -> str:
    """The page of all errata."""
    sections = [
        "# Errata",
        MADE,
        "What the workshop paper (arXiv:2403.14048) and the published code got wrong, what is lost "
        "in the paper's tables, and what cannot be known. Each with what this package does, how it "
        "is known, and the arithmetic, worked out when this page is written.",
    ]
    for kind, title in KINDS.items():
        sections += [
            f"## {title}",
            *_errata([row for row in ERRATA if row.kind == kind], tell=True),
        ]
    return "\n\n".join(sections) + "\n"


def _errata(rows: Iterable[Erratum], *, tell: bool = False) -> list[str]:
    """A heading and a paragraph each; with ``tell`` the tasks that it concerns."""
    told = []
    for row in rows:
        told.append(f"### {row.where} (`{row.name}`)")
        lines = [f"*It says:* {row.says}", f"*What holds:* {row.holds}"]
        if row.arithmetic:
            lines.append(f"*Arithmetic:* {row.arithmetic()}.")
        lines.append(f"*Source:* {row.source}.")
        if tell and row.tasks:
            names = ", ".join(f"[{name}](protocols/{name}.md)" for name in row.tasks)
            lines.append(f"*Tasks:* {names}.")
        told.append("\n".join(f"{line}  " for line in lines).rstrip())
    return told


def _targets(targets: Sequence[Target]) -> list[str]:
    """A line a target."""
    lines = []
    for target in targets:
        blank = " A label may be blank; it is masked." if target.nan_ok else ""
        if target.kind == "classification":
            what = f"one of {target.outputs} classes: {', '.join(target.classes)}."
        else:
            what = f"{target.outputs} numbers from {target.low:g} to {target.high:g}: "
            what += f"{', '.join(target.columns)}."
        lines.append(f"- {target.name}: {what}{blank}")
    return ["\n".join(lines)]


def _data(task: Task) -> list[str]:
    """Corpus, sizes, split and protocol."""
    corpus, split = task.corpus, task.split
    sizes = ", ".join(f"{count:,} {what}" for what, count in corpus.published.items())
    whose = "released with the corpus" if split.released else "ours, since none was published"
    disjoint = f"; no {split.disjoint} is in two parts" if split.disjoint else ""
    return [
        f"{corpus.title} (`affectbench show {corpus.name}`): {sizes}. Access: {corpus.access}. "
        f"Layout: {corpus.layout}.",
        f"Split `{split.name}@{split.version}`, {whose}{disjoint}. {PROTOCOLS[task.protocol]}",
    ]


def _score(task: Task) -> list[str]:
    """Ranking metric, its variants, and what is resampled."""
    metrics = {metric.key: metric for metric in (task.metric, *task.also)}
    for metric in (task.metric, *task.also):
        metrics |= {part.key: part for part in metric.parts}
    rows = ["| metric | how | worst to best | source |", "|---|---|---|---|"]
    rows += [_metric(metric, ranks=metric is task.metric) for metric in metrics.values()]
    interval = (
        f"Intervals are 95 % and by {task.group}: from {BOOTSTRAP_FROM} {task.group}s on by "
        "bootstrap, with fewer by the jackknife. `affectbench compare A B` tests a difference on "
        "the same clips."
    )
    if task.protocol == "generate":
        interval = "Intervals are 95 % and leave out blocks of generated clips in turn."
    return [f"`{task.metric.key}` ranks.", "\n".join(rows), interval]


def _metric(metric: Metric, *, ranks: bool) -> str:
    """A row of the table of metrics."""
    mark = " (ranks)" if ranks else ""
    scale = f"{metric.low:g} to {metric.high:g}".replace("inf", "∞")
    return f"| `{metric.key}`{mark} | {metric.about} | {scale} | {metric.source} |"


def _hand_in(task: Task) -> list[str]:
    """The official file, or ours."""
    form = submission.form_of(task)
    if task.protocol == "generate":
        return [
            f"{form.source}. A folder or zip of 100 wavs (16 kHz, mono, 16 bit) for each emotion, "
            f"or for one alone, by name: `Awe/Awe_000.wav`. A team may hand in {form.attempts} "
            "times."
        ]
    whose = form.source if form.official else "none was published; this one is ours"
    header = ",".join((form.key, *form.columns))
    name = submission.name_of(task, "team", 1)
    told = [
        f"Format: {whose}. A team may hand in {form.attempts} times.",
        f"```\n{name}\n{header}\n```",
    ]
    for column, classes in form.codes.items():
        codes = ", ".join(f"{code} {label}" for code, label in enumerate(classes))
        told.append(f"`{column}` is written as a code: {codes}.")
    return told


def _commands(task: Task) -> str:
    """From a twin to a score card."""
    if task.protocol == "generate":
        stem = submission.form_of(task).stem
        lines = [
            f"affectbench submit pack FOLDER --task {task.name} --team team --number 1 --out .",
            f"affectbench score {task.name} {numbered(stem, 'team', 1)}.zip "
            "--labels CORPUS --ratings ratings.csv",
        ]
        return "```sh\n" + "\n".join(lines) + "\n```"
    file = submission.name_of(task, "team", 1)
    support = " --support data_info.csv" if task.protocol == "personalise" else ""
    lines = [f"affectbench run {task.name} --system SYSTEM --data FOLDER"]
    if task.corpus.twin:
        lines.insert(
            0, f"affectbench twin {task.corpus.name} --out FOLDER   # if you have no licence"
        )
    lines += [
        f"affectbench submit pack results/{task.name}/SYSTEM --task {task.name} --team team "
        "--number 1 --out .",
        f"affectbench score {task.name} {file} --labels LABELS{support}   # any tool's file",
        f"affectbench seal LABELS{support} --task {task.name} --out blind.bundle --key secret.key",
        f"affectbench judge blind.bundle {file} --key secret.key --log log.jsonl --out cards",
    ]
    return "```sh\n" + "\n".join(lines) + "\n```"


if __name__ == "__main__":
    for made in write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
        print(made)  # noqa: T201
