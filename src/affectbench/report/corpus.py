"""The page of a corpus: what is published of it, what the data hold, what was found on the way.

Counts and distributions alone: no page of a licensed corpus tells the label of a clip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import polars as pl

from affectbench import check
from affectbench.audit import Audit, audit_corpus
from affectbench.census import Comparison, PartCount, shown
from affectbench.errors import AffectBenchError
from affectbench.report import figures
from affectbench.report.evidence import Data, Evidence
from affectbench.report.markup import Child, Html, el, joined, sourced
from affectbench.report.page import page, section
from affectbench.report.pictures import broad
from affectbench.report.site import Names
from affectbench.report.tables import Cell, figure_cell, table
from affectbench.types import PARTS, Corpus, Target, Task

FEW: Final = 12  # columns of numbers up to which each gets a figure
WHO: Final = ("country", "sex")
QUARTILES: Final = (0.25, 0.5, 0.75)
LARGEST: Final = 3  # groups of clips that share something
CLASSES: Final = 30  # shown of a column of text


def corpus_page(corpus: Corpus, evidence: Evidence, names: Names) -> Html:
    """A corpus and all data of it that results are of."""
    held = [data for data in evidence.data if data.corpus == corpus.name]
    parts = [("corpus", "The corpus", list(_about(corpus)))]
    for index, data in enumerate(held):
        name = f"data-{index}" if len(held) > 1 else "data"
        title = data.title.partition(", ")[2].capitalize()
        parts.append((name, f"Data: {title.lower()}", list(_data(corpus, data, evidence, name))))
    tasks = [task for task in evidence.tasks if task.task and task.task.corpus.name == corpus.name]
    links = [
        el("li", el("a", task.name, href=f"../{names.task(task.name)}"),
           f": {task.task.title if task.task else ''}")
        for task in tasks
    ]  # fmt: skip
    parts.append(("tasks", "Tasks with results", [el("ul", links)] if links else []))
    return page(
        corpus.title,
        [section(name, title, *body) for name, title, body in parts if body],
        up="../",
        trail=("corpora", corpus.name),
        contents=[(name, title) for name, title, body in parts if body],
    )


def _about(corpus: Corpus) -> Iterator[Child]:
    """Licence, access and source."""
    facts: list[tuple[str, Child]] = [
        ("corpus", corpus.name),
        ("access", corpus.access),
        ("licence", corpus.licence),
        ("languages", ", ".join(corpus.languages) or "none: not speech"),
        *((f"published {key}", f"{value:,}") for key, value in corpus.published.items()),
    ]
    yield el("dl", (el("div", el("dt", key), el("dd", value)) for key, value in facts),
             class_="facts")  # fmt: skip
    yield el("p", "Source: ", sourced(corpus.source), ".")
    yield el("p", f"Home: {corpus.home}.")
    if corpus.access_how:
        yield el("p", corpus.access_how)
    yield el("p", "Layout: ", el("code", corpus.layout), ".")


def _data(corpus: Corpus, data: Data, evidence: Evidence, name: str) -> Iterator[Child]:
    if data.origin == "twin":
        yield el("div", el("p", "A ", el("strong", "synthetic twin"), ": the layout and the class "
                 "shares are published facts, voices and labels are invented."),
                 class_="callout")  # fmt: skip
    task = next(iter(_tasks(data, evidence)), None)
    if data.root is None or data.clips is None:
        yield el("p", "The folder is not there any more, or has other labels. What the results "
                 "recorded of it:")  # fmt: skip
        yield _recorded(data)
    else:
        yield from _counted(corpus, data, data.clips)
        yield from _distributions(corpus, data.clips, name)
        yield from _audited(corpus, data, task)
    yield from _findings(data, evidence)


def _tasks(data: Data, evidence: Evidence) -> list[Task]:
    """Tasks with results on these data."""
    return [
        found.task
        for found in evidence.tasks
        if found.task is not None and data in found.data.values()
    ]


def _recorded(data: Data) -> Html:
    """Clips and speakers of each part, as the run noted them."""
    rows = [
        (
            part,
            figure_cell(counts["clips"], f"{counts['clips']:,}"),
            figure_cell(counts["readable"], f"{counts['readable']:,}"),
            figure_cell(counts["speakers"], _or_unknown(counts["speakers"])),
        )
        for part, counts in data.recorded["parts"].items()
    ]
    return table(("part", "clips", "readable", "speakers"), rows,
                 label="Parts")  # fmt: skip


def _or_unknown(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"


def _counted(corpus: Corpus, data: Data, clips: pl.DataFrame) -> Iterator[Child]:
    """What `affectbench check` counts without opening the audio."""
    assert data.root is not None
    found = check.check(corpus, data.root, audio=False)
    split = data.recorded["split"]
    whose = "released with the corpus" if split["released"] else "ours, since none was published"
    yield el("h3", "Parts")
    yield _parts(_of_split(clips))
    yield el("p", f"Split {split['name']}@{split['version']}, {whose}.", class_="note")
    told = [row for row in found.comparisons if row.verdict != "unknown"]
    if told:
        yield el("h3", "Beside what is published")
        if data.origin == "twin":
            yield el("p", "A twin is smaller than its corpus, so most counts differ.")
        compared = _compared(told)
        count = f"{len(told)} counts beside the published ones"
        folded = el("details", el("summary", count), compared)
        yield folded if len(told) > FEW else compared


def _of_split(clips: pl.DataFrame) -> tuple[PartCount, ...]:
    from affectbench.census import count_parts

    return count_parts(clips)


def _parts(parts: Sequence[PartCount]) -> Html:
    rows = [
        (
            part.part,
            figure_cell(part.clips, f"{part.clips:,}"),
            figure_cell(part.speakers, _or_unknown(part.speakers)),
            ", ".join(f"{count:,} {sex}" for sex, count in part.sexes.items()) or "unknown",
        )
        for part in parts
    ]
    return table(("part", "clips", "speakers", "speakers by sex"), rows,
                 label="Parts of the split")  # fmt: skip


def _compared(rows: Sequence[Comparison]) -> Html:
    """Published counts and corrections, with what the folder holds."""
    cells = []
    for row in rows:
        published = joined(
            *(
                el("div", shown(fact.value),
                   el("span", " corrected", class_="tag") if fact.status == "correction" else None)
                for fact in row.published
            )
        )  # fmt: skip
        notes = [fact.note for fact in row.published if fact.note]
        sources = list(dict.fromkeys(fact.source for fact in row.published))
        cells.append(
            (
                Cell(row.what, kind="still"),
                Cell(published, row.published[0].value, "num"),
                Cell("" if row.found is None else shown(row.found), row.found, "num"),
                Cell({"ok": "equal", "odd": "differs"}.get(row.verdict, row.verdict)),
                Cell(joined(sourced("; ".join(sources)), el("small", *notes) if notes else None),
                     kind="text"),
            )
        )  # fmt: skip
    return table(("count", "published", "found", "verdict", "source"), cells,
                 label="Published counts and those of the folder", sortable=True)  # fmt: skip


def _distributions(corpus: Corpus, clips: pl.DataFrame, name: str) -> Iterator[Child]:
    """Labels, age, country and sex by part; a target without any label is left out."""
    held = [target for target in corpus.targets if set(target.columns) <= set(clips.columns)]
    drawn: list[Html] = []
    yield el("h3", "Labels")
    for index, target in enumerate(held):
        own = f"{name}-{index}"
        if target.kind == "classification":
            drawn.append(
                broad(_classes(clips, target.columns[0], target.classes, own), target.columns[0])
            )
        elif len(target.columns) <= FEW:
            drawn += [
                broad(_numbers(clips, column, (target.low, target.high), f"{own}-{place}"), column)
                for place, column in enumerate(target.columns)
            ]
    yield el("div", drawn, class_="grid wider")
    for target in held:
        if target.kind == "regression":
            yield _moments(clips, target)
    who = [column for column in WHO if clips[column].n_unique() > 1]
    people = [
        broad(_classes(clips, c, clips[c].drop_nulls().unique().sort().to_list(), f"{name}-{c}"), c)
        for c in who
    ]
    if clips["age"].is_not_null().any() and "age" not in {c for t in held for c in t.columns}:
        people.append(broad(_numbers(clips, "age", None, f"{name}-age"), "age"))
    if people:
        yield el("h3", "Speakers")
        yield el("div", people, class_="grid wider")


def _by_part(clips: pl.DataFrame, column: str) -> dict[str, pl.Series]:
    """The known values of each part that has any."""
    found = {part: clips.filter(pl.col("part") == part)[column].drop_nulls() for part in PARTS}
    return {part: values for part, values in found.items() if len(values)}


def _numbers(
    clips: pl.DataFrame, column: str, limits: tuple[float, float] | None, name: str
) -> str:
    values = {part: each.to_numpy() for part, each in _by_part(clips, column).items()}
    return figures.histogram(values, name=name, title=column, label=column, limits=limits)


def _classes(clips: pl.DataFrame, column: str, classes: Sequence[str], name: str) -> str:
    """Clips of each class, in percent of the labelled ones of the part."""
    shares = {}
    for part, values in _by_part(clips, column).items():
        counts = dict(values.value_counts().iter_rows())
        shares[part] = [100 * counts.get(each, 0) / len(values) for each in classes[:CLASSES]]
    return figures.bars(
        classes[:CLASSES], shares, name=name, title=column, label="% of the labelled clips",
        digits=1,
    )  # fmt: skip


def _moments(clips: pl.DataFrame, target: Target) -> Html:
    """Mean, spread and quartiles of each column, over all parts."""
    rows: list[Sequence[Cell | Child]] = []
    for column in target.columns:
        values = clips[column].cast(pl.Float64).fill_nan(None).drop_nulls()
        known = values.to_numpy()
        told = [known.mean(), known.std(), *np.quantile(known, QUARTILES)] if len(known) else []
        rows.append(
            (
                column,
                figure_cell(len(known), f"{len(known):,}"),
                *(figure_cell(float(each)) for each in told or [np.nan] * 5),
            )
        )
    header = ("column", "labelled", "mean", "SD", "lower quartile", "median", "upper quartile")
    return el(
        "details",
        el(
            "summary", f"{target.name}: {len(rows)} column{'s' if len(rows) > 1 else ''} in numbers"
        ),
        table(header, rows, label=f"Labels of {target.name}", sortable=True),
    )


def _audited(corpus: Corpus, data: Data, task: Task | None) -> Iterator[Child]:
    """What the parts share, from names and labels alone."""
    assert data.root is not None
    yield el("h3", "What the parts share")
    split = task.split if task is not None and not task.split.released else None
    try:
        found = audit_corpus(corpus, data.root, split=split, audio=False)
    except AffectBenchError as error:
        yield el("p", f"The parts cannot be compared: {error}")
        return
    yield el("p", el("strong", found.verdict))
    yield _checks(found, free=data.free)


def _checks(found: Audit, *, free: bool) -> Html:
    rows: list[Sequence[Cell | Child]] = []
    for row in found.checks:
        touched = [
            f"{row.clips.get(part, 0) / clips:.1%} of {part}" for part, clips in found.parts.items()
        ]
        worst = [el("div", group.name) for group in row.worst[:LARGEST]] if free else ""
        rows.append(
            (
                row.kind,
                figure_cell(row.groups, f"{row.groups:,}"),
                figure_cell(row.shared, f"{row.shared:,}"),
                Cell(", ".join(touched) if row.shared else "", kind="still"),
                Cell(worst, kind="text"),
            )
        )
    header = ("kind", "groups", "in several parts", "clips touched", "largest")
    kept = range(5 if free else 4) if any(row.shared for row in found.checks) else range(3)
    shown = [[row[i] for i in kept] for row in rows]
    return table([header[i] for i in kept], shown, label="What the parts share")


def _findings(data: Data, evidence: Evidence) -> Iterator[Child]:
    """What the runs found in the folder, each thing once."""
    told: dict[str, str] = {}
    for task in evidence.tasks:
        for label, one in task.systems.items():
            if task.data[label] == data:
                for row in one.result["findings"]:
                    count = f": {row['count']:,}" if row["count"] else ""
                    told.setdefault(f"{row['kind']}{count}.", row["advice"])
    if told:
        yield el("h3", "Findings of the runs")
        yield el("ul", (el("li", el("strong", kind), " ", text) for kind, text in told.items()))
