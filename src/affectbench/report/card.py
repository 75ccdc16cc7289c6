"""The model card of a system on a task, in Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from statistics import fmean
from typing import Any, Final

from affectbench.board import number
from affectbench.board.own import cost
from affectbench.board.stored import Stored
from affectbench.board.wording import bounds, clean
from affectbench.features import FEATURES
from affectbench.intervals import described
from affectbench.report import commands
from affectbench.report.evidence import ORIGINS, Data, TaskEvidence
from affectbench.report.pictures import reports_of
from affectbench.report.site import seeds_of
from affectbench.systems import SYSTEMS
from affectbench.types import Score

MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]|~#])")
NO_JUDGE: Final = (
    "It was made to be compared with other systems on this task. It says nothing reliable about "
    "what a single person feels, and must not be used to judge one."
)


def card(found: TaskEvidence, label: str) -> str:
    """What it is, what it learnt from, how well it does, what it costs, where it fails."""
    one, data = found.systems[label], found.data[label]
    parts = [
        (f"# {_text(label)} on {_text(found.name)}", _what(one, found)),
        ("## Data", _data(one, data)),
        ("## Score", _score(one, found)),
        ("## Fit", _fit(one, found)),
        ("## Cost", _cost(one)),
        ("## Limits", _limits(one, data)),
        ("## Licences", _licences(one, data)),
        ("## Run it", ["```sh", *commands.of_system(one, data, found.task), "```", "",
                       commands.WORDS]),
        ("## Versions", _versions(one)),
    ]  # fmt: skip
    return "\n\n".join(f"{title}\n\n" + "\n".join(lines) for title, lines in parts) + "\n"


def _what(one: Stored, found: TaskEvidence) -> Iterator[str]:
    result = one.result
    system = SYSTEMS.get(result["system"]["name"])
    title = system.title if system else "a system of the user's own"
    yield f"{_text(title)}, mode {_code(result['system']['mode'])}."
    if system and system.source:
        yield f"Source: {_text(system.source)}."
    if found.task:
        task = found.task
        yield f"Task: {_text(task.title)} (version {result['task']['version']}). {task.source}."


def _data(one: Stored, data: Data) -> Iterator[str]:
    recorded = one.result["data"]
    split = recorded["split"]
    corpus = data.known
    title = corpus.title if corpus else data.corpus
    yield f"{_text(title)} ({_text(data.corpus)}): {ORIGINS.get(data.origin, 'origin unknown')}."
    if data.origin == "twin":
        yield "A twin is synthetic: the scores below say nothing about people."
    name = _code(f"{split['name']}@{split['version']}")
    yield f"Split {name}, " + (
        "released with the corpus." if split["released"] else "ours, since none was published."
    )
    yield ""
    yield "| part | clips | readable | speakers |"
    yield "|---|---:|---:|---:|"
    for part, counts in recorded["parts"].items():
        speakers = "unknown" if counts["speakers"] is None else f"{counts['speakers']:,}"
        yield f"| {part} | {counts['clips']:,} | {counts['readable']:,} | {speakers} |"


def _score(one: Stored, found: TaskEvidence) -> Iterator[str]:
    """Every metric with its interval, then each output of the one that ranks."""
    summary = one.summary
    yield "| part | metric | value | interval | clips |"
    yield "|---|---|---:|---|---:|"
    for part, metrics in summary["scores"].items():
        for key, score in metrics.items():
            mark = " (ranks)" if key == summary["metric"] else ""
            yield (
                f"| {part} | {_code(key)}{mark} | {number(score['value'])} | {_interval(score)} "
                f"| {score['clips']:,} |"
            )
    yield ""
    for part, metrics in summary["scores"].items():
        yield f"Intervals on {part}: {_described(metrics[summary['metric']])}.  "
    for part, metrics in summary["scores"].items():
        outputs = metrics[summary["metric"]]["outputs"]
        if len(outputs) > 1:
            yield ""
            yield f"{_code(summary['metric'])} on {part} by output:"
            yield ""
            yield "| output | value | interval |"
            yield "|---|---:|---|"
            for name, score in outputs.items():
                yield f"| {_text(name)} | {number(score['value'])} | {_interval(score)} |"


def _interval(score: Mapping[str, Any]) -> str:
    if score["low"] is None or score["high"] is None:
        return "none"
    return bounds(score["low"], score["high"])


def _described(score: Mapping[str, Any]) -> str:
    """How an interval was made; of an older version it is not known."""
    try:
        known = Score(**{name: score[name] for name in Score.__dataclass_fields__})
    except KeyError:
        return "made by an older version"
    return described(known)


def _fit(one: Stored, found: TaskEvidence) -> Iterator[str]:
    """Settings word for word, what was chosen, and the score of each seed."""
    result = one.result
    features = result["features"]
    yield f"Features: {_text(features['name'])}, {features['dim']:,} numbers a clip."
    yield (
        "Refitted on train and dev for the predictions of test."
        if result["system"]["refit"]
        else ("Fitted on train, chosen on dev, not refitted.")
    )
    yield f"Seeds: {seeds_of(one)}."
    for part, metrics in one.summary["scores"].items():
        seeds = metrics[one.summary["metric"]].get("seeds", [])
        if len(seeds) > 1:
            yield f"By seed on {part}: {', '.join(number(value) for value in seeds)}."
    yield ""
    yield "Settings:"
    yield ""
    yield from _json(result["system"]["settings"])
    for target, reports in reports_of(one, found.task).items():
        told = {key: value for key, value in reports[0].items() if not isinstance(value, list)}
        if told:
            seed = f" (seed {result['seed']})" if len(reports) > 1 else ""
            yield ""
            yield f"Chosen and reported{f' for {_text(target)}' if target else ''}{seed}:"
            yield ""
            yield from _json(told)


def _json(value: Any) -> Iterator[str]:
    yield "```json"
    yield json.dumps(value, indent=2, ensure_ascii=False).replace("```", "'''")
    yield "```"


def _cost(one: Stored) -> Iterator[str]:
    spent = cost(one)
    if spent.parameters is not None:
        yield f"- fitted numbers: {spent.parameters:,}"
    if spent.train_s is not None:
        yield f"- to fit and predict: {spent.train_s:.1f} s, mean over seeds"
    if spent.audio_per_s is not None:
        yield f"- audio read and turned into features: {spent.audio_per_s:,.0f} s a second"
    memory = [run["peak_memory_mib"]["self"] for run in one.runs if "peak_memory_mib" in run]
    if memory:
        yield f"- peak memory of the process: {fmean(memory):,.0f} MiB, mean over seeds"
    cores = sorted({run["cores"] for run in one.runs if run.get("cores")})
    if cores:
        yield f"- cores of the machine: {', '.join(map(str, cores))}"
    yield "- as noted by the runs; features from the cache come at no cost"


def _limits(one: Stored, data: Data) -> Iterator[str]:
    yield f"- {NO_JUDGE}"
    corpus = data.known
    if corpus is not None:
        spoken = ", ".join(corpus.languages)
        yield f"- Languages of the data: {spoken}." if spoken else "- The data hold no speech."
    for part, left in one.summary["unscored"].items():
        if left:
            yield f"- {part}: {left:,} clips were not scored: no label or no prediction."
    for note in one.summary["notes"]:
        yield f"- {_text(note)}"


def _licences(one: Stored, data: Data) -> Iterator[str]:
    features = FEATURES.get(one.result["features"]["name"])
    corpus = data.known
    yield f"- data: {_text(corpus.licence) if corpus else 'not known'}"
    yield f"- features: {(_text(features.licence) if features else '') or 'not known'}"
    yield "- this package: Apache-2.0"


def _versions(one: Stored) -> Iterator[str]:
    result = one.result
    for package, version in result["versions"].items():
        yield f"- {package} {version or 'not installed'}"
    pythons = sorted({run["python"] for run in one.runs if run.get("python")})
    if pythons:
        yield f"- Python {', '.join(pythons)}"
    for name, value in result["features"]["identity"].items():
        yield f"- features: {_text(name)} {_text(value)}"
    commit = (result.get("code") or {}).get("commit")
    if commit:
        yield f"- commit {commit}{', with changes' if result['code'].get('dirty') else ''}"
    yield f"- digest of all inputs: {_code(result['inputs'])}"
    for part, content in result["predictions"].items():
        yield f"- digest of the predictions of {part}: {_code(content)}"


def _text(text: object) -> str:
    """Text from outside as Markdown shows it: no line breaks, no markup."""
    return MARKDOWN.sub(r"\\\1", escape(clean(text), quote=False))


def _code(text: object) -> str:
    """Text from outside as code."""
    return f"`{clean(text).replace('`', '')}`"
