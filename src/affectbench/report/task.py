"""The page of a task: the board, then what lies behind its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from affectbench import guide
from affectbench.board import Group, number
from affectbench.board.wording import interval, interval_of, value_of
from affectbench.errata import of_task as errata_of
from affectbench.report import clips, commands, pictures
from affectbench.report.evidence import Detail, TaskEvidence
from affectbench.report.markup import Child, Html, el, joined, sourced
from affectbench.report.page import page, section
from affectbench.report.prose import code, rendered
from affectbench.report.site import Names, seeds_of
from affectbench.report.tables import Cell, group_table, table
from affectbench.types import Target, Task

Part = tuple[str, str, Sequence[Child]]  # id, title, body


def task_page(found: TaskEvidence, names: Names, *, licensed_audio: bool) -> Html:
    """All that is known of a task."""
    task = found.task
    parts: list[Part] = [("board", "Board", list(_board(found, names)))]
    parts += [("systems", "Systems and their intervals", list(_forests(found)))]
    for title, name, make in (
        ("Every reading of the score", "readings", _readings),
        ("Predicted against true", "agreement", _agreement),
        ("Confusions", "confusion", _confusion),
        ("What support clips are worth", "shots", _shots),
        ("By group", "groups", _groups),
        ("Learning curves", "curves", _curves),
    ):
        parts.append((name, title, list(_each(found, name, make))))
    parts.append(("clips", "Hardest clips", list(_hardest(found, licensed_audio))))
    if task is not None:
        parts.append(("protocol", "Protocol and errata", _protocol(task)))
    parts += [
        ("commands", "Commands", _commands(found)),
        ("notes", "Findings and notes", list(_notes(found))),
        ("versions", "Versions", list(_versions(found))),
    ]
    shown = [(name, title, body) for name, title, body in parts if any(body)]
    return page(
        task.title if task else found.name,
        _facts(found, names),
        [section(name, title, *body) for name, title, body in shown],
        up="../",
        trail=("tasks", found.name),
        contents=[(name, title) for name, title, _ in shown],
    )


def _facts(found: TaskEvidence, names: Names) -> Child:
    """What the task is, and a warning where the data are synthetic."""
    task = found.task
    facts: list[tuple[str, Child]] = [("task", found.name)]
    if task is not None:
        targets = ", ".join(_predicts(target) for target in task.targets)
        known = task.corpus.name in {data.corpus for data in found.data.values()}
        corpus = el("a", task.corpus.name, href=f"../{names.corpus(task.corpus.name)}")
        facts += [
            ("corpus", corpus if known else task.corpus.name),
            ("predicts", targets),
            ("ranks by", found.board.metric),
            ("intervals resample", f"{task.group}s"),
            ("version", task.version),
        ]
    if found.details:
        row = next(row for row in found.details[0].group.rows if row.kind == "own")
        who = el("small", f"{row.system}, {found.details[0].part}")
        facts.append(("best measured", [f"{value_of(row)} {interval_of(row)}", who]))
    told: list[Child] = [
        el("dl", (el("div", el("dt", key), el("dd", value)) for key, value in facts),
           class_="facts")
    ]  # fmt: skip
    if any(data.origin == "twin" for data in found.data.values()):
        told.append(
            el("div", el("p", "Results here are of a ", el("strong", "synthetic twin"), ". Their "
               "scores say nothing about people, and do not compare with published ones."),
               class_="callout")
        )  # fmt: skip
    return told


def _predicts(target: Target) -> str:
    """``10 emotions``, ``age``, ``country (1 of 4)``."""
    if target.kind == "classification":
        return f"{target.name} (1 of {target.outputs})"
    return f"{target.outputs} {target.name}" if target.outputs > 1 else target.name


def _board(found: TaskEvidence, names: Names) -> Iterator[Child]:
    """Groups with results of one's own first, each kind in the order of the board."""
    told: set[str] = set()
    for group in sorted(found.board.groups, key=lambda group: not _measured(group)):
        body = [
            group_table(found.board, group, lambda row: names.card(found.name, row)),
            _ceiling(group),
            [el("p", sourced(text), class_="note") for text in group.remarks if text not in told],
        ]
        told.update(group.remarks)
        if group.ranked:
            printed = all(row.kind == "published" for row in group.rows)
            yield joined(el("h3", group.title, ", published" if printed else None), body)
        else:
            count = f"{len(group.rows)} number{'s' if len(group.rows) != 1 else ''}"
            yield el("details", el("summary", f"{group.title}: {count}"), el("div", body))
    yield [el("p", sourced(remark), class_="note") for remark in _remarks(found)]


def _measured(group: Group) -> bool:
    return group.ranked and any(row.kind == "own" for row in group.rows)


def _ceiling(group: Group) -> Html | None:
    if group.ceiling is None:
        return None
    text = f"Ceiling {number(group.ceiling)}: an oracle on this twin, which knows all but the noise"
    return el("p", f"{text} of the ratings.", class_="note")


def _remarks(found: TaskEvidence) -> list[str]:
    """What must be said of the whole board; notes of results have a section of their own."""
    notes = {note for one in found.systems.values() for note in one.summary["notes"]}
    return [remark for remark in found.board.remarks if remark not in notes]


def _forests(found: TaskEvidence) -> Iterator[Child]:
    """The groups with a system of one's own."""
    drawn = [
        el("div", el("h3", group.title),
           pictures.forest(group, found.task, found.board.metric, f"forest-{index}"))
        for index, group in enumerate(found.board.groups)
        if _measured(group) and any(row.value is not None for row in group.rows)
    ]  # fmt: skip
    if drawn:
        yield el("div", drawn, class_="grid wider")


def _each(
    found: TaskEvidence, name: str, make: Callable[[Detail, str], Sequence[Child]]
) -> Iterator[Child]:
    """A section for each data, under a heading where there are several."""
    for index, detail in enumerate(found.details):
        body = make(detail, f"{name}-{index}")
        if body:
            yield [el("h3", detail.group.title) if len(found.details) > 1 else None, body]


def _readings(detail: Detail, _name: str) -> Sequence[Child]:
    """What each system scores by the ranking metric, by its variants, and by what stands beside."""
    scores = {
        system: one.summary["scores"].get(detail.part, {}) for system, one in detail.systems.items()
    }
    keys = list(dict.fromkeys(key for held in scores.values() for key in held))
    if len(keys) < 2:
        return []
    rows: list[list[Cell | Child]] = [
        [system, *(_reading(held.get(key)) for key in keys)] for system, held in scores.items()
    ]
    text = (
        f"On {detail.part}. Variants called official are what the published code computes; the "
        "protocol below says how each is made."
    )
    label = f"Every reading, {detail.group.title}"
    return [el("p", text), table(["system", *keys], rows, label=label, sortable=True)]


def _reading(score: dict[str, Any] | None) -> Cell:
    """A value and its interval."""
    value = score["value"] if score else None
    told = interval(score) if score and score["low"] is not None else ""
    return Cell([number(value), el("small", told)], value, "num")


def _agreement(detail: Detail, name: str) -> Sequence[Child]:
    drawn = [svg for _, svg in pictures.agreements(detail, name)]
    if not drawn:
        return []
    label, one = detail.best
    _, seed = pictures.table_of(detail, one)
    return [
        el("p", "The best system, ", el("strong", label), f", on {detail.part}. {seed} The CCC is "
           "how close the points lie to the dashed identity: r says how close they are to the line "
           "through both means, C_b how close that line is to the identity."),
        el("div", drawn, class_="grid"),
    ]  # fmt: skip


def _confusion(detail: Detail, name: str) -> Sequence[Child]:
    drawn = list(pictures.confusions(detail, name))
    if not drawn:
        return []
    text = f"On {detail.part}, each row sums to the clips of a true class."
    return [el("p", text), el("div", drawn, class_="grid wider" if len(drawn) > 1 else None)]


def _shots(detail: Detail, name: str) -> Sequence[Child]:
    drawn = list(pictures.shots(detail, name))
    if not drawn:
        return []
    text = (
        f"On {detail.part}, all on the same clips: support clips are never scored. The intervals "
        "are of the scores; whether a gain is real is told by affectbench compare."
    )
    return [el("p", text), el("div", drawn, class_="grid wider")]


def _groups(detail: Detail, name: str) -> Sequence[Child]:
    drawn = list(pictures.gaps(detail, name))
    if not drawn:
        return []
    return [
        el("p", "The best system, ", el("strong", detail.best[0]), f", on {detail.part}: its "
           f"{detail.metric} in each group, all seeds. Small groups differ by chance alone, so the "
           "gap between the best and the worst is set against that of a model which ignores the "
           "group. A gap beyond it is no chance, which does not make it the model's doing."),
        el("div", drawn, class_="grid wider"),
    ]  # fmt: skip


def _curves(detail: Detail, name: str) -> Sequence[Child]:
    drawn = list(pictures.curves(detail, name))
    return [el("div", drawn, class_="grid wider")] if drawn else []


def _hardest(found: TaskEvidence, licensed_audio: bool) -> Iterator[Child]:
    for index, detail in enumerate(found.details):
        data = detail.data
        title = el("h3", detail.group.title) if len(found.details) > 1 else None
        how = (
            "The error of a clip is the mean over systems, seeds and targets: of numbers the mean "
            "absolute error in shares of the range, of classes the share of the other classes that "
            "a model puts before the true one."
        )
        listed = clips.hardest(detail, f"clip-{index}", licensed_audio=licensed_audio)
        yield [title, el("p", how), clips.spread(detail, f"errors-{index}")]
        if listed:
            yield listed
        elif data.free:
            yield el("p", "The folder of the data is not there any more, or has other labels: its "
                     "clips cannot be heard here.", class_="note")  # fmt: skip
        else:
            yield el("p", "Single clips of this corpus are licensed, and are not shown.",
                     class_="note")  # fmt: skip


def _protocol(task: Task) -> Sequence[Child]:
    """The guide's page; its errata folded, since they are many."""
    text, _, wrong = guide.task_page(task).partition("\n## What is wrong or not known\n")
    count = len(errata_of(task.name))
    folded = el(
        "details",
        el("summary", f"What is wrong or not known: {count} errata of paper and code"),
        el("div", rendered(wrong, deeper=0, prefix="errata")),
    )
    return [rendered(text, deeper=1, prefix="protocol"), folded if count else None]


def _commands(found: TaskEvidence) -> Sequence[Child]:
    lines = commands.of_task(found)
    return [el("p", commands.WORDS), code("\n".join(lines))] if lines else []


def _notes(found: TaskEvidence) -> Iterator[Child]:
    """Notes of each system, those of several once."""
    told: dict[str, list[str]] = {}
    for label, one in found.systems.items():
        for note in one.summary["notes"]:
            told.setdefault(note, []).append(label)
        for part, left in one.summary["unscored"].items():
            if left:
                note = f"{part}: {left:,} clips were not scored: no label or no prediction."
                told.setdefault(note, []).append(label)
    every = len(found.systems)
    if told:
        yield el(
            "ul",
            (
                el("li", note, None if len(who) == every else el("small", f" ({', '.join(who)})"))
                for note, who in told.items()
            ),
        )
    elif found.systems:
        yield el("p", "Nothing was found on the way that a reader must know.")
    unusable = [row for row in found.board.rows if row.status == "unusable"]
    if unusable:
        yield el("h3", "Results that cannot be used")
        yield el("ul", (el("li", el("strong", row.system), ": ", row.note) for row in unusable))


def _versions(found: TaskEvidence) -> Iterator[Child]:
    """What each system was made with."""
    rows = []
    for label, one in found.systems.items():
        result = one.result
        packages = [f"{name} {version}" for name, version in result["versions"].items() if version]
        rows.append(
            [
                Cell(label, kind="still"),
                Cell(", ".join(packages), kind="text"),
                Cell(_commit(result)),
                Cell(result["features"]["name"]),
                Cell(seeds_of(one)),
                Cell(el("code", result["inputs"][:12])),
            ]
        )
    if rows:
        header = ("system", "versions", "commit", "features", "seeds", "digest of inputs")
        yield table(header, rows, label="Versions of each result")


def _commit(result: Any) -> Child:
    """The commit of the code, and whether it had changes; of an installed package nothing."""
    code_of = result.get("code") or {}
    if not code_of.get("commit"):
        return "installed"
    return [el("code", code_of["commit"][:12]), " with changes" if code_of.get("dirty") else ""]
