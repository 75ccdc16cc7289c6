"""The ExVo multitask network: its steps against PyTorch's, its modes, and what it refuses."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from affectbench.errors import AffectBenchError, BadData, MissingExtra
from affectbench.features import EGEMAPS
from affectbench.metrics import METRICS
from affectbench.store import plain
from affectbench.systems import multitask, multitask_step
from affectbench.systems.mlp import EarlyStop, masked_loss
from affectbench.systems.multitask import (
    MULTITASK,
    MultitaskMLP,
    flattened,
    head_of,
    joint_value,
    network,
    weighted,
)
from affectbench.systems.multitask_step import Head, Trainer, shapes
from affectbench.tasks import TASKS
from affectbench.types import Part

torch = pytest.importorskip("torch")
pytest.importorskip("numba")
multitask_loops = multitask_step.loops()
functional = torch.nn.functional

TASK = TASKS["exvo-multitask"]
HEADS = [head_of(target) for target in TASK.targets]
NAMES = [target.name for target in TASK.targets]
DIM = 12


def part(labels: tuple[np.ndarray, ...], features: np.ndarray, name: str) -> Part:
    clips = tuple(f"{name}{row:04d}" for row in range(len(features)))
    return Part(clips, features.astype(np.float32), labels, ("S1",) * len(features))


def problem(*, noise: float = 0.4, seed: int = 5, sizes: tuple[int, ...] = (400, 120, 120)):
    """Train, dev and test of one linear truth: ten emotions, country, age in years."""
    random = np.random.default_rng(seed)
    weights = random.standard_normal((DIM, 15)) / np.sqrt(DIM)
    parts = []
    for name, size in zip(("train", "dev", "test"), sizes, strict=True):
        hidden = random.standard_normal((size, DIM))
        scores = hidden @ weights + noise * random.standard_normal((size, 15))
        emotions = 1 / (1 + np.exp(-2 * scores[:, :10]))
        age = 30 + 5 * scores[:, 14:]
        labels = (emotions, scores[:, 10:14].argmax(axis=1), age)
        parts.append(part(labels, hidden * 7 + 3, name))
    return tuple(parts)


def of_one(one: Part, which: int) -> Part:
    return replace(one, labels=(one.labels[which],))


# --- the network and its loss


@pytest.mark.parametrize(
    ("dim", "expected"),
    [
        (88, 26_770),
        (125, 31_506),
        (250, 47_506),
        (500, 79_506),
        (1000, 143_506),
        (2000, 271_506),
        (4096, 539_794),
        (6373, 831_250),
    ],
)
def test_number_of_parameters_is_the_published_one(dim: int, expected: int) -> None:
    assert sum(weight.numel() for weight in network(dim, HEADS).parameters()) == expected
    assert sum(int(np.prod(shape)) for shape in shapes(dim, HEADS).values()) == expected


def test_heads_end_as_their_labels_ask() -> None:
    expected = [Head(10, "bounded"), Head(4, "classes"), Head(1, "linear")]
    assert expected == HEADS


def test_the_loops_number_losses_and_units_as_the_steps_do() -> None:
    numbers = (multitask_loops.BOUNDED, multitask_loops.LINEAR, multitask_loops.CLASSES)
    assert [get_args(multitask_step.Loss)[i] for i in numbers] == ["bounded", "linear", "classes"]
    assert multitask_loops.UNITS == multitask_step.NARROW
    assert multitask_step.BATCH == multitask.BATCH


def test_weighted_loss_is_the_published_one() -> None:
    assert weighted([0.5, 1.4, 150], [-0.33] * 3) == pytest.approx(105.149029, abs=5e-7)
    assert weighted([1.0], [-0.33]) + 0.165 == pytest.approx(0.69548406)


def test_the_network_lives_in_its_flat_vector() -> None:
    net = network(DIM, HEADS)
    before = {name: weight.detach().clone() for name, weight in net.state_dict().items()}
    theta = flattened(net)
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())
    theta += 1
    assert all(torch.equal(weight, before[name] + 1) for name, weight in net.state_dict().items())


def torch_epoch(net, adam, inputs, labels, order) -> float:
    """The same epoch as a plain loop of PyTorch."""
    total = 0.0
    for rows in order.split(8):
        adam.zero_grad()
        hidden = net["trunk"](inputs[rows])
        emotions, country, age = (end(hidden) for end in net["heads"].children())
        truth = labels[rows]
        losses = torch.stack(
            [
                masked_loss(emotions, truth[:, :10]),
                functional.cross_entropy(country, truth[:, 10:14].argmax(dim=1)),
                masked_loss(age, truth[:, 14:]),
            ]
        )
        s = net.get_parameter("log_variance")
        loss = (losses * torch.exp(-s) / 2 + s / 2).sum()
        loss.backward()
        adam.step()
        total += loss.item() * len(rows)
    return total / len(order)


@pytest.mark.parametrize("blank", [False, True])
def test_the_steps_are_those_of_autograd_and_adam(blank: bool) -> None:
    random = torch.Generator().manual_seed(2)
    inputs = torch.randn(101, 45, generator=random)  # the last batch is of five clips
    labels = torch.rand(101, 15, generator=random)
    labels[:, 10:14] = functional.one_hot(torch.arange(101) % 4, 4).float()
    labels[:, 14] = 20 + 20 * labels[:, 14]  # years
    if blank:
        labels[::3, 4] = labels[1::2, 14] = torch.nan
        labels[8:16, [2, 14]] = torch.nan  # a whole batch without
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = network(45, HEADS)
    theirs = network(45, HEADS)
    theirs.load_state_dict(net.state_dict())
    adam = torch.optim.Adam(theirs.parameters(), lr=1e-3, weight_decay=1e-2)
    theta = flattened(net)
    trainer = Trainer(theta, 45, HEADS, learning_rate=1e-3, weight_decay=1e-2)
    orders = [torch.arange(101), torch.randperm(101, generator=random)]
    for order in orders:
        loss = trainer.epoch(inputs.numpy(), labels.numpy(), order.numpy())
        assert loss == pytest.approx(torch_epoch(theirs, adam, inputs, labels, order), rel=1e-5)
    assert trainer.steps == 26
    for name, weight in theirs.state_dict().items():
        np.testing.assert_allclose(net.state_dict()[name], weight, atol=2e-5, err_msg=name)


# --- training


def scores(model: MultitaskMLP, on: Part) -> list[float]:
    """CCC, UAR and MAE."""
    return joint_value(TASK, on.labels, model.predict(on))[1]


@pytest.fixture(scope="module")
def sound() -> MultitaskMLP:
    train, dev, _ = problem()
    return MultitaskMLP(TASK, 101).fit(train, dev)


def test_sound_learns_all_three_targets(sound) -> None:
    train, dev, test = problem()
    model = sound
    emotions, country, age = model.predict(test)
    assert [values.shape for values in (emotions, country, age)] == [(120, 10), (120, 4), (120, 1)]
    assert all(values.dtype == np.float64 for values in (emotions, country, age))
    assert 0 < emotions.min() < emotions.max() < 1
    ccc, uar, mae = scores(model, test)
    assert ccc > 0.6
    assert uar > 0.55
    assert mae < 0.7 * np.abs(test.labels[2] - train.labels[2].mean()).mean()
    report = plain(model.report())
    assert report["metric"] == "s_mtl.sound"
    assert report["parameters"] == 26_770 + 128 * (DIM - 88)
    row = report["curve"][report["kept_epoch"] - 1]
    assert list(row["weights"]) == list(row["dev_losses"]) == list(row["dev_metrics"]) == NAMES
    assert joint_value(TASK, dev.labels, model.predict(dev))[0] == pytest.approx(row["dev_metric"])
    assert row["dev_metric"] == max(one["dev_metric"] for one in report["curve"])
    assert row["dev_metrics"]["age"] == pytest.approx(scores(model, dev)[2])


def test_official_lets_an_age_in_years_rule_where_clips_are_few(sound) -> None:
    train, dev, test = problem()
    model = MultitaskMLP(TASK, 101, "official").fit(train, dev)
    curve = model.report()["curve"]
    assert curve[0]["dev_losses"]["age"] > 100
    weights = [row["weights"]["age"] for row in curve]
    assert 0.695484 > weights[0] > weights[-1]
    assert scores(model, test)[0] < scores(sound, test)[0] - 0.2
    assert model.report()["init_seed"] == 10_101


def test_official_keeps_the_last_epoch_and_stops_on_the_loss(monkeypatch) -> None:
    monkeypatch.setattr(multitask, "DELTA", 20.0)
    train, dev, _ = problem()
    model = MultitaskMLP(TASK, 101, "official").fit(train, dev)
    report = model.report()
    stop = EarlyStop(20.0)
    for row in report["curve"]:
        stop.update(row["dev_loss"])
        assert row["waited"] == stop.waited
    assert stop.waited == 5
    assert report["kept_epoch"] == report["epochs"] < 20
    assert "dev loss (delta 20.0) did not improve for 5 epochs" in report["stopped"]
    outputs = [torch.tensor(values) for values in model.predict(dev)]
    emotions, country, age = (torch.tensor(values) for values in dev.labels)
    losses = [
        float(masked_loss(outputs[0], emotions)),
        float(functional.cross_entropy(outputs[1], country)),
        float(masked_loss(outputs[2], age)),
    ]
    last = report["curve"][-1]
    assert list(last["dev_losses"].values()) == pytest.approx(losses, rel=1e-4)
    s = [-np.log(2 * weight) for weight in last["weights"].values()]
    assert last["dev_loss"] == pytest.approx(weighted(losses, s), rel=1e-4)


@pytest.mark.parametrize(("mode", "epochs", "kept"), [("sound", 7, 2), ("official", 20, 20)])
def test_which_epoch_is_kept(monkeypatch, mode: str, epochs: int, kept: int) -> None:
    train, dev, _ = problem(sizes=(24, 24, 24))
    told = iter((0.1, 0.5, 0.5, 0.4, 0.3, 0.3, 0.4, *[0.2] * 20))  # best at 2, tied by 3
    monkeypatch.setattr(multitask, "joint_value", lambda *_: (next(told), [0.0] * 3))
    monkeypatch.setattr(EarlyStop, "update", lambda *_: None)
    model = MultitaskMLP(TASK, 1, mode).fit(train, dev)
    report = model.report()
    assert (report["epochs"], report["best_epoch"], report["kept_epoch"]) == (epochs, 2, kept)
    net = model._net
    weights = np.exp(-net.get_parameter("log_variance").detach().numpy()) / 2
    np.testing.assert_allclose(
        weights, list(report["curve"][kept - 1]["weights"].values()), rtol=1e-6
    )


def test_the_order_of_batches_is_the_published_one(monkeypatch) -> None:
    orders = []
    epoch = Trainer.epoch

    def seen(self, inputs, labels, order):
        orders.append(order.copy())
        return epoch(self, inputs, labels, order)

    monkeypatch.setattr(Trainer, "epoch", seen)
    train, dev, _ = problem(sizes=(10, 9, 9))
    for mode, advance in (("official", True), ("sound", False)):
        orders.clear()
        MultitaskMLP(TASK, 101, mode).fit(train, dev)
        random = torch.Generator().manual_seed(101)
        for number, order in enumerate(orders):
            expected = torch.randperm(10, generator=random)
            assert order.tolist() == expected.tolist()
            if number == 0:
                assert order.tolist() == [1, 5, 3, 0, 2, 7, 4, 6, 9, 8]
            if advance:
                torch.randperm(9, generator=random)


def test_blank_labels_are_masked_in_sound_mode_only() -> None:
    train, dev, test = problem()
    random = np.random.default_rng(0)
    age = np.where(random.random((400, 1)) < 0.4, np.nan, train.labels[2])
    blank = replace(train, labels=(*train.labels[:2], age))
    dev_age = np.where(random.random((120, 1)) < 0.4, np.nan, dev.labels[2])
    blank_dev = replace(dev, labels=(*dev.labels[:2], dev_age))
    model = MultitaskMLP(TASK, 101).fit(blank, blank_dev)
    assert scores(model, test)[2] < 3.5
    with pytest.raises(BadData, match="use the mode 'sound'"):
        MultitaskMLP(TASK, 101, "official").fit(blank, dev)
    with pytest.raises(BadData, match="column 'age'"):
        none = np.full((400, 1), np.nan)
        MultitaskMLP(TASK, 101).fit(replace(train, labels=(*train.labels[:2], none)), dev)


@pytest.mark.parametrize(
    ("name", "which"), [("avb-high", 0), ("avb-type", 1)], ids=["regression", "classification"]
)
def test_one_target_is_enough(name: str, which: int) -> None:
    train, dev, test = (of_one(one, which) for one in problem())
    model = MultitaskMLP(TASKS[name], 101).fit(train, dev)
    (values,) = model.predict(test)
    assert values.shape == (120, TASKS[name].target.outputs)
    value, shares = joint_value(TASKS[name], test.labels, (values,))
    assert value > 0.5
    assert shares == [value]


def test_the_joint_value_is_that_of_the_metric() -> None:
    train, dev, test = problem()
    outputs = (test.labels[0], np.eye(4)[test.labels[1]], test.labels[2] + 2)
    value, (ccc, uar, mae) = joint_value(TASK, test.labels, outputs)
    assert (ccc, uar, mae) == pytest.approx((1, 1, 2))
    assert value == pytest.approx(3 / (1 + 1 + 2))
    del train, dev


def test_constant_labels_of_a_linear_head_are_left_at_their_scale() -> None:
    train, dev, test = problem(sizes=(40, 40, 40))
    same = replace(train, labels=(*train.labels[:2], np.full((40, 1), 33.0)))
    model = MultitaskMLP(TASK, 101).fit(same, dev)
    assert np.abs(model.predict(test)[2] - 33).max() < 2


# --- the same again, and what is refused


def test_same_seed_same_bytes_and_nothing_global_is_touched() -> None:
    train, dev, test = problem(sizes=(64, 40, 40))
    torch.manual_seed(5)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    for mode in ("sound", "official"):
        first, second = (MultitaskMLP(TASK, 101, mode).fit(train, dev) for _ in range(2))
        for a, b in zip(first.predict(test), second.predict(test), strict=True):
            assert a.tobytes() == b.tobytes()
        assert first.report() == second.report()
        other = MultitaskMLP(TASK, 102, mode).fit(train, dev)
        assert not np.array_equal(other.predict(test)[0], first.predict(test)[0])
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_what_cannot_be_learnt_from_is_refused() -> None:
    train, dev, test = problem(sizes=(40, 40, 40))
    emotions, country, age = train.labels
    with pytest.raises(ValueError, match="'fast'"):
        MultitaskMLP(TASK, 1, "fast")
    with pytest.raises(BadData, match=r"type ndarray\. Expected a tuple of 3 arrays"):
        MultitaskMLP(TASK, 1).fit(replace(train, labels=emotions), dev)
    with pytest.raises(BadData, match="dev part of exvo-multitask has no labels"):
        MultitaskMLP(TASK, 1).fit(train, replace(dev, labels=(np.empty(0),) * 3))
    with pytest.raises(BadData, match=r"train0003.* from 0 to 3"):
        wrong = np.where(np.arange(40) == 3, 4, country)
        MultitaskMLP(TASK, 1).fit(replace(train, labels=(emotions, wrong, age)), dev)
    with pytest.raises(BadData, match="labels of emotions that cannot be used: train0002"):
        wrong = np.where(np.arange(40)[:, None] == 2, np.nan, emotions)
        MultitaskMLP(TASK, 1).fit(replace(train, labels=(wrong, country, age)), dev)
    broken = train.features.copy()
    broken[7, 3] = np.nan
    with pytest.raises(BadData, match="train0007"):
        MultitaskMLP(TASK, 1).fit(replace(train, features=broken), dev)
    model = MultitaskMLP(TASK, 1).fit(train, dev)
    broken = test.features.copy()
    broken[9, 3] = np.inf
    with pytest.raises(BadData, match="test0009"):
        model.predict(replace(test, features=broken))


def test_a_dev_without_a_value_is_refused() -> None:
    train, dev, _ = problem(sizes=(24, 24, 24))
    none = replace(dev, labels=(*dev.labels[:2], np.full((24, 1), np.nan)))
    with pytest.raises(BadData, match="s_mtl.sound on dev is undefined after each of 5 epochs"):
        MultitaskMLP(TASK, 1).fit(train, none)


def test_training_that_diverges_stops(monkeypatch) -> None:
    monkeypatch.setattr(multitask, "LEARNING_RATE", float("inf"))
    train, dev, _ = problem(sizes=(40, 40, 40))
    with pytest.raises(AffectBenchError, match="loss became nan on train"):
        MultitaskMLP(TASK, 1).fit(train, dev)


@pytest.mark.parametrize("package", ["torch", "numba"])
def test_what_is_missing_names_the_extra(monkeypatch, package: str) -> None:
    train, dev, _ = problem(sizes=(16, 16, 16))
    multitask_step.loops.cache_clear()
    monkeypatch.delitem(sys.modules, multitask_loops.__name__)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=rf"'{package}'.*affectbench\[neural\]"):
        MultitaskMLP(TASK, 1).fit(train, dev)
    multitask_step.loops.cache_clear()


def test_the_recipe() -> None:
    system = MULTITASK.on(EGEMAPS)
    assert system.name == "egemaps-multitask"
    assert system.joint
    assert system.seeds == (101, 102, 103, 104, 105, 106)
    assert system.modes == ("sound", "official")
    assert plain(dict(system.settings))
    assert METRICS["s_mtl.sound"] is TASK.metric
