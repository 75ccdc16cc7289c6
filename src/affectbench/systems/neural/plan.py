"""How a network is trained: settings alone, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a network is trained, apart from the network and its loss."""

    epochs: int  # at most
    batch: int  # clips
    optimiser: Literal["adam", "adamw", "sgd"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.9  # of sgd
    # cosine: to 0 at the last epoch; plateau: times 0.9 after 5 epochs without a better dev value
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    clip_norm: float | None = None  # of the gradient over all weights
    patience: int | None = None  # epochs without a better dev value, then it stops
    latest: bool = False  # of equally good epochs the last is kept, not the first
    bucketed: bool = True  # batches of clips of about equal length, else of any
    crop: int | None = None  # samples heard of a longer clip in training, at random
    mixed: bool = True  # bfloat16 on a GPU that has it
