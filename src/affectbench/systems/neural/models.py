"""Systems that hear waves: End2You as published and as it should be, CNN14 and CNN10 with CCC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from affectbench.device import device, import_torch
from affectbench.systems.mlp import check_none_blank
from affectbench.systems.neural.plan import Plan
from affectbench.systems.training import check_part
from affectbench.types import Floats, Part, Progress, Recipe, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from affectbench.systems.neural.batches import Batch, Data
    from affectbench.systems.neural.losses import Loss


E2Y_OFFICIAL: Final = Plan(
    epochs=30,
    batch=8,
    optimiser="adam",
    learning_rate=1e-4,
    latest=True,
    bucketed=False,
    mixed=False,
)
E2Y_SOUND: Final = Plan(
    epochs=30,
    batch=16,
    optimiser="adam",
    learning_rate=5e-4,
    schedule="cosine",
    clip_norm=1.0,
    patience=10,
)
CNN_SOUND: Final = Plan(
    epochs=60,
    batch=16,
    optimiser="adamw",
    learning_rate=5e-4,
    weight_decay=1e-2,
    schedule="cosine",
    clip_norm=1.0,
    patience=15,
    crop=39_840,  # 250 frames of 0.01 s
)
CNN_SMALL: Final = replace(CNN_SOUND, epochs=30, patience=10)
CNN14_CHANNELS: Final = (64, 128, 256, 512, 1024, 2048)
CNN10_CHANNELS: Final = (64, 128, 256, 512)
CNN14_SMALL_CHANNELS: Final = tuple(count // 4 for count in CNN14_CHANNELS)
CNN_SETTINGS: Final[Mapping[str, Any]] = {
    "input": "log-mel of 64 bands, 50 to 8,000 Hz, every 0.01 s",
    "augmentation": "SpecAugment; crops of 2.5 s",
    "loss": "CCC, or cross-entropy with balanced classes and labels smoothed by 0.1",
}


E2Y_DEFECTS: Final = (
    "The last whole frame of 0.1 s of each clip is lost, and what follows it.",
    "Padding counts in the statistics of batch norm in training.",
    "A clip of less than 0.2 s stops the published code; here it is heard as one frame.",
    "The published code has no seed; here there is one, so that a run can be repeated.",
)


class WaveModel:
    """A network, a loss and a plan: what every system that hears waves is made of.

    A child says which: ``network``, ``loss`` and ``plan``. After ``fit``, ``net`` is the trained
    network, on ``device()``.

    Args:
        task: names target and metric.
        seed: of the weights, then of batches, crops and dropout.
        mode: ``sound`` or ``official``.
    """

    def __init__(self, task: Task, seed: int, mode: str = "sound") -> None:
        if mode not in {"sound", "official"}:
            raise ValueError(f"mode is 'sound' or 'official', not {mode!r}")
        self.task = task
        self.seed = seed
        self.official = mode == "official"
        self.net: nn.Module
        self._work: Path | None = None
        self._progress: Progress | None = None
        self._report: dict[str, Any] = {"mode": mode, "seed": seed}

    def attend(self, folder: Path, progress: Progress | None) -> None:
        """Keep a checkpoint in the folder, go on from one that lies there, and tell of epochs."""
        self._work = folder
        self._progress = progress

    def network(self) -> nn.Module:
        """The untrained network; its weights are drawn from torch's global generator."""
        raise NotImplementedError

    def loss(self, train: Data) -> Loss:
        """What is minimised: by default what leads to the task's metric."""
        from affectbench.systems.neural.losses import loss_for

        return loss_for(self.task, train.targets)

    def plan(self) -> Plan:
        """How it is trained."""
        raise NotImplementedError

    def data(self, part: Part) -> Data:
        """A part with labels, to be heard in batches."""
        from affectbench.systems.neural.batches import Data

        return Data(part, targets=targets(self.task, part), crop=self.plan().crop)

    def through(self, net: nn.Module, batch: Batch) -> Tensor:
        """[n, C]: what the network says of a batch."""
        output: Tensor = net(batch.waves, batch.samples)
        return output

    def fit(self, train: Part, dev: Part) -> WaveModel:
        """Train, with dev to choose the epoch on.

        Raises:
            BadData: no waves, a part without labels, labels that cannot be used, a metric that is
                undefined after every epoch, or a checkpoint of another run.
            AffectBenchError: the loss is not a finite number, or the GPU failed.
            MissingExtra: torch is not installed.
        """
        torch = import_torch()
        from affectbench.systems.neural.loop import Training, precision, seeded

        check_part(self.task, "train", train)
        check_part(self.task, "dev", dev)
        if self.official:
            check_none_blank(train=train, dev=dev)
        where, plan = device(), self.plan()
        heard = [self.data(part) for part in (train, dev)]
        with seeded(self.seed, where):
            net = self.network()
        loss = self.loss(heard[0])
        self._report |= {
            "parameters": sum(weight.numel() for weight in net.parameters()),
            "loss": getattr(loss, "__name__", type(loss).__name__),
            "plan": asdict(plan),
            "device": where.type,
            "precision": precision(where, plan.mixed),
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads(),
        }
        training = Training(
            net,
            plan,
            loss,
            task=self.task,
            train=heard[0],
            dev=heard[1],
            seed=self.seed,
            through=self.through,
        )
        self._report |= training.run(self._work, self._progress)
        self.net = net
        return self

    def predict(self, part: Part) -> Floats:
        """[N, C]: values of the columns, or one logit a class, of whole clips.

        Raises:
            BadData: no waves.
            AffectBenchError: the GPU failed.
        """
        from affectbench.systems.neural.batches import Data, predict
        from affectbench.systems.neural.loop import gpu_trouble

        where = device()
        with gpu_trouble():
            return predict(self.net.to(where), Data(part), where, through=self.through)

    def report(self) -> dict[str, Any]:
        """Epochs, the one kept, why it stopped, and loss and metric after each epoch."""
        return self._report


def targets(task: Task, part: Part) -> Any:
    """Labels as a loss takes them: [N] class indices, or [N, C] float32 with NaN where blank."""
    return part.labels.astype(np.int64 if task.target.kind == "classification" else np.float32)


class End2You(WaveModel):
    """The end-to-end baseline of A-VB 2022: a CNN on frames of 0.1 s, two LSTM layers.

    Modes:
        sound: every frame of a clip, the last one padded with zeros; the CCC loss, or weighted and
            smoothed cross-entropy; batches of clips of about equal length; stops early.
        official: what the published code computes. The last whole frame of a clip is lost, and
            what follows it; padding goes through the CNN and counts in the statistics of a batch;
            the mean squared error, or cross-entropy over C; batches of 8 in any order; 30 epochs,
            of which the best on dev is kept, the last of equals. A clip of less than 0.2 s, which
            stops the published code, is heard as one frame. There is no seed in the published
            code; here there is one, so that a run can be repeated.

    Both keep the best epoch on dev, and have no activation at the end.

    Source: Tzirakis, Zhang & Schuller 2018, doi:10.1109/ICASSP.2018.8462677; Baird et al. 2022,
    arXiv:2207.03572.
    """

    def __init__(self, task: Task, seed: int, mode: str = "sound") -> None:
        super().__init__(task, seed, mode)
        if self.official:
            self._report["defects"] = list(E2Y_DEFECTS)

    def network(self) -> nn.Module:
        """1.56 million weights, drawn as End2You draws them."""
        from affectbench.systems.neural.emo18 import (
            Emo18,
            end2you_frames,
            initialise,
            whole_frames,
        )

        frames = end2you_frames if self.official else whole_frames
        outputs = self.task.target.outputs
        return initialise(Emo18(outputs, frames=frames, packed=not self.official), "end2you")

    def loss(self, train: Data) -> Loss:
        """See the modes."""
        from affectbench.systems.neural.losses import end2you_cross_entropy, mse_loss

        if not self.official:
            return super().loss(train)
        single = self.task.target.kind == "classification"
        return end2you_cross_entropy if single else mse_loss

    def plan(self) -> Plan:
        """See the modes."""
        return E2Y_OFFICIAL if self.official else E2Y_SOUND


class SpectrogramModel(WaveModel):
    """A CNN on log-mel spectrograms: random crops and SpecAugment in training, then whole clips.

    Args:
        task: names target and metric. Regression ends in a sigmoid over the range of the labels.
        seed: of the weights, then of batches, crops, masks and dropout.
        channels: of each block.
        dropout: factor on the published shares.
        plan: how it is trained.

    Source: Kong et al. 2020, doi:10.1109/TASLP.2020.3030497; Triantafyllopoulos et al. 2022,
    arXiv:2206.06680.
    """

    def __init__(
        self,
        task: Task,
        seed: int,
        channels: tuple[int, ...],
        *,
        dropout: float = 1.0,
        plan: Plan = CNN_SOUND,
    ) -> None:
        super().__init__(task, seed)
        self.channels = channels
        self.dropout = dropout
        self._plan = plan

    def network(self) -> nn.Module:
        """The network at its initial weights."""
        from affectbench.systems.neural.cnn import SpectrogramCNN

        target = self.task.target
        bounds = (target.low, target.high) if target.kind == "regression" else None
        return SpectrogramCNN(target.outputs, self.channels, bounds=bounds, dropout=self.dropout)

    def plan(self) -> Plan:
        """How it is trained."""
        return self._plan


def cnn14(task: Task, seed: int, _mode: str) -> SpectrogramModel:
    """CNN14 at its published width."""
    return SpectrogramModel(task, seed, CNN14_CHANNELS)


def cnn10(task: Task, seed: int, _mode: str) -> SpectrogramModel:
    """CNN10 at its published width."""
    return SpectrogramModel(task, seed, CNN10_CHANNELS)


def cnn14_small(task: Task, seed: int, _mode: str) -> SpectrogramModel:
    """CNN14 at a quarter of its width, without dropout, for half the epochs: for a CPU."""
    return SpectrogramModel(task, seed, CNN14_SMALL_CHANNELS, dropout=0.0, plan=CNN_SMALL)


END2YOU: Final = Recipe(
    name="end2you",
    suffix="end2you",
    title="End2You",
    build=End2You,
    modes=("sound", "official"),
    extra="neural",
    settings={
        "network": "emo18 on frames of 0.1 s, 2 LSTM layers of 256, the last frame",
        "official": asdict(E2Y_OFFICIAL),
        "sound": asdict(E2Y_SOUND),
    },
    source="A-VB 2022 baseline, arXiv:2207.03572; workshop paper, Table 7",
)
CNN14: Final = Recipe(
    name="cnn14-ccc",
    suffix="cnn14",
    title="CNN14 with CCC loss",
    build=cnn14,
    extra="neural",
    settings={"channels": CNN14_CHANNELS, **CNN_SETTINGS, **asdict(CNN_SOUND)},
    source="PANNs, doi:10.1109/TASLP.2020.3030497; from scratch as in arXiv:2206.06680",
)
CNN10: Final = Recipe(
    name="cnn10-ccc",
    suffix="cnn10",
    title="CNN10 with CCC loss",
    build=cnn10,
    extra="neural",
    settings={"channels": CNN10_CHANNELS, **CNN_SETTINGS, **asdict(CNN_SOUND)},
    source="PANNs, doi:10.1109/TASLP.2020.3030497; from scratch as in arXiv:2206.06680",
)
CNN14_SMALL: Final = Recipe(
    name="cnn14-small-ccc",
    suffix="cnn14-small",
    title="CNN14 at a quarter of its width with CCC loss",
    build=cnn14_small,
    extra="neural",
    settings={
        "channels": CNN14_SMALL_CHANNELS,
        "dropout": "none",
        **CNN_SETTINGS,
        **asdict(CNN_SMALL),
    },
    source="PANNs, doi:10.1109/TASLP.2020.3030497; the width is ours, for a CPU",
)
