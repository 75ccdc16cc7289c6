"""Recipes: what joins any feature set to a model, as ``--features X --system NAME`` does."""

from __future__ import annotations

from typing import Final

from affectbench.rows import Table
from affectbench.systems import linear
from affectbench.systems.floors import MAJORITY, MEAN_LABEL
from affectbench.systems.linear import LinearSVM
from affectbench.systems.logistic import LOGREG
from affectbench.systems.mlp import SETTINGS, FeatureMLP
from affectbench.systems.multitask import MULTITASK
from affectbench.systems.neural.models import CNN10, CNN14, CNN14_SMALL, END2YOU
from affectbench.systems.personal import (
    FEWSHOT_ENROLMENT,
    FEWSHOT_ENROLMENT_SMALL,
    FEWSHOT_FINETUNE,
    FEWSHOT_FINETUNE_SMALL,
    FEWSHOT_LSTM,
    FEWSHOT_ZSCORE,
)
from affectbench.systems.svr import LINEAR_SVR
from affectbench.types import Recipe, Task

MLP_SEEDS: Final = (101, 102, 103, 104, 105)  # the first five of the pool of A-VB, 101-110


def _linear_svm(task: Task, seed: int, _mode: str) -> LinearSVM:
    return LinearSVM(task, seed)


LINEAR_SVM: Final = Recipe(
    name="linear-svm",
    suffix="svm",
    title="linear SVM",
    build=_linear_svm,
    refit=True,
    settings=linear.SETTINGS,
    source="the usual ComParE baseline; C chosen on the task's metric",
)
MLP: Final = Recipe(
    name="mlp",
    suffix="mlp",
    title="A-VB feature network",
    build=FeatureMLP,
    seeds=MLP_SEEDS,
    modes=("sound", "official"),
    extra="neural",
    settings=SETTINGS,
    source="A-VB 2022 baseline, arXiv:2207.03572; workshop paper, Table 7",
)

HEARING: Final = (END2YOU, CNN14, CNN10, CNN14_SMALL)  # networks that hear waves
PERSONAL: Final = (  # the same, of the personalise protocol
    FEWSHOT_LSTM,
    FEWSHOT_FINETUNE,
    FEWSHOT_FINETUNE_SMALL,
    FEWSHOT_ENROLMENT,
    FEWSHOT_ENROLMENT_SMALL,
)
RECIPES: Final[Table[Recipe]] = Table(
    "recipe",
    LINEAR_SVM,
    LINEAR_SVR,
    MLP,
    MULTITASK,
    LOGREG,
    FEWSHOT_ZSCORE,
    MEAN_LABEL,
    MAJORITY,
    *HEARING,
    *PERSONAL,
)
