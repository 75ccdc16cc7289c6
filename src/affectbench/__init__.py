"""Benchmarks for emotion in the voice: corpora, tasks, systems, honest intervals.

Every public name is imported when it is first used, so that ``import affectbench`` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from affectbench.comparison import compare_paths
    from affectbench.corpora import CORPORA
    from affectbench.errors import AffectBenchError
    from affectbench.features import FEATURES
    from affectbench.intervals import bootstrap
    from affectbench.metrics import (
        METRICS,
        accuracy,
        ccc,
        frechet,
        heep,
        mae,
        pearson,
        s_gen,
        s_mtl,
        spearman,
        uar,
    )
    from affectbench.protocols import run
    from affectbench.scoring import Result, Scoring, score_file, score_system
    from affectbench.systems import SYSTEMS, from_sklearn
    from affectbench.tasks import TASKS
    from affectbench.truth import read_truth
    from affectbench.types import Corpus, FeatureSet, Metric, Score, Split, System, Target, Task

HOMES = {
    "CORPORA": "corpora",
    "FEATURES": "features",
    "METRICS": "metrics",
    "SYSTEMS": "systems",
    "TASKS": "tasks",
    "AffectBenchError": "errors",
    "Corpus": "types",
    "FeatureSet": "types",
    "Metric": "types",
    "Result": "scoring",
    "Score": "types",
    "Scoring": "scoring",
    "Split": "types",
    "System": "types",
    "Target": "types",
    "Task": "types",
    "accuracy": "metrics",
    "bootstrap": "intervals",
    "ccc": "metrics",
    "compare_paths": "comparison",
    "frechet": "metrics",
    "from_sklearn": "systems",
    "heep": "metrics",
    "mae": "metrics",
    "pearson": "metrics",
    "read_truth": "truth",
    "run": "protocols",
    "s_gen": "metrics",
    "s_mtl": "metrics",
    "score_file": "scoring",
    "score_system": "scoring",
    "spearman": "metrics",
    "uar": "metrics",
}

__all__ = [
    "CORPORA",
    "FEATURES",
    "METRICS",
    "SYSTEMS",
    "TASKS",
    "AffectBenchError",
    "Corpus",
    "FeatureSet",
    "Metric",
    "Result",
    "Score",
    "Scoring",
    "Split",
    "System",
    "Target",
    "Task",
    "accuracy",
    "bootstrap",
    "ccc",
    "compare_paths",
    "frechet",
    "from_sklearn",
    "heep",
    "mae",
    "pearson",
    "read_truth",
    "run",
    "s_gen",
    "s_mtl",
    "score_file",
    "score_system",
    "spearman",
    "uar",
]


def __getattr__(name: str) -> Any:
    """The public name, imported from its home."""
    if name not in HOMES:
        raise AttributeError(f"module 'affectbench' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"affectbench.{HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return __all__
