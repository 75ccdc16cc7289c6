"""Truth, predictions and groups for every metric that has intervals."""

import math

import numpy as np
import pytest

from affectbench.metrics import METRICS

NAN = math.nan
RESAMPLED = [metric for metric in METRICS.values() if metric.kind != "generation"]
ALL = [pytest.param(metric, id=metric.key) for metric in RESAMPLED]
BY_GROUP = [pytest.param(metric, id=metric.key) for metric in RESAMPLED if not metric.bounds]
# whether the float32 means of constants cancel is chance, so not for the official readings
EXACT = [case for case in ALL if case.id not in {"ccc.official", "s_mtl.official"}]
STEP = 1.0001e-4  # one step of the rounding: float32 means are not in the sums
TOLERANCE = {"ccc.official": STEP, "s_mtl.official": STEP}


def near(expected, metric, tolerance=1e-10):
    return pytest.approx(expected, abs=TOLERANCE.get(metric.key, tolerance), nan_ok=True)


def outputs_of(metric, outputs=4):
    """What ``outputs`` is of a sample: ages are one column."""
    return (outputs, outputs, 1) if metric.parts else outputs


def count_of(metric, outputs=4):
    """C: a composite has one output a part."""
    return len(metric.parts) or outputs


def sample(metric, *, clips=60, groups=8, outputs=4, seeds=1, missing=0.0, seed=0):
    """Truth, predictions of some seeds and groups, for a metric of any kind."""
    rng = np.random.default_rng(seed)
    index = rng.integers(groups, size=clips)
    index[:groups] = np.arange(groups)
    if not metric.parts:
        return *_part(metric.kind, rng, clips, outputs, seeds, missing), index
    emotions = _part("regression", rng, clips, outputs, seeds, missing)
    country = _part("classification", rng, clips, outputs, seeds, missing)
    ages = [20 + 40 * part for part in _part("regression", rng, clips, 1, seeds, missing)]
    return *zip(emotions, country, ages, strict=True), index


def _part(kind, rng, clips, outputs, seeds, missing):
    if kind == "classification":
        truth = rng.integers(outputs, size=clips)
        wrong = rng.random((seeds, clips)) < 0.4
        return truth, np.where(wrong, rng.integers(outputs, size=(seeds, clips)), truth)
    truth = rng.random((clips, outputs))
    predictions = 0.6 * truth + 0.4 * rng.random((seeds, clips, outputs))
    truth[rng.random(truth.shape) < missing] = NAN
    predictions[rng.random(predictions.shape) < missing] = NAN
    return truth, predictions


def each_seed(metric, predictions):
    """The prediction of each seed, as a metric takes it."""
    return list(zip(*predictions, strict=True)) if metric.parts else list(predictions)


def taken(metric, values, rows):
    """Rows of truth or of one prediction."""
    return tuple(part[rows] for part in values) if metric.parts else values[rows]


def rows_of(count, index):
    """The rows that a draw took, each as often as its group."""
    return np.concatenate([np.tile(np.flatnonzero(index == g), n) for g, n in enumerate(count)])
