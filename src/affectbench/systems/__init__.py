"""The table ``SYSTEMS``: recipes on feature sets. Users bring either of their own."""

from __future__ import annotations

from typing import Final

from affectbench.features import COMPARE, EGEMAPS
from affectbench.rows import Table
from affectbench.systems.linear import from_sklearn
from affectbench.systems.recipes import LINEAR_SVM, MLP, RECIPES
from affectbench.types import Recipe, System

SYSTEMS: Final[Table[System]] = Table(
    "system",
    *(LINEAR_SVM.on(features) for features in (EGEMAPS, COMPARE)),
    *(MLP.on(features) for features in (EGEMAPS, COMPARE)),
)


def ours(system: System) -> bool:
    """Whether its code is this package's, so that a stored result of it may be served again."""
    known: list[Recipe | System] = [*RECIPES.values(), *SYSTEMS.values()]
    return any(system.build is row.build for row in known)


__all__ = ["RECIPES", "SYSTEMS", "from_sklearn", "ours"]
