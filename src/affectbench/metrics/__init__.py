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
    published_bounds,
    spearman,
    spearman_per_column,
)
from affectbench.metrics.error import MAE, mae, mae_per_column
from affectbench.metrics.frechet import (
    Moments,
    frechet,
    frechet_extrapolated,
    kernel_distance,
    moments,
)
from affectbench.metrics.listening import (
    S_GEN_MEAN,
    S_GEN_PUBLISHED,
    heep,
    s_gen,
    s_gen_per_emotion,
    target_matrix,
)
from affectbench.rows import Table
from affectbench.types import Metric

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
    S_GEN_MEAN,
    S_GEN_PUBLISHED,
)

__all__ = [
    "METRICS",
    "Moments",
    "accuracy",
    "ccc",
    "ccc_per_column",
    "frechet",
    "frechet_extrapolated",
    "heep",
    "kernel_distance",
    "mae",
    "mae_per_column",
    "mean_spearman",
    "moments",
    "pearson",
    "pearson_per_column",
    "published_bounds",
    "s_gen",
    "s_gen_per_emotion",
    "s_mtl",
    "spearman",
    "spearman_per_column",
    "target_matrix",
    "uar",
]
