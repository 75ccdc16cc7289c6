"""Verbs about scores: of stored results, and of predictions from any tool."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, is_dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from affectbench.cli.terminal import (
    Data,
    Json,
    data_of,
    features_of,
    print_table,
    remarks_line,
    task_of,
)
from affectbench.errors import BadData, MissingData, listing

if TYPE_CHECKING:
    from affectbench.comparison import Compared
    from affectbench.types import Task

Draws = Annotated[int, typer.Option("--draws", min=1, help="Bootstrap draws.")]
Interval = Annotated[
    str | None,
    typer.Option("--interval", help="Resample speaker, seed or clip; the task's own by default."),
]
Method = Annotated[
    str,
    typer.Option("--method", help="auto, expanded, jackknife, percentile or bca."),
]
Labels = Annotated[
    Path | None,
    typer.Option("--labels", help="CSV or corpus folder with the labels of the clips."),
]
Groups = Annotated[
    Path | None,
    typer.Option("--groups", help="CSV that tells speakers, countries, ... of clips or speakers."),
]
Support = Annotated[
    Path | None, typer.Option("--support", help="CSV that names the support clips (few-shot).")
]

MOST_GROUPS: Final = 10  # printed


def score(
    what: Annotated[str, typer.Argument(help="A folder of results, or a task.")],
    predictions: Annotated[
        Path | None, typer.Argument(help="With a task: a CSV of predictions from any tool.")
    ] = None,
    labels: Labels = None,
    groups: Groups = None,
    support: Support = None,
    part: Annotated[str | None, typer.Option("--part", help="train, dev or test.")] = None,
    ratings: Annotated[
        Path | None, typer.Option("--ratings", help="CSV of listeners (generated clips).")
    ] = None,
    features: Annotated[
        str, typer.Option("--features", help="Space of the distance (generated clips).")
    ] = "egemaps",
    draws: Draws = 10_000,
    interval: Interval = None,
    method: Method = "auto",
    no_groups: Annotated[
        bool, typer.Option("--no-groups", help="Do not break a file's score down by group.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Score stored results again, or a file of predictions: no model and no audio is needed."""
    scoring = scoring_of(draws, interval, method)
    if predictions is None:
        score_folder(Path(what), labels, scoring, as_json=as_json)
        return
    from affectbench import scoring as scores
    from affectbench.truth import read_truth

    task = task_of(what)
    if labels is None:
        raise MissingData(
            "No --labels was given. Expected a CSV with the ids and labels of the clips, or the "
            f"folder of {task.corpus.title}."
        )
    if task.protocol == "generate":
        score_clips(task, predictions, labels, ratings, features, as_json=as_json)
        return
    truth = read_truth(labels, task, groups=groups, support=support)
    tables, notes = scores.read_predictions(predictions, task, truth, part)
    result = scores.score_predictions(predictions, tables, notes, task, scoring)
    summary = scores.summary_json(result, task, scoring)
    if not no_groups:
        summary["groups"] = {
            name: scores.group_reports([table], task, scoring) for name, table in tables.items()
        }
    tell(jsonable(summary), as_json=as_json)


def score_folder(folder: Path, labels: Path | None, scoring: Any, *, as_json: bool) -> None:
    """Score every system in a folder of results, test labels filled in where they are given."""
    from affectbench import results
    from affectbench.scoring import score_system

    folders = results.system_folders(folder)
    if not folders:
        raise MissingData(
            f"{folder} holds no results. Expected <task>/<system>/seed<k>/result.json; or name a "
            "task and a file: affectbench score TASK predictions.csv --labels labels.csv"
        )
    for place in folders:
        task = task_of(results.task_name(place))
        if labels is not None:
            results.unblind(place, task, labels)
        score_system(place, task, scoring)
        tell(json.loads((place / "summary.json").read_text()), as_json=as_json)
        if not as_json:
            typer.echo(f"\nStored in {place}.")


def score_clips(
    task: Task, path: Path, data: Path, ratings: Path | None, features: str, *, as_json: bool
) -> None:
    """Score a bundle of generated clips."""
    from affectbench.board import interval, number
    from affectbench.generation import score_bundle
    from affectbench.store import plain

    found = score_bundle(
        path, task, data, features_of(features), ratings=ratings, workers=os.cpu_count() or 1
    )
    told = plain(asdict(found))
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for key, rows in told["scores"].items():
        if "" in rows:
            typer.echo(f"  {key:<18} {number(rows['']['value'])}  {interval(rows[''])}")
    header = ("emotion", "Fréchet", "interval", "extrapolated", "kernel", "HEEP", "S_GEN")
    scores = told["scores"]
    print_table(
        header,
        [
            (
                name,
                number(scores["frechet.sound"][name]["value"]),
                interval(scores["frechet.sound"][name]),
                number(told["extrapolated"].get(name)),
                number(told["kernel"].get(name)),
                number(scores["heep.column"][name]["value"]),
                number(scores["s_gen"][name]["value"]),
            )
            for name in scores["frechet.sound"]
        ],
    )
    for note in told["notes"]:
        remarks_line(note)


def tell_groups(part: str, column: str, report: dict[str, Any]) -> None:
    """The score by one group: all of them, or the worst of many, and the gap against chance."""
    from affectbench.board import interval, number

    by_value = sorted(
        (group for group in report["groups"] if group["score"]["value"] is not None),
        key=lambda group: group["score"]["value"],
    )
    typer.echo(f"\n{report['metric']} by {column}, {part}")
    rows = [
        (group["name"], number(group["score"]["value"]), interval(group["score"]),
         f"{group['score']['clips']:,}", f"{group['score']['groups']:,}")
        for group in by_value[:MOST_GROUPS]
    ]  # fmt: skip
    more = len(by_value) - MOST_GROUPS
    print_table((column, "value", "interval", "clips", "resampled"), rows)
    if more > 0:
        typer.echo(f"  ... and {more:,} more, up to {number(by_value[-1]['score']['value'])}")
    if report["gap"] is not None:
        verdict = (
            "beyond chance" if (report["gap"] > (report["envelope"] or 1)) else "within chance"
        )
        remarks_line(
            f"gap {number(report['gap'])}, {verdict}: a model that ignores the {column} has up to "
            f"{number(report['envelope'])} (p = {p_value(report['p'])})."
        )
    if report["undefined"]:
        remarks_line(f"without a value: {listing(report['undefined'])}.")
    if report["unlabelled"]:
        remarks_line(f"{report['unlabelled']:,} clips of unknown {column} were left out.")


def jsonable(value: Any) -> Any:
    """Dataclasses as dictionaries, then all of it as JSON holds it."""
    from affectbench.store import plain

    def opened(item: Any) -> Any:
        if is_dataclass(item) and not isinstance(item, type):
            return asdict(item)
        if isinstance(item, dict):
            return {key: opened(held) for key, held in item.items()}
        return item

    return plain(opened(value))


def compare(
    paths: Annotated[
        list[Path], typer.Argument(help="Folders of results, or CSV files of predictions.")
    ],
    task: Annotated[str | None, typer.Option("--task", help="What files predict.")] = None,
    labels: Labels = None,
    groups: Groups = None,
    support: Support = None,
    part: Annotated[str | None, typer.Option("--part", help="dev or test.")] = None,
    draws: Draws = 10_000,
    interval: Interval = None,
    as_json: Json = False,
) -> None:
    """Tell which differences between systems are real: on the same clips, by group, corrected."""
    from affectbench.comparison import compare_paths
    from affectbench.store import plain
    from affectbench.truth import read_truth

    chosen = task_of(task) if task else None
    truth = (
        read_truth(labels, chosen, groups=groups, support=support) if chosen and labels else None
    )
    found = compare_paths(
        paths, task=chosen, truth=truth, part=part, scoring=scoring_of(draws, interval)
    )
    if as_json:
        typer.echo(json.dumps(plain(asdict(found)), indent=2, ensure_ascii=False))
        return
    tell_compared(found)


def tell_compared(found: Compared) -> None:
    """Ranges of ranks, then every pair."""
    from affectbench.board import number
    from affectbench.board.wording import places

    first = found.comparisons.pairs[0].comparison
    resampled = f", {first.groups:,} {first.group_by}s" if first.groups else ""
    typer.echo(f"\n{found.task}  {found.metric}  {found.part}  ({found.clips:,} clips{resampled})")
    ranks = [
        (places(s.ranks) or "n/a", s.system, number(None if isnan(s.value) else s.value))
        for s in found.comparisons.standings
    ]
    print_table(("rank", "system", "value"), ranks)
    typer.echo("")
    header = ("first", "second", "difference", f"{first.level:.0%} interval", "better", "p", "Holm")
    rows = []
    for pair in found.comparisons.pairs:
        c = pair.comparison
        rows.append(
            (
                pair.first,
                pair.second,
                signed(c.difference),
                "no interval" if isnan(c.low) else f"[{signed(c.low)}, {signed(c.high)}]",
                "n/a" if isnan(c.superiority) else f"{c.superiority:.1%}",
                p_value(c.p),
                p_value(pair.adjusted) + (" *" if pair.significant else ""),
            )
        )
    print_table(header, rows)
    for line in (
        "rank: the places that a system may have; systems that may be first are tied.",
        f"better: how often the first is better in {first.draws:,} draws of the same groups.",
        "p: two-sided, systems swapped group by group; Holm: corrected for the number of pairs; "
        f"* at {1 - first.level:.2g}.",
    ):
        remarks_line(line)
    shown = found.detectable
    if not isnan(shown.difference):
        remarks_line(
            f"The smallest difference that this part would show in {shown.power:.0%} of cases is "
            f"{shown.difference:.3f}, to a rival that goes up and down with "
            f"{found.comparisons.standings[0].system} as the second does."
        )


def ceiling(
    corpus: Annotated[str, typer.Argument(help="A corpus whose raters are counted: crema-d.")],
    data: Data = None,
    draws: Annotated[int, typer.Option("--draws", min=1, help="Of the true shares.")] = 200,
    as_json: Json = False,
) -> None:
    """The highest score that the noise of the ratings allows, where the raters are counted."""
    from affectbench.corpora import CORPORA
    from affectbench.metrics import METRICS
    from affectbench.votes import ceilings_of

    chosen = CORPORA[corpus]
    keys = ("ccc.population", "spearman.mean", "pearson.mean", "uar.truth")
    found = ceilings_of(chosen, data_of(data, chosen), [METRICS[key] for key in keys], draws=draws)
    if as_json:
        typer.echo(json.dumps(jsonable(found), indent=2))
        return
    for target, rows in found.items():
        first = rows[0]
        typer.echo(
            f"\n{corpus}  {target}  ({first.clips:,} clips, {first.votes_per_clip:.1f} votes a "
            f"clip, {first.unrated:,} unrated)"
        )
        print_table(
            ("metric", "ceiling", f"{first.level:.0%} interval", "clips"),
            [
                (c.metric, f"{c.value:.3f}", f"[{c.low:.3f}, {c.high:.3f}]", f"{c.clips:,}")
                for c in rows
            ],
        )
    remarks_line(
        "What an oracle scores that knows how all people would vote, against the votes that were "
        "cast. uar: of the majority, clips with a tie left out."
    )


def signed(value: float) -> str:
    """A difference with three decimals and its sign."""
    return "n/a" if isnan(value) else f"{value:+.3f}"


def p_value(value: float | None) -> str:
    """Three decimals, never 0."""
    return "n/a" if value is None or isnan(value) else "<.001" if value < 0.001 else f"{value:.3f}"


def scoring_of(draws: int, interval: str | None, method: str = "auto") -> Any:
    """How intervals are made, from the flags."""
    from affectbench.schema import GROUPS
    from affectbench.scoring import Scoring

    allowed = (*GROUPS, "clip")
    if interval is not None and interval not in allowed:
        raise BadData(f"--interval is '{interval}'. Expected one of {', '.join(allowed)}.")
    return Scoring(draws=draws, group_by=interval, method=method)


def tell(summary: dict[str, Any], *, as_json: bool) -> None:
    """Scores on the terminal: every metric and output, then the notes."""
    from affectbench.board import interval, number

    if as_json:
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
        return
    for part, metrics in summary["scores"].items():
        ranking = metrics[summary["metric"]]
        resampled = f", {ranking['groups']:,} {ranking['group_by']}s" if ranking["groups"] else ""
        typer.echo(
            f"\n{summary['task']}  {summary['system']}  {part}  "
            f"({ranking['clips']:,} clips{resampled})"
        )
        rows = [(key, number(score["value"]), interval(score)) for key, score in metrics.items()]
        rows += [
            (f"  {name}", number(o["value"]), interval(o)) for name, o in ranking["outputs"].items()
        ]
        print_table(("metric", "value", f"{ranking['level']:.0%} interval"), rows)
    for part, reports in summary.get("groups", {}).items():
        for column, report in reports.items():
            tell_groups(part, column, report)
    for part, left in summary["unscored"].items():
        if left:
            typer.echo(f"  {part}: {left:,} clips were not scored: no label or no prediction.")
    for note in summary["notes"]:
        remarks_line(note)
