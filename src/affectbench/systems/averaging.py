"""Systems that have no model: the mean of what others predict. ``fusion`` computes it."""

from __future__ import annotations

from typing import Any, Final

from affectbench.errors import BadData
from affectbench.features.plain import PREDICTIONS
from affectbench.types import System, Task


def no_model(task: Task, seed: int, mode: str) -> Any:
    """A fusion is not fitted.

    Raises:
        BadData: always.
    """
    raise BadData(
        f"A fusion has no model to fit on {task.name} (seed {seed}, mode {mode}): "
        "protocols.run runs its members and averages what they predict."
    )


LATE_FUSION: Final = System(
    name="late-fusion",
    title="mean of the predictions of four SVRs",
    features=PREDICTIONS,
    build=no_model,
    modes=("sound", "official"),
    members=("audeep-svr", "compare-svr", "deepspectrum-svr", "w2v2-msp-svr"),
    settings={"rule": "unweighted mean of the raw predictions"},
    source="ComParE 2023 baseline, arXiv:2304.14882; workshop paper, Table 5",
)
