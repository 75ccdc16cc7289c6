"""Metrics: a value per output, the same for many bootstrap draws at once, and how to combine."""

from __future__ import annotations

from typing import Final

from affectbench.metrics.agreement import (
    CCC_OFFICIAL,
    CCC_POPULATION,
    CCC_SAMPLE,
    ccc,
    ccc_per_column,
)
from affectbench.metrics.classification import ACCURACY, UAR_TRUTH, UAR_UNION, accuracy, uar
from affectbench.metrics.composite import S_MTL_OFFICIAL, S_MTL_SOUND, s_mtl
from affectbench.metrics.correlation import (
    PEARSON,
    SPEARMAN,
    SPEARMAN_OFFICIAL,
    mean_spearman,
    pearson,
    pearson_per_column,
    spearman,
    spearman_per_column,
)
from affectbench.metrics.error import MAE, mae, mae_per_column
from affectbench.types import Metric, Table

METRICS: Final[Table[Metric]] = Table(
    "metric",
    CCC_POPULATION,
    CCC_SAMPLE,
    CCC_OFFICIAL,
    SPEARMAN,
    SPEARMAN_OFFICIAL,
    PEARSON,
    MAE,
    UAR_TRUTH,
    UAR_UNION,
    ACCURACY,
    S_MTL_SOUND,
    S_MTL_OFFICIAL,
)

__all__ = [
    "METRICS",
    "accuracy",
    "ccc",
    "ccc_per_column",
    "mae",
    "mae_per_column",
    "mean_spearman",
    "pearson",
    "pearson_per_column",
    "s_mtl",
    "spearman",
    "spearman_per_column",
    "uar",
]
