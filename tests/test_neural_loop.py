"""The training loop: it learns, resumes to the same bits, and says what went wrong."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from affectbench.errors import AffectBenchError, BadData  # noqa: E402
from affectbench.features.plain import WAVES  # noqa: E402
from affectbench.store import plain  # noqa: E402
from affectbench.systems.neural import batches, checkpoint, emo18, loop, losses  # noqa: E402
from affectbench.systems.neural.batches import Data, bucketed, by_length  # noqa: E402
from affectbench.systems.neural.models import (  # noqa: E402
    CNN10,
    CNN14,
    CNN14_SMALL,
    END2YOU,
    End2You,
)
from affectbench.systems.training import dev_value  # noqa: E402
from affectbench.tasks import TASKS  # noqa: E402
from affectbench.types import Resumable  # noqa: E402
from neural_cases import SMALL, TWO, TYPE, cnn, end2you, one_thread, tones, weights  # noqa: E402, F401

CPU = torch.device("cpu")
LEARN = {"batch": 16, "patience": None, "schedule": "cosine", "learning_rate": 0.02}
EPOCHS = {cnn: 40, end2you: 60}


class KilledError(Exception):
    """What a progress callback raises to stop a run."""


def killer(epoch: int):
    """A progress callback that stops a run in that epoch."""

    def tell(stage: str, _done: int, _total: int) -> None:
        if stage.startswith(f"epochs: {epoch} "):
            raise KilledError

    return tell


@pytest.mark.parametrize(
    ("make", "how"),
    [
        (cnn, {}),
        (cnn, {"channels": SMALL[:4]}),
        (end2you, {"width": 0.125}),
        (end2you, {"width": 0.125, "mode": "official"}),
    ],
    ids=["cnn14", "cnn10", "end2you", "end2you official"],
)
def test_sixteen_clips_are_learnt_by_heart(make, how):
    part, fitted = tones(), make(**how, **LEARN, epochs=EPOCHS[make])
    fitted.fit(part, part)
    assert dev_value(TWO, part, fitted.predict(part)) > 0.9


@pytest.mark.parametrize("make", [cnn, end2you])
def test_sixteen_classes_are_learnt_by_heart(make):
    part, fitted = tones(task=TYPE), make(TYPE, **LEARN, epochs=EPOCHS[make])
    fitted.fit(part, part)
    assert dev_value(TYPE, part, fitted.predict(part)) > 0.9


def test_a_killed_run_ends_with_the_same_bytes(tmp_path):
    plan = {"epochs": 4, "batch": 4, "learning_rate": 3e-3}
    train, dev = tones(), tones(seed=1)
    whole = cnn(**plan).fit(train, dev)
    for epoch in (2, 4):
        killed = cnn(**plan)
        killed.attend(tmp_path, killer(epoch))
        with pytest.raises(KilledError):
            killed.fit(train, dev)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    resumed = cnn(**plan)
    assert isinstance(resumed, Resumable)
    told = []
    resumed.attend(tmp_path, lambda *line: told.append(line))
    resumed.fit(train, dev)
    assert {line[0].split(",")[0] for line in told[:-1]} == {"epochs: 4 of 4"}
    assert weights(resumed.net) == weights(whole.net)
    assert plain(resumed.report()) == plain(whole.report())
    again = cnn(**plan)
    again.attend(tmp_path, killer(1))  # nothing is left to train
    assert weights(again.fit(train, dev).net) == weights(whole.net)


KILL = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from neural_cases import end2you, tones

def tell(stage, done, total):
    if stage.startswith("epochs: 3 "):
        os.kill(os.getpid(), 9)

model = end2you(epochs=4, batch=4, schedule="plateau")
model.attend(Path(sys.argv[2]), tell)
model.fit(tones(), tones(seed=1))
"""


def test_a_process_that_is_killed_goes_on(tmp_path):
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", KILL, here, str(tmp_path)], check=False)
    assert done.returncode == -9
    plan = {"epochs": 4, "batch": 4, "schedule": "plateau"}
    resumed, whole = end2you(**plan), end2you(**plan)
    resumed.attend(tmp_path, killer(2))  # two epochs are done
    resumed.fit(tones(), tones(seed=1))
    assert weights(resumed.net) == weights(whole.fit(tones(), tones(seed=1)).net)


def test_seeds_differ_and_the_same_seed_does_not():
    plan = {"epochs": 1, "batch": 8}
    fitted = [weights(end2you(seed=s, **plan).fit(tones(), tones()).net) for s in (0, 0, 1)]
    assert fitted[0] == fitted[1] != fitted[2]


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    plan = {"epochs": 1, "batch": 8}
    model = end2you(**plan)
    model.attend(tmp_path, None)
    model.fit(tones(), tones())
    task = dataclasses.replace(TWO, version=2)
    for other, why in [
        (end2you(task, **plan), "task is avb-two version 1, expected avb-two version 2"),
        (end2you(seed=1, **plan), "seed is 0, expected 1"),
        (end2you(**{**plan, "epochs": 2}), "plan is"),
        (end2you(width=0.125, **plan), "network is"),
    ]:
        other.attend(tmp_path, None)
        with pytest.raises(BadData, match=why):
            other.fit(tones(), tones())
    other = end2you(**plan)
    other.attend(tmp_path, None)
    with pytest.raises(BadData, match="train is .* Remove it"):
        other.fit(tones(seed=2), tones())
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(BadData, match="cannot be read"):
        other.fit(tones(), tones())


def test_a_loss_that_is_not_a_number_stops_and_names_the_clips(tmp_path):
    class Breaking(type(end2you(epochs=3, batch=8))):
        def loss(self, train):
            usual, calls = super().loss(train), []

            def broken(output, truth):
                calls.append(0)
                return usual(output, truth) * (float("nan") if len(calls) == 4 else 1)

            return broken

    model = Breaking(TWO, 0)
    model.attend(tmp_path, None)
    with pytest.raises(AffectBenchError, match=r"nan in epoch 2, batch 2 of 2: clip\d\d") as error:
        model.fit(tones(), tones())
    assert str(error.value).count("clip") == 8 + 1  # the eight of the batch; "these clips"
    assert "Epoch 1 is kept" in str(error.value)
    held = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["state"]
    assert held["at"]["epoch"] == 1
    assert all(bool(torch.isfinite(value).all()) for value in held["net"].values())


def test_it_stops_early_and_keeps_the_best(monkeypatch):
    worths = iter([0.1, 0.3, 0.3, 0.2])
    monkeypatch.setattr(loop, "dev_value", lambda *_: next(worths))
    model = end2you(epochs=9, batch=8, patience=2).fit(tones(), tones())
    told = model.report()
    assert (told["epochs"], told["best_epoch"]) == (4, 2)
    assert told["stopped"] == "ccc.population did not improve for 2 epochs"
    assert [point["dev_metric"] for point in told["curve"]] == [0.1, 0.3, 0.3, 0.2]
    json.dumps(plain(told), allow_nan=False)


def test_the_published_code_keeps_the_last_of_equals(monkeypatch):
    worths = iter([0.1, 0.3, 0.3, 0.2])
    monkeypatch.setattr(loop, "dev_value", lambda *_: next(worths))
    model = end2you(mode="official", epochs=4).fit(tones(), tones())
    assert model.report()["best_epoch"] == 3
    assert model.report()["stopped"] == "all 4 epochs done"


def test_the_published_recipe_is_as_published():
    model = End2You(TYPE, 0, "official")
    data = Data(tones(task=TYPE), targets=np.arange(16) % 8)
    assert model.loss(data) is losses.end2you_cross_entropy
    assert End2You(TWO, 0, "official").loss(data) is losses.mse_loss
    plan = model.plan()
    assert (plan.optimiser, plan.learning_rate, plan.batch, plan.epochs) == ("adam", 1e-4, 8, 30)
    assert plan.patience is None and not plan.bucketed and not plan.mixed
    net = model.network()
    assert net.frames is emo18.end2you_frames and not net.packed
    assert len(model.report()["defects"]) == 4
    assert "defects" not in End2You(TYPE, 0).report()
    for recipe in (END2YOU, CNN14, CNN10, CNN14_SMALL):
        built = recipe.on(WAVES, name=recipe.name).build(TYPE, 0, "sound")
        told = recipe.settings.get("sound", recipe.settings)
        assert dataclasses.asdict(built.plan()).items() <= told.items()


def test_a_metric_that_is_never_defined(monkeypatch):
    monkeypatch.setattr(loop, "dev_value", lambda *_: float("nan"))
    with pytest.raises(BadData, match="undefined after each of 2 epochs"):
        end2you(epochs=5, batch=8, patience=2).fit(tones(), tones())


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ("constant", [1, 1, 1, 1]),
        ("cosine", [1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2]),
    ],
)
def test_the_learning_rate_follows_its_schedule(schedule, rates):
    told = end2you(epochs=4, batch=16, schedule=schedule, learning_rate=1.0, patience=None)
    curve = told.fit(tones(), tones()).report()["curve"]
    assert [point["learning_rate"] for point in curve] == pytest.approx(rates)


def test_progress_is_told_in_one_line():
    told = []
    model = end2you(epochs=2, batch=8)
    model.attend(None, lambda *line: told.append(line))
    model.fit(tones(), tones())
    assert [line[1:] for line in told] == [(16, 32), (32, 32), (32, 32)]
    assert told[0][0].startswith("epochs: 1 of 2, loss ")
    assert "ccc.population" in told[1][0] and "(best " in told[1][0] and "clips/s" in told[1][0]
    assert told[0][0].endswith("left")
    assert told[2][0].startswith("epochs: done, ccc.population ")


def test_a_gpu_that_goes_away_is_told_in_a_message(tmp_path):
    class Lost(type(end2you(epochs=3, batch=8))):
        def loss(self, train):
            usual, calls = super().loss(train), []

            def gone(output, truth):
                calls.append(0)
                if len(calls) == 3:
                    raise RuntimeError("CUDA error: device lost\nmore")
                return usual(output, truth)

            return gone

    model = Lost(TWO, 0)
    model.attend(tmp_path, None)
    with pytest.raises(AffectBenchError, match="GPU failed: CUDA error: device lost") as error:
        model.fit(tones(), tones())
    assert str(tmp_path / "checkpoint.pt") in str(error.value)


def test_only_weights_that_learn_are_moved():
    part = tones()
    model = end2you(epochs=1, batch=8).fit(part, part)
    before = {name: value.clone() for name, value in model.net.cnn.named_parameters()}
    model.net.cnn.requires_grad_(False)
    data = Data(part, targets=part.labels.astype(np.float32))
    plan = dataclasses.replace(model.plan(), epochs=2, batch=8)
    moving = weights(model.net.lstm)
    loop.Training(model.net, plan, model.loss(data), task=TWO, train=data, dev=data, seed=0).run()
    assert weights(model.net.lstm) != moving
    after = dict(model.net.cnn.named_parameters())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_clips_shorter_than_a_frame_and_a_single_clip_of_a_class():
    part = tones(9, task=TYPE)  # classes 0 to 7, and 0 again
    waves = [part.waves[0][:50], np.zeros(0, np.int16), *part.waves[2:]]
    part = dataclasses.replace(part, waves=waves)
    for model in (
        cnn(TYPE, epochs=1),
        end2you(TYPE, epochs=1),
        end2you(TYPE, mode="official", epochs=1),
    ):
        values = model.fit(part, part).predict(part)
        assert values.shape == (9, 8) and np.isfinite(values).all()


def test_bad_parts_are_refused():
    part = tones()
    model = end2you(epochs=1)
    with pytest.raises(BadData, match="0 waves for 16 clips"):
        model.fit(dataclasses.replace(part, waves=()), part)
    blank = dataclasses.replace(part, labels=np.where(part.labels > 0.5, np.nan, part.labels))
    with pytest.raises(BadData, match="cannot be used"):
        model.fit(blank, part)
    culture = TASKS["avb-culture"]
    blank = dataclasses.replace(part, labels=np.repeat(blank.labels[:, :1], 40, axis=1))
    with pytest.raises(BadData, match="official mode cannot mask"):
        end2you(culture, mode="official", epochs=1).fit(blank, blank)
    assert np.isfinite(end2you(culture, epochs=1).fit(blank, blank).predict(part)).all()
    with pytest.raises(ValueError, match="'best'"):
        end2you(mode="best")


class Watched(list):
    """Waves that know how many were read."""

    def __init__(self, waves):
        super().__init__(waves)
        self.reads: list[int] = []

    def __getitem__(self, index):
        self.reads.append(index)
        return super().__getitem__(index)


def test_waves_are_read_when_their_batch_is_made():
    part = tones(60)
    watched = Watched(part.waves)
    data = Data(dataclasses.replace(part, waves=watched))
    assert len(watched.reads) == 60
    rows = [np.arange(start, start + 10) for start in range(0, 60, 10)]
    for number, batch in enumerate(batches.ahead(rows, lambda some: data.batch(some, CPU)), 1):
        assert len(batch.waves) == 10
        assert len(watched.reads) - 60 <= 10 * (number + 1)  # one ahead


def test_batches_are_of_about_equal_length():
    samples = np.random.default_rng(0).integers(1, 100_000, 5_000)
    found = bucketed(samples, 16, np.random.default_rng(1))
    assert np.array_equal(np.sort(np.concatenate(found)), np.arange(5_000))
    assert sorted({len(rows) for rows in found}) == [8, 16]
    wasted = sum(len(rows) * samples[rows].max() - samples[rows].sum() for rows in found)
    assert wasted < 0.03 * samples.sum()
    again = bucketed(samples, 16, np.random.default_rng(1))
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))
    other = bucketed(samples, 16, np.random.default_rng(2))
    assert not np.array_equal(np.concatenate(found), np.concatenate(other))


def test_batches_to_predict_are_bounded():
    samples = np.array([5, 900, 100, 100, 0, 100, 3_000])
    found = list(by_length(samples, 1_000))
    assert np.array_equal(np.sort(np.concatenate(found)), np.arange(7))
    assert [rows.tolist() for rows in found] == [[6], [1], [2, 3, 5, 0, 4]]


def test_predictions_come_in_the_order_of_the_clips():
    part = tones(30)
    model = cnn(epochs=1).fit(part, part)
    together = model.predict(part)
    alone = np.concatenate(
        [
            model.predict(dataclasses.replace(part, clips=(clip,), features=part.features[:1],
                                              waves=[wave]))
            for clip, wave in zip(part.clips, part.waves, strict=True)
        ]
    )  # fmt: skip
    assert np.allclose(together, alone, atol=1e-5)


def test_crops_are_random_pieces():
    wave = np.arange(1_000, dtype=np.int16)
    rng = np.random.default_rng(0)
    pieces = [batches.cropped(wave, 100, rng) for _ in range(50)]
    assert all(len(piece) == 100 and (np.diff(piece) == 1).all() for piece in pieces)
    assert len({int(piece[0]) for piece in pieces}) > 40
    assert np.array_equal(batches.cropped(wave, 2_000, rng), wave)


def test_mixed_precision_still_learns(monkeypatch):
    """What a GPU would do, on the CPU."""
    monkeypatch.setattr(loop, "precision", lambda where, wanted: "bfloat16")
    part = tones(8)
    told = cnn(epochs=2, batch=8).fit(part, part).report()
    assert np.isfinite([point["train_loss"] for point in told["curve"]]).all()


def test_a_checkpoint_holds_what_it_was_given(tmp_path):
    path = tmp_path / "deep" / "checkpoint.pt"
    assert checkpoint.load(path, {"task": "one"}, CPU) is None
    state = {"net": {"w": torch.arange(3.0)}, "at": {"best": -float("inf"), "curve": [{"a": 1.0}]}}
    checkpoint.save(path, {"task": "one"}, state)
    held = checkpoint.load(path, {"task": "one"}, CPU)
    assert torch.equal(held["net"]["w"], state["net"]["w"]) and held["at"] == state["at"]
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]
