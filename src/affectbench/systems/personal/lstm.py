"""``fewshot-lstm``: the few-shot baseline of ExVo 2022, as it is and as it should be."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from affectbench.errors import BadData, listing
from affectbench.systems.mlp import check_none_blank
from affectbench.systems.neural.models import End2You, WaveModel
from affectbench.systems.neural.plan import Plan
from affectbench.systems.personal.tuning import SETTINGS as TUNING
from affectbench.systems.personal.tuning import Tunable, TunedModel
from affectbench.types import Floats, Part, Recipe, Task

if TYPE_CHECKING:
    from torch import nn

    from affectbench.systems.neural.batches import Data
    from affectbench.systems.neural.losses import Loss
    from affectbench.systems.personal.published import Visit, Walk

TUNABLE: Final[Tunable] = {"lstm and head": (("lstm.", "head."), (1e-3, 1e-2, 1e-1))}
OFFICIAL: Final = Plan(
    epochs=50,
    batch=8,
    optimiser="adamw",
    learning_rate=2e-4,
    weight_decay=1e-2,
    patience=30,
    bucketed=False,
    mixed=False,
)
DEFECTS: Final = (
    "What stands for a query is the output for the first support clip, from before the adaptation, "
    "at the last frame of the query; the output of the adapted network is thrown away.",
    "Weights and optimiser are never set back: each speaker, in sorted order, inherits what all "
    "before left behind.",
    "Only the last clip of each speaker is predicted. The others have no prediction here, and are "
    "counted as not scored.",
    "The network adapts in training mode: batch norm takes its statistics from the support clips "
    "and the query, and from the zeros beside them.",
    "Audio is divided by its peak in training and not in the test; in training the last part of a "
    "frame and all after 20 s are lost, in the test a frame of zeros follows.",
)
SETTINGS: Final[Mapping[str, Any]] = {
    "network": "emo18 on frames of 0.1 s, two LSTM layers of 256, the last frame",
    "sound": {
        "training": "as end2you in its sound mode",
        **TUNING,
        "rates": {name: list(rates) for name, (_, rates) in TUNABLE.items()},
    },
    "official": "AdamW, learning rate 2e-4 (the published command has 1e-3), decay 0.01, batch 8, "
    "50 epochs, 30 without a better one, squared error at the last frame; one AdamW step at 1e-4 "
    "of LSTM and head on the support clips of each speaker",
    "official_defects": list(DEFECTS),
}


class PublishedLSTM(WaveModel):
    """What the published few-shot code computes, ``DEFECTS`` and all. Regression only.

    Speakers are to come in sorted order, dev and test and each number of support clips for itself:
    a speaker who does not follow the one before, or another number of clips, begins anew from the
    trained network, which stays as it is. Clips that the published code never predicts get NaN.
    Without support clips, which it does not do, all are predicted by the trained network.

    Raises:
        BadData: the target has classes.

    Source: Baird et al. 2022, arXiv:2205.01780, ExVo FewShot.
    """

    def __init__(self, task: Task, seed: int) -> None:
        super().__init__(task, seed, "official")
        if task.target.kind == "classification":
            raise BadData(
                f"{task.name}: the published few-shot code predicts numbers, and "
                f"'{task.target.name}' has classes. Expected the mode 'sound'."
            )
        self._walk: Walk | None = None
        self._visit: Visit | None = None  # of an adapted model

    def network(self) -> nn.Module:
        """1.57 million weights, all drawn Kaiming-uniform, with zero biases."""
        from affectbench.systems.neural.emo18 import initialise
        from affectbench.systems.personal.published import PublishedEmo18

        return initialise(PublishedEmo18(self.task.target.outputs), "fewshot")

    def loss(self, train: Data) -> Loss:
        """The squared error."""
        del train
        from affectbench.systems.neural.losses import mse_loss

        return mse_loss

    def plan(self) -> Plan:
        """How it is trained."""
        return OFFICIAL

    def fit(self, train: Part, dev: Part) -> PublishedLSTM:
        """Train; from then on clips are heard as the published test hears them.

        Raises:
            BadData, AffectBenchError, MissingExtra: as ``WaveModel.fit``.
        """
        from affectbench.systems.personal.published import Walk

        super().fit(train, dev)
        self._walk = Walk(self.net)
        self._report["defects"] = list(DEFECTS)
        return self

    def adapt(self, support: Part) -> PublishedLSTM:
        """Another model, for the speaker of the support clips.

        Raises:
            BadData: there are no labels, or one is blank, which the published code cannot read.
        """
        assert self._walk is not None, "fit comes first"
        if not support.labels.size:
            raise BadData(
                f"The support clips {listing(support.clips)} have no labels. The published code "
                "learns from them: use the mode 'sound', or a system that needs none."
            )
        check_none_blank(support=support)
        own = copy.copy(self)
        own._visit = self._walk.visit(support)
        return own

    def predict(self, part: Part) -> Floats:
        """[N, C]: NaN for all but the last clip, once adapted."""
        return super().predict(part) if self._visit is None else self._visit.predict(part)


def fewshot_lstm(task: Task, seed: int, mode: str) -> TunedModel | PublishedLSTM:
    """Sound: ``end2you`` in its sound mode, tuned to each speaker. Official: as published."""
    if mode == "official":
        return PublishedLSTM(task, seed)
    return TunedModel(End2You(task, seed, mode), TUNABLE)


FEWSHOT_LSTM: Final = Recipe(
    name="fewshot-lstm",
    suffix="fewshot-lstm",
    title="emo18 and LSTM, tuned to the speaker",
    build=fewshot_lstm,
    modes=("sound", "official"),
    adapts=True,
    extra="neural",
    settings=SETTINGS,
    source="Baird et al. 2022, ExVo FewShot, arXiv:2205.01780; workshop paper, Table 6c",
)
