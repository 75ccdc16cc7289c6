"""The first page: every task with its best numbers, the data behind them, what there is not yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from affectbench.board import Board, Group, Row, number
from affectbench.board.wording import interval_of, value_of
from affectbench.corpora import CORPORA
from affectbench.report.evidence import Data, Evidence, TaskEvidence
from affectbench.report.markup import Html, el, joined
from affectbench.report.page import HOME, page, section
from affectbench.report.prose import code
from affectbench.report.site import Names
from affectbench.report.strip import strip
from affectbench.report.tables import Cell, table
from affectbench.tasks import TASKS


def index_page(evidence: Evidence, names: Names) -> Html:
    """The page that a reader opens."""
    parts = [
        ("tasks", "Tasks", _tasks(evidence, names)),
        ("corpora", "Data", _corpora(evidence.data, names)),
        ("unusable", "Results that cannot be used", list(_unusable(evidence.tasks))),
        ("absent", "No result yet", _absent(evidence.published)),
        ("reading", "How to read it", list(_reading())),
    ]
    shown = [(name, title, body) for name, title, body in parts if body]
    return page(
        HOME,
        el("p", _summary(evidence), class_="lead"),
        _twins(evidence.data),
        [section(name, title, body) for name, title, body in shown],
    )


def _twins(data: Sequence[Data]) -> Html | None:
    """A warning where results are of synthetic data."""
    twins = [one.origin == "twin" for one in data]
    if not any(twins):
        return None
    return el(
        "div",
        el(
            "p",
            f"{'The' if all(twins) else 'Some'} results here are of ",
            el("strong", "synthetic twins"),
            ": invented voices in the layouts of corpora that are not open. Their scores say "
            "nothing about people, and are never compared with published ones. The ceiling is what "
            "an oracle scores that knows all but the noise of the ratings.",
        ),
        class_="callout",
    )


def _summary(evidence: Evidence) -> str:
    systems = sum(len(task.systems) for task in evidence.tasks)
    tasks = len(evidence.tasks)
    return (
        f"{systems:,} result{'s' if systems != 1 else ''} on {tasks} "
        f"task{'s' if tasks != 1 else ''}. Every number stands with its interval, beside what has "
        "been published. The page of a task shows what lies behind it: predictions against the "
        "truth, groups, training, the clips that fail."
    )


def _tasks(evidence: Evidence, names: Names) -> Html:
    rows = [row for found in evidence.tasks for row in _task(found, names)]
    header = ("task", "best measured", "measure", "0 to 1", "ceiling", "best published")
    return joined(
        table(header, rows, label="Tasks"),
        el("p", "A full dot is the best measured system with its interval, a hollow one the best "
           "published number, where both are of the same clips. A dashed bar is the ceiling.",
           class_="note"),
    )  # fmt: skip


def _task(found: TaskEvidence, names: Names) -> Iterator[Sequence[Cell]]:
    """A row for each data that there are results of; the part is that which counts."""
    link = joined(
        el("a", found.name, href=names.task(found.name)),
        el("small", found.task.title if found.task else "a task of your own"),
    )
    published = best_published(found.board)
    shown = _number(published, _who(published)) if published else "none"
    groups = [detail.group for detail in found.details] or [
        group for group in found.board.groups if any(row.kind == "own" for row in group.rows)
    ][:1]
    for group in groups:
        own = next(row for row in group.rows if row.kind == "own")
        on = f"{group.title[0].lower()}{group.title[1:]}" if group.ranked else None
        yield (
            Cell(link, kind="name"),
            Cell(_number(own, own.system) if own.status == "measured" else "unusable"),
            Cell(joined(found.board.metric, el("small", on) if on else None)),
            Cell(_strip(group, own), kind="middle"),
            Cell("" if group.ceiling is None else number(group.ceiling), group.ceiling, "num"),
            Cell(shown),
        )


def _who(row: Row) -> str:
    return f"{row.team or row.system}, {row.split}"


def _strip(group: Group, own: Row) -> Html | None:
    rival = next((row.value for row in group.rows if row.kind == "published"), None)
    if own.value is None:
        return None
    return strip(own.value, own.low, own.high, ceiling=group.ceiling, published=rival)


def _number(row: Row, who: str) -> Html:
    told = interval_of(row)
    value = el("span", el("strong", value_of(row)), f" {told}" if told else None, class_="still")
    return joined(value, el("small", who))


def best_published(board: Board) -> Row | None:
    """The best ranked published number: of test, else of dev."""
    rows = [
        row
        for group in board.groups
        for row in group.rows
        if group.ranked and row.kind == "published" and row.value is not None
    ]
    return rows[0] if rows else None


def _corpora(data: Sequence[Data], names: Names) -> Html:
    rows = []
    for one in data:
        name = el("a", one.corpus, href=names.corpus(one.corpus)) if one.known else one.corpus
        recorded = one.recorded["clips"]
        corpus = one.known
        published = corpus.published.get("clips") if corpus else None
        rows.append(
            (
                Cell(joined(name, el("small", corpus.title) if corpus else None), kind="name"),
                Cell(one.title.partition(", ")[2]),
                Cell(f"{recorded:,}", recorded, "num"),
                Cell("" if published is None else f"{published:,}", published, "num"),
                Cell(corpus.access if corpus else "unknown"),
                Cell(corpus.licence if corpus else "unknown"),
            )
        )
    header = ("corpus", "data", "clips", "published", "access", "licence")
    return table(header, rows, label="Data that the results are of")


def _unusable(tasks: Sequence[TaskEvidence]) -> Iterator[Html]:
    rows = [
        el("li", el("strong", f"{task.name} / {row.system}"), ": ", row.note)
        for task in tasks
        for group in task.board.groups
        for row in group.rows
        if row.status == "unusable"
    ]
    if rows:
        yield el("ul", rows)


def _absent(published: Mapping[str, Board]) -> Html | None:
    if not published:
        return None
    rows = []
    for name, board in published.items():
        task = TASKS[name]
        best = best_published(board)
        how = (
            f"affectbench score {name} FOLDER --labels DATA"
            if task.protocol == "generate"
            else f"affectbench run {name} --system egemaps-svm --data DATA"
        )
        rows.append(
            (
                Cell(joined(name, el("small", task.title)), kind="name"),
                Cell(task.metric.key, kind="still"),
                Cell(_number(best, _who(best)) if best else "none"),
                Cell(el("code", how)),
            )
        )
    return table(
        ("task", "ranks by", "best published", "command"), rows,
        label="Tasks without results",
    )  # fmt: skip


def _reading() -> Iterator[Html]:
    yield el(
        "ul",
        [
            el("li", text)
            for text in (
                "A value is the mean over seeds. Its interval resamples speakers, or what else a "
                "task names, never single clips; the board of each task says how it was made.",
                "Published and measured systems are ranked together only where both are of all "
                "released clips. Whatever else there is has a table of its own.",
                "Numbers that are disputed, damaged in print or on another scale are shown and "
                "never ranked.",
                "Every number can be made again: the page of a task has the commands, the card "
                "of a system its settings, versions and digests.",
            )
        ],
    )
    yield el("p", "Make this site again:")
    yield code("affectbench report RESULTS --out SITE")


def corpora_of(evidence: Evidence) -> list[str]:
    """The corpora that get a page, in the order of ``CORPORA``."""
    found = {data.corpus for data in evidence.data}
    return [name for name in CORPORA if name in found]
