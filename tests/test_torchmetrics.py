"""Agreement with torchmetrics, which people who train with torch will put beside ours."""

import numpy as np
import pytest

from affectbench.metrics import (
    METRICS,
    accuracy,
    ccc,
    ccc_per_column,
    mae_per_column,
    pearson_per_column,
    spearman_per_column,
    uar,
)

torch = pytest.importorskip("torch")
theirs = pytest.importorskip("torchmetrics.functional")


def columns(n=200, outputs=3, seed=0):
    """Truth with ties and a prediction of it, [N, C]."""
    rng = np.random.default_rng(seed)
    truth = np.round(rng.random((n, outputs)), 1)
    return truth, 0.4 * truth + rng.random((n, outputs))


def given(*arrays):
    """In their order: prediction, truth."""
    return tuple(torch.from_numpy(array) for array in reversed(arrays))


@pytest.mark.parametrize(
    ("ours", "of_theirs"),
    [
        (lambda *a: ccc_per_column(*a, variant="sample"), theirs.concordance_corrcoef),
        (pearson_per_column, theirs.pearson_corrcoef),
        (spearman_per_column, theirs.spearman_corrcoef),
        (mae_per_column, lambda p, t: theirs.mean_absolute_error(p, t, num_outputs=3)),
    ],
)
def test_regression_agrees_with_torchmetrics(ours, of_theirs):
    truth, prediction = columns()
    expected = of_theirs(*given(truth, prediction)).numpy()
    assert ours(truth, prediction) == pytest.approx(expected, abs=1e-6)


def test_their_ccc_is_the_sample_one_and_ours_the_population_one():
    truth, prediction = (a[:, 0] for a in columns(n=5))
    expected = float(theirs.concordance_corrcoef(*given(truth, prediction)))
    assert ccc(truth, prediction, variant="sample") == pytest.approx(expected, abs=1e-6)
    assert abs(ccc(truth, prediction) - expected) > 1e-3


@pytest.mark.parametrize("classes", [4, 9])
def test_classification_agrees_with_torchmetrics(classes):
    """Of nine classes two occur nowhere and one only among the predictions."""
    rng = np.random.default_rng(classes)
    truth, prediction = rng.integers(min(classes, 6), size=100), rng.integers(4, size=100)
    prediction[:5] = min(classes, 7) - 1
    pair = given(truth, prediction)
    recall = theirs.classification.multiclass_recall(*pair, num_classes=classes, average=None)
    occurs = np.isin(np.arange(classes), truth)
    values = METRICS["uar.truth"].compute(truth, prediction, classes)
    assert values[occurs] == pytest.approx(recall.numpy()[occurs], abs=1e-6)
    assert np.isnan(values[~occurs]).all()
    macro = theirs.classification.multiclass_recall(*pair, num_classes=classes, average="macro")
    assert uar(truth, prediction, variant="union") == pytest.approx(float(macro), abs=1e-6)
    share = theirs.classification.multiclass_accuracy(*pair, num_classes=classes, average="micro")
    assert accuracy(truth, prediction) == pytest.approx(float(share), abs=1e-6)
