"""Every row of every table keeps the contract of its kind: a new row is tested when it is there."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import affectbench
from affectbench import CORPORA, FEATURES, METRICS, SYSTEMS, TASKS
from affectbench.audio import prepare_all
from affectbench.errors import AffectBenchError, UnknownName
from affectbench.features import extract
from affectbench.rows import Table
from affectbench.store import plain
from affectbench.systems import RECIPES
from affectbench.types import Part

TABLES = {
    "recipes": RECIPES,
    "corpora": CORPORA,
    "tasks": TASKS,
    "features": FEATURES,
    "systems": SYSTEMS,
    "metrics": METRICS,
}
SOURCE = Path(affectbench.__file__).parent
rows = pytest.mark.parametrize


@rows("name", TABLES)
def test_names_are_words_and_unknown_ones_are_helped(name):
    table = TABLES[name]
    assert all(re.fullmatch(r"[a-z0-9]+([-._][a-z0-9]+)*", key) for key in table)
    first = next(iter(table))
    with pytest.raises(UnknownName, match=f"Did you mean '{re.escape(first)}'"):
        table[first + "x"]
    with pytest.raises(ValueError, match="twice"):
        Table("row", table[first], table[first])


@rows("corpus", CORPORA.values(), ids=CORPORA)
def test_corpus(corpus, tmp_path):
    assert re.search(r"arXiv:\d{4}\.\d{5}|doi", corpus.source)
    assert corpus.licence
    assert corpus.home
    assert corpus.layout
    assert corpus.published["clips"] > corpus.published.get("speakers", 1) > 0
    assert corpus.access_how or corpus.remotes or corpus.access == "open"
    assert corpus.access == "open" or corpus.twin
    with pytest.raises(AffectBenchError, match=r"[Ee]xpected"):
        corpus.read(tmp_path)


def test_every_corpus_file_is_in_the_table():
    files = {path.stem for path in (SOURCE / "corpora").glob("*.py")}
    modules = [import_module(f"affectbench.corpora.{name}") for name in files]
    found = {module.CORPUS.name for module in modules if hasattr(module, "CORPUS")}
    assert found == set(CORPORA)


@rows("task", TASKS.values(), ids=TASKS)
def test_task(task):
    assert task.corpus is CORPORA[task.corpus.name]
    for metric in (task.metric, *task.also):
        assert metric is METRICS[metric.key]
        measured = metric.parts or (metric,)
        assert len(measured) == len(task.targets)
        for part, target in zip(measured, task.targets, strict=True):
            assert part.kind == ("generation" if task.protocol == "generate" else target.kind)
    assert len(set(task.columns)) == len(task.columns)
    for target in task.targets:
        assert (target.kind == "classification") == bool(target.classes)
    if task.submission and task.protocol != "generate":
        assert sorted(task.submission.columns.values()) == sorted(task.columns)
        assert set(task.submission.aliases.values()) <= set(task.submission.columns)
        assert set(task.submission.codes) <= set(task.columns)
    assert [single.target for single in task.single()] == list(task.targets)
    assert task.split.disjoint == "speaker"


def truth_for(metric, rng, n=60):
    """A truth of the metric's kind and its C, or a tuple of them, one a part."""
    if metric.kind == "composite":
        return tuple(zip(*(truth_for(part, rng, n) for part in metric.parts), strict=True))
    if metric.kind == "classification":
        return rng.permutation(np.arange(n) % 4), 4
    return rng.uniform(size=(n, 4)), 4


def in_order(truth, order):
    """The clips of all parts in another order."""
    return tuple(x[order] for x in truth) if isinstance(truth, tuple) else truth[order]


@rows("metric", METRICS.values(), ids=METRICS)
def test_metric_row(metric):
    assert metric.source
    assert metric.about
    assert "|" not in metric.about + metric.source  # both stand in tables of Markdown
    assert all(part is METRICS[part.key] for part in metric.parts)
    assert bool(metric.parts) == (metric.kind == "composite")
    assert metric.low != metric.high


OF_CLIPS = [metric for metric in METRICS.values() if metric.kind != "generation"]


@rows("metric", OF_CLIPS, ids=[metric.key for metric in OF_CLIPS])
def test_metric(metric):
    rng = np.random.default_rng(0)
    truth, outputs = truth_for(metric, rng)
    perfect = float(metric.combine(metric.compute(truth, truth, outputs)))
    assert perfect == pytest.approx(metric.high, abs=0.02)  # official CCC: (n - 1) / n
    other = in_order(truth, rng.permutation(60))
    value = metric.compute(truth, other, outputs)
    assert value.shape == (len(metric.parts) or outputs,)
    worst, got, best = metric.low, float(metric.combine(value)), perfect
    assert worst <= got < best or worst >= got > best
    order = rng.permutation(60)
    again = metric.compute(in_order(truth, order), in_order(other, order), outputs)
    np.testing.assert_allclose(again, value, atol=1e-4)
    draws = metric.resampled(truth, other, np.arange(60) % 6, np.ones((3, 6), np.int64), outputs)
    np.testing.assert_allclose(draws, np.tile(value, (3, 1)), atol=2e-4)
    assert metric.combine(draws).shape == (3,)


OF_SETS = [metric for metric in METRICS.values() if metric.kind == "generation"]


@rows("metric", OF_SETS, ids=[metric.key for metric in OF_SETS])
def test_metric_of_generation(metric):
    distance, heep = np.array([[1.0, 2, 4], [8, np.nan, 8]]), np.array([[1.0, 0, -1], [0.5, 0, 1]])
    value = metric.compute(distance, heep, 3)
    assert value.shape == (2, 3)
    np.testing.assert_array_equal(np.isnan(value), np.isnan(distance))
    np.testing.assert_array_equal(metric.compute(distance[0], heep[0], 3), value[0])
    combined = metric.combine(value)
    assert combined.shape == (2,)
    assert metric.low <= combined.min() <= combined.max() < metric.high
    assert metric.combine(metric.compute(distance / 2, heep, 3)).min() > combined.min()
    with pytest.raises(AffectBenchError, match="expected the generated clips"):
        metric.resampled(distance, heep, np.zeros(2, np.intp), np.ones((1, 1)), 3)


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    """Tone, noise, silence and a 10 ms clip, prepared."""
    import soundfile

    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(1)
    time_s = np.arange(8000) / 16_000
    clips = {
        "tone": 0.3 * np.sin(2 * np.pi * 220 * time_s),
        "noise": 0.1 * rng.standard_normal(12_000),
        "silence": np.zeros(8000),
        "short": 0.2 * rng.standard_normal(160),
    }
    for name, samples in clips.items():
        soundfile.write(folder / f"{name}.wav", samples, 16_000)
    paths = [folder / f"{name}.wav" for name in clips]
    return prepare_all(paths, workers=1, cache=folder / "cache")


@rows("features", FEATURES.values(), ids=FEATURES)
def test_feature_set_row(features):
    assert features.licence
    assert features.source
    ways = ("open", "many", "learn", "of_clips", "parts", "waves")
    assert sum(bool(getattr(features, way)) for way in ways) == 1


OPENED = [features for features in FEATURES.values() if features.open]


@rows("features", OPENED, ids=[features.name for features in OPENED])
def test_feature_set(features, waves, tmp_path):
    assert len(features.names()) == features.dim
    assert len(set(features.names())) == features.dim
    assert features.identity() == features.identity()
    found = extract(features, waves, workers=1, cache=tmp_path)
    assert found.values.shape == (4, features.dim)
    assert found.values.dtype == np.float32
    assert np.isfinite(found.values).all()
    padded = ["short"] if features.min_samples > 160 else []
    assert [Path(path).stem for path in found.padded] == padded
    again = extract(features, waves, workers=2, cache=tmp_path / "other")
    assert again.values.tobytes() == found.values.tobytes()


def part_for(task, dim, n, rng, first=0):
    """N clips whose first features hold the label."""
    features = rng.standard_normal((n, dim)).astype(np.float32)
    if task.target.kind == "classification":
        labels = np.arange(n) % task.target.outputs
        features[np.arange(n), labels] += 4
    else:
        labels = 1 / (1 + np.exp(-features[:, np.arange(task.target.outputs) % dim].astype(float)))
    clips = tuple(f"{first + i:05d}" for i in range(n))
    return Part(clips, features, labels, tuple(f"s{i % 7}" for i in range(n)))


def given_to(system, part):
    """The part as the protocol gives it to that system."""
    return replace(part, labels=(part.labels,)) if system.joint else part


SMALL = [(s, m) for s in SYSTEMS.values() if s.features is FEATURES["egemaps"] for m in s.modes]


@rows(("system", "mode"), SMALL, ids=[f"{s.name}.{m}" for s, m in SMALL])
@rows("task", ["avb-two", "avb-type"])
def test_system(system, mode, task):
    task = TASKS[task]
    rng = np.random.default_rng(2)
    train, dev = (part_for(task, system.features.dim, 160, rng, first) for first in (0, 500))
    train, dev = given_to(system, train), given_to(system, dev)
    outcomes = []
    for _ in range(2):
        model = system.build(task, system.seeds[0], mode).fit(train, dev)
        blind = Part(dev.clips, dev.features, np.empty((0,)), dev.speakers)
        said = model.predict(blind)
        outcomes.append(said[0] if system.joint else said)
        assert plain(model.report())
        if system.refit:
            model.refit(train, dev)
            assert model.predict(blind).shape == outcomes[0].shape
    assert outcomes[0].shape == (160, task.target.outputs)
    np.testing.assert_array_equal(*outcomes)
    predicted = outcomes[0] if task.target.kind == "regression" else outcomes[0].argmax(axis=1)
    truth = dev.labels[0] if system.joint else dev.labels
    score = task.metric.combine(task.metric.compute(truth, predicted, task.target.outputs))
    assert score > 0.3


@rows("system", SYSTEMS.values(), ids=SYSTEMS)
def test_system_row(system):
    if system.members:
        assert set(system.members) <= set(SYSTEMS)
    else:
        assert system.features is FEATURES[system.features.name]
        assert any(system.build is recipe.build for recipe in RECIPES.values()) or (
            system.name.endswith("-only")
        )
    assert system.modes[0] == "sound"
    assert json.loads(json.dumps(plain(dict(system.settings)))) == plain(dict(system.settings))
    assert system.source


@rows(
    "system", [s for s, m in SMALL if m == "sound"], ids=[s.name for s, m in SMALL if m == "sound"]
)
def test_nan_features_stop_a_training_by_name(system):
    task = TASKS["avb-type"]
    rng = np.random.default_rng(3)
    train, dev = (part_for(task, system.features.dim, 80, rng, first) for first in (0, 500))
    train.features[7, 3] = np.nan
    with pytest.raises(AffectBenchError, match="00007"):
        system.build(task, 0, "sound").fit(given_to(system, train), given_to(system, dev))
