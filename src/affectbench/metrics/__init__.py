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
from affectbench.metrics.classification import UAR_TRUTH, UAR_UNION, uar
from affectbench.types import Metric, Table

METRICS: Final[Table[Metric]] = Table(
    "metric",
    CCC_POPULATION,
    CCC_SAMPLE,
    CCC_OFFICIAL,
    UAR_TRUTH,
    UAR_UNION,
)

__all__ = ["METRICS", "ccc", "ccc_per_column", "uar"]
