"""``fewshot-enrolment``: clips of a speaker, without labels, gate the channels of a CNN14."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from affectbench.systems.neural.device import device
from affectbench.systems.neural.models import (
    CNN10_CHANNELS,
    CNN14_CHANNELS,
    CNN_SOUND,
    WaveModel,
    targets,
)
from affectbench.systems.neural.plan import Plan
from affectbench.types import Part, Recipe, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from affectbench.systems.neural.batches import Batch
    from affectbench.systems.personal.gate import EnrolledData


class Enrolled(WaveModel):
    """A CNN14 that also hears other clips of the speaker, through a CNN10; labels are not needed.

    In training each clip stands beside none, one or two random others of its speaker, so that one
    network serves every number of support clips. On dev, where the epoch is chosen, each clip
    stands beside two that were drawn once. A clip of an unknown speaker, or of one who has no
    other, is heard alone.

    Args:
        task: names target and metric. Regression ends in a sigmoid over the range of the labels.
        seed: of all chance.
        share: of the published channels.

    Source: Triantafyllopoulos et al. 2022, arXiv:2206.06680.
    """

    def __init__(self, task: Task, seed: int, *, share: float = 1.0) -> None:
        super().__init__(task, seed)
        self.share = share
        self._gate: Tensor | None = None  # [1, M], of an adapted model

    def network(self) -> nn.Module:
        """Both networks at their initial weights."""
        from affectbench.systems.personal.gate import GatedCNN

        target = self.task.target
        bounds = (target.low, target.high) if target.kind == "regression" else None
        main, enrolling = (
            [max(1, round(self.share * count)) for count in channels]
            for channels in (CNN14_CHANNELS, CNN10_CHANNELS)
        )
        return GatedCNN(target.outputs, main, enrolling, bounds=bounds)

    def plan(self) -> Plan:
        """How it is trained: as cnn14-ccc."""
        return CNN_SOUND

    def data(self, part: Part) -> EnrolledData:
        """The clips of a part beside others of their speakers."""
        from affectbench.systems.personal.gate import EnrolledData

        return EnrolledData(
            part, targets=targets(self.task, part), crop=self.plan().crop, seed=self.seed
        )

    def through(self, net: nn.Module, batch: Batch) -> Tensor:
        """[n, C]: with the gate of an adapted model, or of the other clips in the batch."""
        from affectbench.systems.personal.gate import EnrolledBatch, GatedCNN

        gate = self._gate
        if isinstance(batch, EnrolledBatch):
            assert isinstance(net, GatedCNN)
            gate = net.gate(batch.others, batch.other_samples, batch.owner, len(batch.rows))
        output: Tensor = net(batch.waves, batch.samples, gate)
        return output

    def adapt(self, support: Part) -> Enrolled:
        """Another model, gated by the support clips; labels are not looked at.

        Raises:
            BadData: no waves.
        """
        import torch

        from affectbench.systems.neural.batches import Data
        from affectbench.systems.personal.gate import GatedCNN

        where = device()
        clips = len(support.clips)
        batch = Data(support).batch(np.arange(clips), where)
        net = self.net.to(where).eval()
        assert isinstance(net, GatedCNN)
        with torch.no_grad():
            owner = torch.zeros(clips, dtype=torch.long, device=where)
            gate = net.gate(batch.waves, batch.samples, owner, 1)
        own = copy.copy(self)
        own._gate = gate
        return own


def fewshot_enrolment(task: Task, seed: int, _mode: str) -> Enrolled:
    """CNN14 and CNN10 at their published widths."""
    return Enrolled(task, seed)


def fewshot_enrolment_small(task: Task, seed: int, _mode: str) -> Enrolled:
    """CNN14 and CNN10 at a quarter of their widths."""
    return Enrolled(task, seed, share=1 / 4)


SETTINGS: Final[Mapping[str, Any]] = {
    "clip": "CNN14, embedding normalised by layer: m",
    "support": "CNN10 on unlabelled clips, embeddings averaged, linear, ReLU, softmax times M: g",
    "joined": "m + norm(g m), then dropout and a linear head; g is 1 without support",
    "training": "as cnn14-ccc; beside each clip none, one or two random others of its speaker",
    "published": "SGD at 1e-3, momentum .9, batch 8, 60 epochs, always two others; softmax not "
    "scaled; no run without support",
}
FEWSHOT_ENROLMENT: Final = Recipe(
    name="fewshot-enrolment",
    suffix="fewshot-enrolment",
    title="CNN14, gated by clips of the speaker",
    build=fewshot_enrolment,
    adapts=True,
    extra="neural",
    settings=SETTINGS,
    source="Triantafyllopoulos et al. 2022, arXiv:2206.06680",
)
FEWSHOT_ENROLMENT_SMALL: Final = Recipe(
    name="fewshot-enrolment-small",
    suffix="fewshot-enrolment-small",
    title="CNN14 at a quarter of its width, gated by clips of the speaker",
    build=fewshot_enrolment_small,
    adapts=True,
    extra="neural",
    settings={**SETTINGS, "width": "1/4"},
    source="Triantafyllopoulos et al. 2022, arXiv:2206.06680",
)
