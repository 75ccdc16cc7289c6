"""The clips that all systems get wrong: which they are, and, where they may be shown, how so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from affectbench.board.stored import Stored
from affectbench.report import figures
from affectbench.report.evidence import Detail
from affectbench.report.markup import Html, el
from affectbench.report.pictures import broad
from affectbench.report.sound import LONGEST_S, sound_of
from affectbench.scoring import scorable
from affectbench.types import Floats, Target

SHOWN: Final = 6
Row = dict[str, float | str | None]  # column -> value
STRONGEST: Final = 3  # columns of numbers that are told of a clip
COMPARED: Final = 3  # systems whose predictions are told of a clip, the best of them


def errors(detail: Detail) -> pl.DataFrame:
    """How wrong each clip is, ``clip`` and ``error``: the mean over systems, seeds and targets.

    Of numbers it is the mean absolute error over columns, in shares of the range of the label. Of
    classes it is the share of the other classes that a model puts before the true one. The worst
    come first.
    """
    found = []
    for one in detail.systems.values():
        for table in one.tables[detail.part]:
            rows = scorable(table, detail.task)
            wrong = np.mean([_error(rows, target) for target in detail.task.targets], axis=0)
            found.append(rows.select("clip").with_columns(error=pl.Series(wrong)))
    means = pl.concat(found).group_by("clip").agg(pl.col("error").mean())
    return means.sort("error", "clip", descending=[True, False])


def _error(rows: pl.DataFrame, target: Target) -> Floats:
    """[N] of one target, in 0..1 where predictions keep to the range."""
    if target.kind == "regression":
        away = [
            (pl.col(f"truth.{column}") - pl.col(f"prediction.{column}")).abs()
            for column in target.columns
        ]
        return rows.select(pl.mean_horizontal(away)).to_series().to_numpy() / (
            target.high - target.low
        )
    scores = rows.select(f"score.{name}" for name in target.classes).to_numpy().astype(np.float64)
    codes = {name: code for code, name in enumerate(target.classes)}
    truth = [codes[name] for name in rows[f"truth.{target.columns[0]}"]]
    own = scores[np.arange(len(truth)), truth]
    return np.asarray((scores > own[:, None]).sum(axis=1) / (len(codes) - 1))


def spread(detail: Detail, name: str) -> Html:
    """How the errors are distributed over clips."""
    svg = figures.histogram(
        {detail.part: errors(detail)["error"].to_numpy()}, name=name, title="Errors of clips",
        label="error, mean over systems", bins=24,
    )  # fmt: skip
    return broad(svg, "Errors of clips")


def hardest(detail: Detail, name: str, *, licensed_audio: bool) -> Html | None:
    """The clips with the largest errors; None where none may be shown, or the folder is gone.

    Of licensed clips there is sound where it was asked for, but never a label.
    """
    data = detail.data
    if data.clips is None or not (data.free or licensed_audio):
        return None
    paths = dict(data.clips.select("clip", "path").iter_rows())
    worst = errors(detail).head(SHOWN).iter_rows()
    items = [
        el("li", _clip(detail, clip, error, paths.get(clip), f"{name}-{place}"), class_="clip")
        for place, (clip, error) in enumerate(worst, start=1)
    ]
    return el("ul", items, class_="clips")


def _clip(detail: Detail, clip: str, error: float, path: str | None, name: str) -> list[Html]:
    """A clip; of a licensed one not even its name, since that may tell the label."""
    shown = clip if detail.data.free else f"Clip {name.rpartition('-')[2]}"
    told = [el("h3", shown)]
    heard = sound_of(Path(path)) if path else None
    if heard is None:
        told.append(el("p", "The recording cannot be read any more.", class_="note"))
    else:
        svg = figures.waveform(heard.samples, 16_000, name=name, title=f"Waveform of {shown}")
        told += [
            el("div", Html(svg), el("i", aria_hidden="true"), class_="wave"),
            el("audio", controls=True, preload="metadata", src=heard.address(),
               aria_label=f"Play {shown}"),
        ]  # fmt: skip
    length = "" if heard is None else f", {heard.whole_s:.1f} s"
    cut = f", the first {LONGEST_S:g} s of it" if heard is not None and heard.cut else ""
    told.append(el("p", f"error {error:.3f}{length}{cut}", class_="note"))
    if detail.data.free:
        told += list(_labels(detail, clip))
    return told


def _labels(detail: Detail, clip: str) -> Iterator[Html]:
    """Truth and the mean prediction of each system, of the strongest columns or the class."""
    for target in detail.task.targets:
        rows = {
            label: _row(one, detail.part, clip, target)
            for label, one in islice(detail.systems.items(), COMPARED)
        }
        truth = next(iter(rows.values()))[0]
        columns = sorted(truth, key=lambda c: -_size(truth[c]))[:STRONGEST]
        head = el("tr", el("td"), (el("th", column, scope="col") for column in columns))
        lines = [("truth", truth), *((label, row[1]) for label, row in rows.items())]
        body = [
            el("tr", el("th", label, scope="row"), (el("td", _told(row[c])) for c in columns))
            for label, row in lines
        ]
        label = f"Labels of {clip}: {target.name}"
        caption = el("caption", label, class_="unseen")
        whole = el("table", caption, el("thead", head), el("tbody", body))
        yield el("div", whole, class_="wide", tabindex="0", role="group", aria_label=label)


def _row(one: Stored, part: str, clip: str, target: Target) -> tuple[Row, Row]:
    """Truth and prediction of a clip: means over seeds, or the class that most seeds take."""
    rows = [table.filter(pl.col("clip") == clip) for table in one.tables[part]]
    truth: Row = {column: rows[0][f"truth.{column}"][0] for column in target.columns}
    given = {c: [row[f"prediction.{c}"][0] for row in rows] for c in target.columns}
    if target.kind == "regression":
        return truth, {column: _mean(values) for column, values in given.items()}
    column = target.columns[0]
    return truth, {column: max(sorted(set(given[column])), key=given[column].count)}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _size(value: float | str | None) -> float:
    return value if isinstance(value, float) else 0.0


def _told(value: float | str | None) -> str:
    if isinstance(value, str):
        return value
    return "n/a" if value is None else f"{value:.2f}"
