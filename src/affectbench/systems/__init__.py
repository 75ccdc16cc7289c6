"""The table ``SYSTEMS``: recipes on feature sets. Users bring either of their own."""

from __future__ import annotations

from typing import Final

from affectbench.features import AUDEEP, COMPARE, DEEPSPECTRUM, EGEMAPS, W2V2_HUBERT, WAVES
from affectbench.features.embeddings import EMBEDDINGS
from affectbench.rows import Table
from affectbench.systems.averaging import LATE_FUSION
from affectbench.systems.floors import DURATION_ONLY, FLOORS, TEXT_ONLY
from affectbench.systems.linear import from_sklearn
from affectbench.systems.logistic import LOGREG
from affectbench.systems.multitask import MULTITASK
from affectbench.systems.personal import FEWSHOT_ZSCORE
from affectbench.systems.recipes import HEARING, LINEAR_SVM, MLP, PERSONAL, RECIPES
from affectbench.systems.svr import LINEAR_SVR
from affectbench.types import Recipe, System

SYSTEMS: Final[Table[System]] = Table(
    "system",
    *(LINEAR_SVM.on(features) for features in (EGEMAPS, COMPARE)),
    LINEAR_SVR.on(EMBEDDINGS["w2v2-msp-dim"], name="w2v2-msp-svr"),
    *(LINEAR_SVR.on(features) for features in (COMPARE, DEEPSPECTRUM, AUDEEP)),
    LATE_FUSION,
    *(MLP.on(features) for features in (EGEMAPS, COMPARE)),
    *(MULTITASK.on(features) for features in (EGEMAPS, COMPARE, DEEPSPECTRUM)),
    LOGREG.on(EMBEDDINGS["w2v2-base-960h"], name="w2v2-logreg"),
    LOGREG.on(EMBEDDINGS["hubert-base-ls960"], name="hubert-logreg"),
    LOGREG.on(W2V2_HUBERT, name="early-fusion"),
    *FLOORS,
    DURATION_ONLY,
    TEXT_ONLY,
    *(recipe.on(WAVES, name=recipe.name, title=recipe.title) for recipe in HEARING),
    FEWSHOT_ZSCORE.on(EGEMAPS, name=FEWSHOT_ZSCORE.name),
    *(recipe.on(WAVES, name=recipe.name, title=recipe.title) for recipe in PERSONAL),
)


def ours(system: System) -> bool:
    """Whether its code is this package's, so that a stored result of it may be served again."""
    known: list[Recipe | System] = [*RECIPES.values(), *SYSTEMS.values()]
    return any(system.build is row.build for row in known)


__all__ = ["RECIPES", "SYSTEMS", "from_sklearn", "ours"]
