"""The shape of an erratum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

WORKSHOP: Final = "workshop paper (arXiv:2403.14048)"
EXVO_CODE: Final = "github.com/HumeAI/competitions, ExVo 2022"
AVB_CODE: Final = "github.com/HumeAI/competitions, A-VB 2022"
E2Y_CODE: Final = "github.com/end2you/end2you"
COMPARE_CODE: Final = "github.com/EIHW/ComParE2023, branch HP-C"
RUN: Final = (
    "a run of the unmodified official code, whose devel predictions are public in "
    "github.com/bagustris/ComParE2023"
)

AVB_REGRESSION: Final = ("avb-high", "avb-two", "avb-culture")
AVB: Final = (*AVB_REGRESSION, "avb-type")
EXVO: Final = ("exvo-multitask", "exvo-fewshot", "exvo-generate")


@dataclass(frozen=True, slots=True, kw_only=True)
class Erratum:
    """One thing that is wrong, lost or open, and what follows for a number."""

    name: str  # "table5-pearson"
    kind: Literal["paper", "code", "open"]  # open: cannot be known from what is published
    where: str  # "Table 5, caption"
    tasks: tuple[str, ...]  # empty: of a corpus without a task
    says: str  # what stands there
    holds: str  # what is so, and what this package does
    source: str  # how that is known
    arithmetic: Callable[[], str] | None = None  # the sum, worked out when it is asked for
