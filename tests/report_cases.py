"""Results for the report: small runs on a twin, and on a folder that passes for a licensed one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from affectbench import CORPORA, TASKS, Scoring, results, run
from affectbench.report import write
from affectbench.types import FeatureSet, System
from conftest import write_avb

FEW = Scoring(draws=40)
TWIN_TASKS = ("avb-high", "avb-type", "exvo-multitask")
WITHOUT_TEXT = ("script", "style")


def open_levels() -> Callable[[np.ndarray], np.ndarray]:
    """Level, length and crossings of zero."""

    def levels(wave):
        signs = np.diff(np.signbit(wave)).mean()
        return np.array([np.abs(wave.astype(float)).mean(), len(wave), signs], np.float32)

    return levels


LEVELS = FeatureSet(
    name="levels",
    title="level, length, crossings",
    dim=3,
    names=lambda: ("level", "length", "crossings"),
    identity=lambda: {"version": "1"},
    open=open_levels,
)


class Nearest:
    """The labels of the nearest train clips; its report has a curve as a network's has."""

    def __init__(self, task, seed):
        self.task, self.seed = task, seed

    def fit(self, train, dev):
        self.mean, self.spread = train.features.mean(axis=0), train.features.std(axis=0)
        self.train, self.dev = train, dev
        return self

    def predict(self, part):
        away = self._scaled(part)[:, None] - self._scaled(self.train)[None]
        near = np.argsort((away**2).sum(axis=2), axis=1)[:, : 5 + self.seed]
        labels = self.train.labels
        if self.task.target.kind == "classification":
            labels = np.eye(self.task.target.outputs)[labels]
        return labels[near].mean(axis=1)

    def _scaled(self, part):
        return (part.features - self.mean) / self.spread

    def report(self):
        curve = [
            {"epoch": n, "train_loss": 1 / n, "dev_loss": 1.2 / n, "dev_metric": 0.1 * n}
            for n in range(1, 4 + self.seed)
        ]
        return {"parameters": 12, "curve": curve, "kept_epoch": 2, "metric": "ccc.population"}


def nearest(name: str, *seeds: int) -> System:
    """A system of that name."""
    return System(
        name=name,
        title=f"{name} on levels",
        features=LEVELS,
        build=lambda task, seed, _mode: Nearest(task, seed),
        seeds=seeds or (0,),
    )


@dataclass(frozen=True)
class Made:
    """A folder of results, its data, and its site."""

    results: Path
    twin: Path
    licensed: Path
    site: Path


def make(base: Path) -> Made:
    """Three tasks on a twin, one also on a licensed folder; no test may change what is there."""
    found = Made(base / "results", base / "twin", base / "licensed", base / "site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFFECTBENCH_CACHE", str(base / "cache"))
        CORPORA["hume-vocalburst"].twin(found.twin, scale=0.002, workers=1)
        write_avb(found.licensed)
        for name in TWIN_TASKS:
            _run(found, name, nearest("nearest", 0, 1), found.twin)
        _run(found, "avb-high", nearest("other"), found.twin)
        _run(found, "avb-high", nearest("licensed"), found.licensed)
        for name in TWIN_TASKS:
            folder = found.results / name / "nearest"
            results.unblind(folder, TASKS[name], found.twin / "sealed")
            _score(folder, name)
        write(found.results, found.site)
    return found


def _run(found: Made, name: str, system: System, data: Path) -> None:
    run(TASKS[name], system, data=data, out=found.results, scoring=FEW, workers=1)


def _score(folder: Path, name: str) -> None:
    from affectbench.scoring import score_system

    score_system(folder, TASKS[name], FEW)


@dataclass
class Page(HTMLParser):
    """A page taken apart, as strictly as a browser is lenient."""

    text: str
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    headings: list[int] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        self.tags.append((tag, told))
        if "id" in told:
            self.ids.append(told["id"])
        if tag == "a":
            self.links.append(told["href"])
        elif "src" in told or "href" in told:
            self.loaded.append(told.get("src") or told["href"])
        if tag[0] == "h" and tag[1:].isdigit():
            self.headings.append(int(tag[1:]))
        if tag not in ("meta", "link", "br", "hr", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if not set(self.open) & set(WITHOUT_TEXT):
            self.words.append(data)

    @property
    def shown(self) -> str:
        """All text, in one line."""
        return " ".join(" ".join(self.words).split())

    def count(self, tag: str) -> int:
        """How many elements of that name there are."""
        return sum(name == tag for name, _ in self.tags)
