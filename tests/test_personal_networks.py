"""Networks made a speaker's, on a copy, by steps or by a gate; the published one, as it is."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from affectbench.errors import BadData
from affectbench.systems.neural.batches import Batch
from affectbench.systems.neural.emo18 import Emo18, initialise
from affectbench.systems.neural.losses import ccc_loss
from affectbench.systems.neural.models import WaveModel
from affectbench.systems.neural.plan import Plan
from affectbench.systems.personal import enrolment, lstm, tuning
from affectbench.systems.personal.gains import gain_of
from affectbench.systems.personal.gate import EnrolledData, GatedCNN
from affectbench.systems.personal.published import PublishedEmo18, started
from affectbench.systems.personal.steps import descended
from affectbench.types import Part
from test_systems import task

REGRESSION, CLASSES = task("regression"), task("classification")
QUICK = Plan(epochs=2, batch=8, learning_rate=1e-3, crop=4_800)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def sounds(name="dev", *, speakers=4, clips=5, seed=0, offset=0.0, of=REGRESSION, short=False):
    """Tones whose pitch is the label, by speakers whose labels are off."""
    rng = np.random.default_rng([seed, *name.encode()])
    waves, labels, who = [], [], []
    for speaker in range(speakers):
        own = offset * rng.standard_normal(of.target.outputs)
        for _ in range(clips):
            y = rng.uniform(0.2, 0.8, of.target.outputs)
            time_s = np.arange(rng.integers(500 if short else 3_000, 6_000)) / 16_000
            wave = sum(np.sin(2 * np.pi * 300 * 2 ** (2 * v + i) * time_s) for i, v in enumerate(y))
            waves.append((6_000 * wave / abs(wave).max() * rng.uniform(0.2, 1)).astype(np.int16))
            labels.append(y + own)
            who.append(f"{name}{speaker}")
    truth = np.array(labels).clip(0, 1)
    if of.target.kind == "classification":
        truth = truth.argmax(axis=1)
    count = len(waves)
    names = tuple(f"{name}-{i}" for i in range(count))
    return Part(names, np.zeros((count, 0), np.float32), truth, tuple(who), waves)


def pick(part, *rows):
    return tuning.some(part, np.array(rows))


class Small(WaveModel):
    """A network of few weights."""

    def network(self):
        return initialise(Emo18(self.task.target.outputs, width=0.1), "end2you")

    def plan(self):
        return QUICK


TUNABLE = {"head": (("head.",), (1e-1,)), "all": (("",), (1e-2,))}


def tuned_model(of=REGRESSION):
    """Tuned by all weights, whatever dev says."""
    model = tuning.TunedModel(Small(of, 0), {})
    model.fit(sounds("train", of=of), sounds("dev", of=of, clips=1))
    model.tunable = TUNABLE
    model.choices = dict.fromkeys((1, 2), tuning.Choice("all", 1e-2, 4))
    return model


def weights_of(net: nn.Module) -> dict[str, bytes]:
    return {name: weight.numpy().tobytes() for name, weight in net.state_dict().items()}


# --- tuning


@pytest.mark.parametrize("of", [REGRESSION, CLASSES])
def test_adapting_leaves_the_network_and_other_speakers_alone(of):
    model = tuned_model(of)
    test = sounds("test", of=of)
    before = weights_of(model.base.net)
    plain = model.predict(test)
    alone = model.adapt(pick(test, 5, 6)).predict(test)
    model.adapt(pick(test, 0, 1)).predict(test)
    np.testing.assert_array_equal(model.adapt(pick(test, 5, 6)).predict(test), alone)
    assert weights_of(model.base.net) == before
    np.testing.assert_array_equal(model.predict(test), plain)
    assert (alone != plain).any()
    one = model.adapt(pick(test, 5)).predict(test)
    assert np.isfinite(one).all() and (one != alone).any()


def test_steps_are_taken_on_what_was_asked_for_and_not_on_the_statistics():
    torch.manual_seed(0)
    net = Emo18(3, width=0.1)
    batch = Batch(np.arange(2), torch.randn(2, 4_000), torch.tensor([4_000, 3_000]),
                  torch.tensor([[0.2, 0.5, np.nan], [0.3, 0.1, np.nan]]))  # fmt: skip
    before = copy.deepcopy(net.state_dict())
    errors = []
    for steps, own in descended(net, batch, ("head.",), 0.1, (1, 2, 8)):
        told = own.eval()(batch.waves, batch.samples)
        errors.append(float((told - batch.targets)[:, :2].detach().square().mean()))
        for name, weight in own.state_dict().items():
            same = torch.equal(weight, before[name])
            assert same == (not name.startswith("head.")), (steps, name)
        assert torch.equal(own.head.weight[2], before["head.weight"][2])  # no label at all
    assert errors[2] < errors[1] < errors[0]
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())


def test_an_lstm_on_a_gpu_can_be_tuned():
    """cuDNN gives no gradient of an LSTM in evaluation; the rest stays in evaluation."""
    net = Emo18(2, width=0.1)
    batch = Batch(np.arange(1), torch.randn(1, 3_200), torch.tensor([3_200]), torch.zeros(1, 2))
    next(descended(net, batch, ("",), 0.1, (1,)))[1]
    seen = {}
    hooks = [
        module.register_forward_hook(lambda m, *_: seen.__setitem__(type(m).__name__, m.training))
        for module in net.modules()
    ]
    next(descended(net, batch, ("",), 0.1, (1,)))
    for hook in hooks:
        hook.remove()
    assert seen["LSTM"] and not seen["BatchNorm1d"]


def test_labels_that_are_blank_or_not_there_change_nothing():
    model = tuned_model()
    test = sounds("test")
    support, plain = pick(test, 0, 1), model.predict(test)
    for labels in (np.empty(0), np.full((2, 3), np.nan)):
        part = Part(support.clips, support.features, labels, support.speakers, support.waves)
        np.testing.assert_array_equal(model.adapt(part).predict(test), plain)
    labels = support.labels.copy()
    labels[0, 1] = np.nan
    part = Part(support.clips, support.features, labels, support.speakers, support.waves)
    some = model.adapt(part).predict(test)
    assert np.isfinite(some).all() and (some != plain).any()


def test_what_is_tuned_is_chosen_where_it_gains(monkeypatch):
    monkeypatch.setattr(tuning, "STEPS", (1, 4))

    class Flat(Small):
        """Hears nothing, so that all there is to learn is the speaker's offset."""

        def fit(self, train, dev):
            torch.manual_seed(0)
            self.net = Emo18(3, width=0.1)
            nn.init.zeros_(self.net.head.weight)
            nn.init.constant_(self.net.head.bias, 0.5)
            return self

    dev = sounds("dev", speakers=6, clips=5, offset=0.4)
    model = tuning.TunedModel(Flat(REGRESSION, 0), TUNABLE).fit(sounds("train"), dev)
    chosen = model.choices[2]
    assert chosen is not None
    told = model.report()["support"]["2"]
    assert told["tuned"] == {"weights": chosen.weights, "rate": chosen.rate, "steps": chosen.steps}
    assert len(told["on_dev"]) == 4
    assert told["speakers"] == 6
    best = max(told["on_dev"], key=lambda one: one["gain"] if one["low"] > 0 else -1)
    assert (best["weights"], best["rate"], best["steps"]) == tuple(told["tuned"].values())
    lonely = sounds("dev", speakers=6, clips=1)
    model.fit(sounds("train"), lonely)
    assert model.choices == {1: None, 2: None}
    assert "no speaker of dev" in model.report()["support"]["1"]["why"]
    test = sounds("test")
    np.testing.assert_array_equal(model.adapt(pick(test, 0)).predict(test), model.predict(test))


def test_a_network_that_diverges_is_not_taken():
    truth = np.random.default_rng(0).uniform(size=(20, 3))
    plain, place = truth + 0.1, np.repeat(np.arange(4), 5)
    found = gain_of(REGRESSION, truth, np.full((20, 3), np.nan), plain, place)
    assert np.isnan(found).all()
    assert gain_of(REGRESSION, truth, truth, plain, place).low > 0
    assert np.isnan(gain_of(REGRESSION, truth, truth, plain, np.full(20, -1)).low)


# --- the published few-shot code


@pytest.fixture
def published(monkeypatch):
    monkeypatch.setattr(
        lstm, "OFFICIAL", Plan(epochs=1, batch=8, optimiser="adamw", bucketed=False)
    )
    model = lstm.fewshot_lstm(REGRESSION, 0, "official")
    monkeypatch.setattr(
        model, "network", lambda: initialise(PublishedEmo18(3, width=0.1), "fewshot")
    )
    return model.fit(sounds("train"), sounds("dev"))


def test_published_shapes_and_settings():
    net = PublishedEmo18(10)
    assert sum(weight.numel() for weight in net.parameters()) == 1_565_002
    assert sum(buffer.numel() for buffer in net.buffers()) == 899
    assert (lstm.OFFICIAL.patience, lstm.OFFICIAL.batch, lstm.OFFICIAL.epochs) == (30, 8, 50)
    assert (lstm.OFFICIAL.learning_rate, lstm.OFFICIAL.weight_decay) == (2e-4, 0.01)
    with pytest.raises(BadData, match="predicts numbers"):
        lstm.fewshot_lstm(CLASSES, 0, "official")


def test_published_training_divides_by_the_peak_and_the_test_does_not():
    torch.manual_seed(0)
    net = PublishedEmo18(2, width=0.1).eval()
    waves, samples = torch.randn(2, 5_000) * 0.1, torch.tensor([5_000, 3_200])
    waves[1, 3_200:] = 0
    with torch.inference_mode():
        close = {"rtol": 1e-4, "atol": 1e-5}
        torch.testing.assert_close(net(waves, samples), net(3 * waves, samples), **close)
        assert net.frames(samples).tolist() == [3, 2]
        net.hear_as_in_test()
        assert (net(waves, samples) - net(3 * waves, samples)).abs().max() > 1e-4
    assert net.frames(samples).tolist() == [4, 3]


def test_what_the_published_code_drops_is_silence_beside_other_clips():
    torch.manual_seed(0)
    net = PublishedEmo18(2, width=0.1).train()
    net.in_test = True  # no peak normalisation: the peak may lie in what is dropped
    waves, samples = torch.randn(2, 8_000), torch.tensor([3_300, 8_000])
    waves[0, 3_300:] = 0
    whole = net(waves, samples)
    waves[0, 3_200:] = 0
    torch.testing.assert_close(net(waves, samples), whole)


def test_published_prediction_is_the_first_support_clip_before_the_adaptation(published):
    test = sounds("test")
    support, queries = pick(test, 0, 1), pick(test, 2, 3, 4)
    before = weights_of(published.net)
    told = published.adapt(support).predict(queries)
    assert np.isnan(told[:2]).all() and np.isfinite(told[2]).all()
    assert weights_of(published.net) == before
    net = copy.deepcopy(published.net).train()
    waves = [*support.waves, queries.waves[2]]
    samples = torch.tensor([len(wave) for wave in waves])
    padded = torch.zeros(3, 1_600 * int(samples.max() // 1_600 + 1))
    for row, wave in enumerate(waves):
        padded[row, : len(wave)] = torch.from_numpy(wave / 2**15)
    with torch.no_grad():
        cnn = net.cnn(padded.reshape(-1, 1, 1_600)).reshape(3, padded.shape[1] // 1_600, -1)
        own = net.head(net.lstm(cnn)[0])[0, int(samples[2]) // 1_600]
    np.testing.assert_allclose(told[2], own, rtol=1e-4, atol=1e-6)
    other = published.adapt(pick(test, 0, 1)).predict(pick(test, 2, 3, 4))
    np.testing.assert_array_equal(other, told)


def test_published_speakers_inherit_what_the_one_before_left_behind(published):
    test = sounds("test")

    def visit(first, shots=2):
        support = pick(test, *range(first, first + shots))
        return published.adapt(support).predict(pick(test, first + 3, first + 4))[-1]

    alone = visit(5)
    walked = [visit(first) for first in (0, 5, 10)]
    assert (walked[1] != alone).any()
    np.testing.assert_array_equal([visit(first) for first in (0, 5, 10)], walked)  # anew
    assert (visit(10, shots=1) != walked[2]).any()  # another number of clips: anew as well
    np.testing.assert_array_equal(visit(5), alone)
    assert published.report()["defects"] == list(lstm.DEFECTS)
    assert np.isfinite(published.predict(test)).all()  # without support all are predicted


def test_published_adaptation_moves_lstm_and_head_by_one_step(published):
    test = sounds("test")
    adapted = published.adapt(pick(test, 0, 1))
    adapted.predict(pick(test, 2))
    net, _ = adapted._visit.after
    for name, weight in published.net.state_dict().items():
        moved = (net.state_dict()[name] - weight).abs().max()
        if name.startswith(("lstm.", "head.")):
            assert 0.9e-4 < moved < 1.2e-4, name
        elif "running" not in name and "num" not in name:
            assert moved == 0, name
    own, _ = started(published.net)
    assert not own.cnn[0].weight.requires_grad
    support = pick(test, 0, 1)
    support.labels[0, 0] = np.nan
    with pytest.raises(BadData, match="blank"):
        published.adapt(support)
    with pytest.raises(BadData, match="test-0 and test-1 have no labels|test-0, test-1 have no"):
        published.adapt(replace(support, labels=np.empty(0)))


# --- enrolment


def gated(**options) -> GatedCNN:
    torch.manual_seed(0)
    options = {"augment": False, "dropout": 0.0, **options}
    return GatedCNN(3, (4, 6, 8), (4, 6), bounds=(0.0, 1.0), **options)


def test_a_gate_of_nothing_is_no_gate():
    net = gated().eval()
    waves, samples = torch.randn(2, 6_000) * 0.1, torch.tensor([6_000, 5_000])
    none = net.gate(torch.zeros(0, 1), torch.zeros(0).long(), torch.zeros(0).long(), 2)
    assert none.shape == (2, 8)
    torch.testing.assert_close(net(waves, samples, none), net(waves, samples))
    owner = torch.tensor([1, 1])
    gate = net.gate(waves, samples, owner, 3)
    torch.testing.assert_close(gate.mean(dim=1), torch.ones(3))
    torch.testing.assert_close(gate[[0, 2]], torch.ones(2, 8))
    assert (gate[1] - 1).abs().max() > 1e-3
    torch.testing.assert_close(net.gate(waves.flip(0), samples.flip(0), owner, 3), gate)


def test_padding_more_never_changes_a_gated_output():
    net = gated().eval()
    waves, samples = torch.randn(2, 6_000) * 0.1, torch.tensor([6_000, 6_000])
    longer = nn.functional.pad(waves, (0, 5_000))
    own = torch.tensor([0, 1])
    torch.testing.assert_close(
        net(longer, samples, net.gate(longer, samples, own, 2)),
        net(waves, samples, net.gate(waves, samples, own, 2)),
        rtol=1e-4,
        atol=1e-5,
    )


def test_other_clips_are_of_the_same_speaker_and_not_the_clip_itself():
    part = sounds("train", speakers=3, clips=3)
    part = Part(
        part.clips, part.features, part.labels, (*part.speakers[:6], None, "alone", None),
        part.waves,
    )  # fmt: skip
    data = EnrolledData(part, targets=part.labels.astype(np.float32), crop=None, seed=0)
    rng, device = np.random.default_rng(0), torch.device("cpu")
    counts = set()
    for _ in range(30):
        batch = data.batch(np.array([7, 2, 6, 4]), device, rng)
        owner = batch.owner.tolist()
        assert set(owner) <= {1, 3}
        counts.add((owner.count(1), owner.count(3)))
    assert counts == {(a, b) for a in range(3) for b in range(3)}
    once, again = (data.batch(np.array([2, 0]), device) for _ in "ab")
    assert torch.equal(once.others, again.others)
    assert once.owner.tolist() == [0, 0, 1, 1]
    lengths = [len(part.waves[row]) for row in (0, 1)]
    assert sorted(once.other_samples[:2].tolist()) == sorted(lengths)


@pytest.fixture(scope="module")
def enrolled():
    torch.set_num_threads(1)
    model = enrolment.Enrolled(REGRESSION, 0, share=1 / 32)
    model.plan = lambda: QUICK
    return model.fit(sounds("train"), sounds("dev"))


def test_enrolment_needs_no_labels_and_leaves_the_network_alone(enrolled):
    test = sounds("test")
    before, plain = weights_of(enrolled.net), enrolled.predict(test)
    support = pick(test, 5, 6)
    adapted = enrolled.adapt(support).predict(test)
    enrolled.adapt(pick(test, 0, 1)).predict(test)
    blind = Part(support.clips, support.features, np.empty(0), support.speakers, support.waves)
    np.testing.assert_array_equal(enrolled.adapt(blind).predict(test), adapted)
    assert weights_of(enrolled.net) == before
    np.testing.assert_array_equal(enrolled.predict(test), plain)
    one = enrolled.adapt(pick(test, 5)).predict(test)
    assert (adapted != plain).any() and (one != adapted).any()
    assert plain.min() >= 0 and plain.max() <= 1


def test_the_gated_network_learns_sixteen_clips():
    part = sounds("train", speakers=4, clips=4)
    data = EnrolledData(part, targets=part.labels.astype(np.float32), crop=None, seed=0)
    batch = data.batch(np.arange(16), torch.device("cpu"))
    net = gated()
    adam = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for _ in range(60):
        gate = net.gate(batch.others, batch.other_samples, batch.owner, 16)
        loss = ccc_loss(net(batch.waves, batch.samples, gate), batch.targets)
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss < 0.1


def test_the_same_seed_gives_the_same_network():
    one, two = (enrolment.Enrolled(REGRESSION, 1, share=1 / 32) for _ in "ab")
    for model in (one, two):
        model.plan = lambda: QUICK
        model.fit(sounds("train"), sounds("dev"))
    assert weights_of(one.net) == weights_of(two.net)
