"""Recipes: the table ``SYSTEMS``. A row joins a feature set to a model; users bring their own."""

from __future__ import annotations

from typing import Final

from affectbench.features import FEATURES
from affectbench.systems import linear
from affectbench.systems.linear import LinearSVM, from_sklearn
from affectbench.systems.mlp import SETTINGS, FeatureMLP
from affectbench.types import FeatureSet, System, Table

MLP_SEEDS: Final = (101, 102, 103, 104, 105)  # the first five of the pool of A-VB, 101-110


def linear_svm(features: FeatureSet) -> System:
    """Standardise, linear SVM, C chosen on dev, refit on train and dev for the test predictions."""
    return System(
        name=f"{features.name}-svm",
        title=f"{features.title}, linear SVM",
        features=features,
        build=lambda task, seed, _mode: LinearSVM(task, seed),
        refit=True,
        settings=linear.SETTINGS,
        source="the usual ComParE baseline; C chosen on the task's metric",
    )


def feature_mlp(features: FeatureSet) -> System:
    """The network of the A-VB 2022 feature baseline."""
    return System(
        name=f"{features.name}-mlp",
        title=f"{features.title}, A-VB feature network",
        features=features,
        build=FeatureMLP,
        seeds=MLP_SEEDS,
        modes=("sound", "official"),
        extra="neural",
        settings=SETTINGS,
        source="A-VB 2022 baseline, arXiv:2207.03572; workshop paper, Table 7",
    )


SYSTEMS: Final[Table[System]] = Table(
    "system",
    *(linear_svm(features) for features in FEATURES.values()),
    *(feature_mlp(features) for features in FEATURES.values()),
)

__all__ = ["SYSTEMS", "feature_mlp", "from_sklearn", "linear_svm"]
