"""The official mode against what the published code computes, to 1e-12."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from affectbench import TASKS
from affectbench.systems.svr import LINEAR_SVR, SharedSVR
from affectbench.types import Part

GOLDEN = Path(__file__).parents[1] / "../shared/goldens/emotion-share"
TASK = TASKS["emotion-share"]


def read(name, features):
    labels = pl.read_csv(GOLDEN / "lab" / f"{name}.csv", infer_schema_length=None)
    numbers = features.join(labels.select(file="filename"), on="file").sort("file")
    labels = labels.sort("filename")
    values = labels.select(TASK.columns).cast(pl.Float64).to_numpy()
    rows = numbers.drop("file").to_numpy()  # float64: the files have five decimals
    return Part(tuple(labels["filename"]), rows, values, (None,) * len(labels))


@pytest.fixture(scope="module")
def parts():
    if not GOLDEN.is_dir():
        pytest.skip("no goldens: ../shared/goldens/emotion-share is not there")
    features = pl.read_csv(GOLDEN / "features/wav2vec/features.csv")
    return [read(name, features) for name in ("train", "devel", "test.unmasked")]


@pytest.fixture(scope="module")
def expected(parts):
    return json.loads((GOLDEN / "expected.json").read_text())["unmasked"]


@pytest.fixture(scope="module")
def predicted(parts):
    train, dev, test = parts
    model = SharedSVR(TASK, LINEAR_SVR.seeds[0], "official").fit(train, dev)
    found = {"devel": model.predict(dev)}
    found["test"] = model.refit(train, dev).predict(test)
    return model, found


def test_the_grid_and_its_winner(predicted, expected):
    tried = predicted[0].report()["tried"]
    assert [(t["scaler"], t["C"], t["loss"]) for t in tried] == [
        (p["scaler"], p["C"], p["loss"]) for p in expected["grid"]
    ]
    np.testing.assert_allclose(
        [-t["mae"] for t in tried], [p["neg_mae"] for p in expected["grid"]], rtol=0, atol=1e-12
    )
    best = {key: expected["best"][key] for key in ("scaler", "C", "loss")}
    assert predicted[0].report()["chosen"] == best
    assert "the largest that was tried" in predicted[0].report()["notes"][0]


@pytest.mark.parametrize("part", ["devel", "test"])
def test_predictions_and_intervals(parts, predicted, expected, part):
    told = pl.read_csv(GOLDEN / f"predictions.{part}.csv", infer_schema_length=None)
    columns = [f"{name}_pred" for name in TASK.columns]
    truth = parts[1 if part == "devel" else 2].labels
    values = predicted[1][part]
    np.testing.assert_allclose(values, told.sort("filename").select(columns), rtol=0, atol=1e-12)
    (metric,) = (m for m in (TASK.metric, *TASK.also) if m.key == "spearman.official")
    rho = metric.compute(truth, values, len(columns))
    metrics = expected["metrics"][part]
    assert float(metric.combine(rho)) == pytest.approx(metrics["mean_rho"], abs=1e-12)
    low, high = metric.bounds(truth, values)
    assert [low.mean(), high.mean()] == pytest.approx(metrics["mean_ci"], abs=1e-12)
    right = (
        {name: metrics["per_emotion"][name]["rho"] for name in TASK.columns}
        if part == "devel"
        else expected["test_rho_correct"]  # upstream stores a stale one
    )
    assert rho == pytest.approx([right[name] for name in TASK.columns], abs=1e-12)
