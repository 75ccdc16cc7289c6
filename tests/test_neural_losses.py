"""Losses: the right value, blanks left out, and a gradient that is always a number."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from affectbench.metrics import METRICS  # noqa: E402
from affectbench.systems.neural import losses  # noqa: E402
from affectbench.tasks import TASKS  # noqa: E402


def gradient(loss, prediction, truth):
    """The loss, and its gradient by the prediction."""
    prediction = torch.as_tensor(prediction, dtype=torch.float32).requires_grad_()
    value = loss(prediction, torch.as_tensor(truth))
    value.backward()
    return float(value.detach()), prediction.grad


@pytest.mark.parametrize(
    ("truth", "prediction", "ccc"),
    [
        ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4], 1),
        ([0, 1], [0, 1], 1),  # however small the batch
        ([0, 1, 2, 3, 4], [1, 2, 3, 4, 5], 0.8),
        ([0, 1, 2, 3], [3, 2, 1, 0], -1),
        ([0, 1, 2, 3, 4], [0, 0.5, 1, 1.5, 2], 4 / 7),
        ([0.1, 0.4, 0.35, 0.8], [0.2, 0.3, 0.5, 0.6], 0.76595745),
    ],
)
def test_ccc_loss_is_of_a_population(truth, prediction, ccc):
    value, _ = gradient(losses.ccc_loss, np.c_[prediction], np.c_[truth].astype(np.float32))
    assert value == pytest.approx(1 - ccc, abs=1e-5)


def test_ccc_loss_agrees_with_the_metric_with_blanks():
    rng = np.random.default_rng(0)
    truth = rng.uniform(size=(50, 4))
    prediction = (0.5 * truth + 0.3 * rng.uniform(size=(50, 4))).astype(np.float32)
    truth[rng.uniform(size=truth.shape) < 0.3] = np.nan
    value, _ = gradient(losses.ccc_loss, prediction, truth.astype(np.float32))
    assert value == pytest.approx(
        1 - np.mean(METRICS["ccc.population"].compute(truth, prediction, 4)), abs=1e-5
    )


@pytest.mark.parametrize("guess", [0.3, 0.7])
def test_a_constant_truth_has_loss_one(guess):
    truth = np.full((6, 1), 0.3, np.float32)
    value, slope = gradient(losses.ccc_loss, np.full((6, 1), guess), truth)
    assert value == pytest.approx(1)
    assert torch.isfinite(slope).all()
    if guess == 0.3:
        assert not slope.any()
    value, slope = gradient(losses.ccc_loss, np.linspace(0, 1, 6)[:, None], truth)
    assert value == pytest.approx(1)
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("loss", [losses.ccc_loss, losses.mse_loss])
def test_blanks_add_nothing_to_a_loss_or_its_gradient(loss):
    truth = np.array([[0.1, np.nan], [0.5, np.nan], [np.nan, np.nan], [0.9, np.nan]], np.float32)
    prediction = np.array([[0.2, 5.0], [0.4, 6.0], [99.0, 7.0], [0.7, 8.0]], np.float32)
    value, slope = gradient(loss, prediction, truth)
    known = [0, 1, 3]
    alone, its_slope = gradient(loss, prediction[known, :1], truth[known, :1])
    assert value == pytest.approx(alone, abs=1e-6)
    assert torch.allclose(slope[known, :1], its_slope, atol=1e-6)
    assert not slope[2].any() and not slope[:, 1].any()
    nothing, slope = gradient(loss, prediction, np.full_like(truth, np.nan))
    assert nothing == 0 and not slope.any()


def test_mse_is_a_mean_over_columns():
    truth, prediction = np.zeros((2, 2), np.float32), np.array([[1, 2], [3, 4]], np.float32)
    assert gradient(losses.mse_loss, prediction, truth)[0] == pytest.approx((5 + 10) / 2)


def test_rare_classes_weigh_as_much_as_frequent_ones():
    classes = torch.tensor([0] * 6 + [1] * 3 + [2])  # one example of class 2, none of class 3
    loss = losses.WeightedCrossEntropy(classes, 4, smoothing=0.0)
    assert loss.weight.tolist() == pytest.approx([10 / 24, 10 / 12, 10 / 4, 0])
    logits = torch.zeros(10, 4, requires_grad=True)
    value = loss(logits, classes)
    value.backward()
    assert float(value.detach()) == pytest.approx(np.log(4))
    assert logits.grad[:6, 0].sum() == pytest.approx(float(logits.grad[9, 2]), abs=1e-6)
    assert torch.isfinite(losses.WeightedCrossEntropy(classes, 4)(logits, classes))


def test_labels_are_smoothed():
    classes = torch.tensor([0, 1])
    sure = torch.tensor([[50.0, -50.0], [-50.0, 50.0]])
    assert losses.WeightedCrossEntropy(classes, 2)(sure, classes) == pytest.approx(5.0, abs=1e-4)
    assert losses.end2you_cross_entropy(torch.zeros(2, 8), classes) == pytest.approx(np.log(8) / 8)


def test_the_loss_follows_the_metric():
    classes = torch.arange(8)
    assert isinstance(losses.loss_for(TASKS["avb-type"], classes), losses.WeightedCrossEntropy)
    emotions, country, age = TASKS["exvo-multitask"].single()
    assert losses.loss_for(emotions, classes) is losses.ccc_loss
    assert isinstance(losses.loss_for(country, classes), losses.WeightedCrossEntropy)
    assert losses.loss_for(age, classes) is losses.mse_loss
    assert losses.loss_for(TASKS["emotion-share"], classes) is losses.ccc_loss
