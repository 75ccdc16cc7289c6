"""The official mode of the feature network against what the organisers' code computes.

The expected numbers are reached to the bit with AVX2 kernels. Wider vectors add up in another
order, which moves a weight by a few 1e-7, so the comparison bit for bit runs in a process of its
own that is held to AVX2; the others take the machine as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from affectbench.metrics import METRICS
from affectbench.systems.mlp import FeatureMLP, network
from affectbench.tasks import TASKS
from affectbench.types import Part

torch = pytest.importorskip("torch")

GOLDENS = Path(__file__).parents[1] / "../shared/goldens/avb-high"
pytestmark = pytest.mark.skipif(
    not GOLDENS.is_dir(), reason="no expected numbers: ../shared/goldens/avb-high is not there"
)
TASK = TASKS["avb-high"]
SEEDS = (101, 102, 103)
# Features arrive here as float64, as the published code reads them; extracted ones are float32.


def read_parts(root: Path) -> dict[str, Part]:
    """Train, dev and test of the released layout under ``root``, in the order of the label file."""
    text = {"File_ID": pl.String}
    labels = pl.read_csv(root / "labels/high_info.csv", schema_overrides=text)
    labels = labels.with_columns(pl.col("File_ID").str.strip_chars("[]"))
    parts = {}
    for name, split in (("train", "Train"), ("dev", "Val"), ("test", "Test")):
        rows = labels.filter(pl.col("Split") == split)
        values = rows.select(TASK.target.columns).to_numpy().astype(np.float64)
        features = [
            np.loadtxt(root / f"features/eGeMAPS/{clip}.csv", delimiter=";", skiprows=1,
                       usecols=range(2, 90))
            for clip in rows["File_ID"]
        ]  # fmt: skip
        parts[name] = Part(
            tuple(rows["File_ID"]),
            np.array(features),
            np.empty(0) if name == "test" else values,
            (None,) * len(rows),
        )
    return parts


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """The synthetic features and labels, made anew; their content is checked."""
    out = tmp_path_factory.mktemp("avb-high")
    subprocess.run([sys.executable, GOLDENS / "make_inputs.py", out], check=True)
    stated = json.loads((out / "inputs.sha256.json").read_text())
    files = sorted((out / "avb/features/eGeMAPS").iterdir())
    content = b"".join(path.read_bytes() for path in files)
    assert len(files) == 3200
    assert hashlib.sha256(content).hexdigest() == stated["avb_features_concat_in_id_order"]
    # The input of which the expected numbers were reproduced, should numpy ever draw differently.
    assert stated["avb_features_concat_in_id_order"].startswith("50cc36ae32d315e4")
    assert stated["avb/labels/high_info.csv"].startswith("0cce89764205771f")
    return out / "avb"


@pytest.fixture(scope="module")
def parts(inputs) -> dict[str, Part]:
    return read_parts(inputs)


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    with np.load(GOLDENS / "expected.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def stated() -> dict[str, list]:
    return json.loads((GOLDENS / "expected.json").read_text())


def weights(expected: dict[str, np.ndarray], kind: str, seed: int) -> list[np.ndarray]:
    """``init`` or ``final`` weights, in the order of the layers."""
    return [value for name, value in expected.items() if name.startswith(f"{kind}_{seed}__")]


def from_published_weights(
    parts: dict[str, Part], expected: dict[str, np.ndarray], seed: int
) -> FeatureMLP:
    """A network trained from the initial weights that the published code drew."""
    names = network(88, 10, bounded=True).state_dict()
    start = weights(expected, "init", seed)
    state = {name: torch.from_numpy(value) for name, value in zip(names, start, strict=True)}
    model = FeatureMLP(TASK, seed, "official", initial_state=state)
    return model.fit(parts["train"], parts["dev"])


def official_score(dev: Part, prediction: np.ndarray) -> float:
    metric = METRICS["ccc.official"]
    return float(metric.combine(metric.compute(dev.labels, prediction, 10)))


def test_losses_stop_outputs_and_score_on_this_machine(parts, expected, stated) -> None:
    model = from_published_weights(parts, expected, SEEDS[0])
    curve = model.report()["curve"]
    of = stated["es"][0]
    np.testing.assert_allclose([row["dev_loss"] for row in curve], of["val_loss"], atol=1e-6)
    assert [row["waited"] for row in curve] == of["counter"]
    assert model.report()["kept_epoch"] - 1 == of["stop_index"]
    for part, name in (("dev", "val"), ("test", "test")):
        outputs = expected[f"{name}_pred_{SEEDS[0]}"]
        np.testing.assert_allclose(model.predict(parts[part]), outputs, atol=1e-5)
    score = official_score(parts["dev"], model.predict(parts["dev"]))
    assert score == pytest.approx(stated["scores"][0], abs=1e-4)  # each CCC is rounded to 4 digits


def test_weights_and_outputs_are_equal_bit_for_bit(
    inputs, parts, expected, stated, tmp_path
) -> None:
    if torch.__version__.split("+")[0] != stated["versions"]["torch"].split("+")[0]:
        pytest.skip(f"equal to the bit with torch {stated['versions']['torch']} only")
    held = {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2"}
    environment = {**os.environ, **held}
    out = tmp_path / "reached.npz"
    subprocess.run([sys.executable, __file__, inputs, out], check=True, env=environment)
    with np.load(out) as file:
        reached = dict(file)
    if str(reached["cpu"]) != "AVX2":
        pytest.skip(f"equal to the bit with AVX2 only; this processor has {reached['cpu']}")
    for number, seed in enumerate(SEEDS):
        of = stated["es"][number]
        np.testing.assert_allclose(reached[f"loss_{seed}"], of["val_loss"], rtol=0, atol=1e-6)
        assert reached[f"waited_{seed}"].tolist() == of["counter"]
        assert len(reached[f"loss_{seed}"]) == of["epochs_run"] == of["stop_index"] + 1
        final = weights(expected, "final", seed)
        for layer, value in enumerate(final):
            np.testing.assert_array_equal(reached[f"weight_{seed}_{layer:02d}"], value)
        for name in ("val", "test"):
            key = f"{name}_pred_{seed}"
            np.testing.assert_array_equal(reached[key], expected[key])
        score = official_score(parts["dev"], reached[f"val_pred_{seed}"])
        assert score == pytest.approx(stated["scores"][number], abs=1e-12)


def test_own_initial_weights_score_within_the_stated_band(parts) -> None:
    model = FeatureMLP(TASK, 101, "official").fit(parts["train"], parts["dev"])
    score = official_score(parts["dev"], model.predict(parts["dev"]))
    assert 0.679 <= score <= 0.713
    assert 7 <= model.report()["epochs"] <= 9
    assert model.report()["best_epoch"] < model.report()["kept_epoch"]


def reach(root: Path, out: Path) -> None:
    """Train the three seeds and write what they reach, for the process that is held to AVX2."""
    parts = read_parts(root)
    with np.load(GOLDENS / "expected.npz") as file:
        expected = dict(file)
    reached = {"cpu": np.array(torch.backends.cpu.get_cpu_capability())}
    for seed in SEEDS:
        model = from_published_weights(parts, expected, seed)
        curve = model.report()["curve"]
        reached[f"loss_{seed}"] = np.array([row["dev_loss"] for row in curve])
        reached[f"waited_{seed}"] = np.array([row["waited"] for row in curve])
        for layer, value in enumerate(model._net.state_dict().values()):
            reached[f"weight_{seed}_{layer:02d}"] = value.numpy()
        reached[f"val_pred_{seed}"] = model.predict(parts["dev"])
        reached[f"test_pred_{seed}"] = model.predict(parts["test"])
    np.savez(out, **reached)


if __name__ == "__main__":
    reach(Path(sys.argv[1]), Path(sys.argv[2]))
