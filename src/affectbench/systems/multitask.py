"""The ExVo 2022 multitask network: one trunk, a head a target, weights of the losses learnt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.device import import_torch, one_thread
from affectbench.errors import BadData
from affectbench.systems.mlp import (
    BATCH,
    INIT_OFFSET,
    LEARNING_RATE,
    PATIENCE,
    ROWS,
    WEIGHT_DECAY,
    EarlyStop,
    check_loss,
    check_none_blank,
    head,
    masked_loss,
    trunk,
)
from affectbench.systems.multitask_step import Head, Trainer
from affectbench.systems.training import (
    check_features,
    check_labels,
    merit,
    scaled,
    standardised,
)
from affectbench.types import Floats, Part, Recipe, Target, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

EPOCHS: Final = 20
DELTA: Final = 0.1  # official: how much lower the dev loss must be to count
LOG_VARIANCE: Final = -0.33  # of each loss, at the start
SEEDS: Final = (101, 102, 103, 104, 105, 106)  # the pool that the organisers drew from

SETTINGS: Final[Mapping[str, Any]] = {
    "network": "D-128-LN-64-LN, then 32-C_t a target; LeakyReLU 0.01; sigmoid for labels of 0..1",
    "loss": "sum over targets of L exp(-s) / 2 + s / 2; L the sum over columns of MSE, or "
    f"cross-entropy; s learnt, {LOG_VARIANCE} at the start",
    "optimiser": "Adam",
    "learning_rate": LEARNING_RATE,
    "weight_decay": WEIGHT_DECAY,
    "batch": BATCH,
    "epochs": EPOCHS,
    "patience": PATIENCE,
    "official": f"last epoch kept; stop on dev loss, delta {DELTA}; seed {INIT_OFFSET} + s, then s",
    "sound": "best dev epoch restored; stop on the task's metric; labels beyond 0..1 standardised; "
    "blanks masked",
}


class MultitaskMLP:
    """D - 128 - LayerNorm - 64 - LayerNorm, then 32 - C_t for each target, all trained as one.

    The loss is sum_t(L_t exp(-s_t) / 2 + s_t / 2) with s learnt beside the weights: L_t is the sum
    over columns of the MSE, or the cross-entropy. A head ends in a sigmoid where the labels lie in
    0..1, and is linear otherwise (age). A joint model: ``Part.labels`` is a tuple, one array a
    target in the order of ``task.targets``, and so is what it predicts.

    Modes:
        sound: seeded before the weights are drawn; labels of a linear head are standardised on
            train and predicted in their own unit; after each epoch the task's own metric on dev,
            of which the best epoch (the first of equals) is restored; stops after 5 epochs without
            a better one; blank labels are masked.
        official: what the published code computes. Age in years, whose MSE of some hundreds rules
            the trunk until s has grown; the last epoch is kept; stops on the dev loss
            (``EarlyStop`` with a delta of 0.1); the seed fixes the order of the batches alone.
            Upstream the initial weights are not seeded at all; here they are drawn with seed
            10,000 + ``seed``, so that a run can be repeated. What upstream computes twice, or to
            no effect, is left out: a second forward pass a batch, and an N x N matrix an epoch.

    Trained on the CPU with one thread, by ``multitask_step``: the same seed gives the same bytes
    on processors of one kind, and nearly the same on others.

    Args:
        task: names targets and metric; one target is enough.
        seed: of the batch order, and of the weights as said above.
        mode: ``sound`` or ``official``.

    Source: Baird et al. 2022, ExVo, arXiv:2205.01780. The loss follows Kendall et al. 2018,
    arXiv:1705.07115, but for the 1/2 of the cross-entropy.
    """

    def __init__(self, task: Task, seed: int, mode: str = "sound") -> None:
        if mode not in {"sound", "official"}:
            raise ValueError(f"mode is 'sound' or 'official', not {mode!r}")
        self.task = task
        self.seed = seed
        self.official = mode == "official"
        self.heads = tuple(head_of(target) for target in task.targets)
        self._report: dict[str, Any] = {"mode": mode, "seed": seed}

    def fit(self, train: Part, dev: Part) -> MultitaskMLP:
        """Train, with dev to stop on and, in sound mode, to choose the epoch.

        Raises:
            BadData: NaN features, a part without labels, no label in a column of train, or blank
                labels in official mode.
            AffectBenchError: the loss became NaN or infinite.
            MissingExtra: torch or numba is not installed.
        """
        torch = import_torch()
        self._check(train=train, dev=dev)
        self._units = self._units_of(train)
        features, self._scaler = standardised(train.features)
        inputs = features.astype(np.float32)
        del features  # float64, twice the size of what is kept
        with one_thread(), torch.random.fork_rng(devices=[]):
            init_seed = INIT_OFFSET + self.seed if self.official else self.seed
            torch.manual_seed(init_seed)
            self._net = network(inputs.shape[1], self.heads)
            theta = flattened(self._net)
            self._report |= {
                "init_seed": init_seed,
                "cpu": torch.backends.cpu.get_cpu_capability(),
                "parameters": theta.size,
            }
            self._train(theta, inputs, self._encoded(train), dev)
        return self

    def predict(self, part: Part) -> tuple[Floats, ...]:
        """[N, C_t] a target: values in the unit of its labels, or one logit a class."""
        check_features(part)
        with one_thread():
            chunks = [
                self._decoded(self._forward(self._inputs(part.features[start : start + ROWS])))
                for start in range(0, len(part.clips), ROWS)
            ]
        return tuple(np.concatenate(target) for target in zip(*chunks, strict=True))

    def report(self) -> dict[str, Any]:
        """Epochs, the one kept, why it stopped; losses, metric and weights after each epoch."""
        return self._report

    def _check(self, **parts: Part) -> None:
        for name, part in parts.items():
            check_features(part)
            labels = part.labels
            if not isinstance(labels, tuple) or len(labels) != len(self.heads):
                raise BadData(
                    f"The labels of {name} are of the type {type(labels).__name__}. Expected a "
                    f"tuple of {len(self.heads)} arrays, one a target of {self.task.name}."
                )
            for single, own in zip(self.task.single(), labels, strict=True):
                check_labels(single, name, replace(part, labels=own))
                if self.official:
                    check_none_blank(**{name: replace(part, labels=own)})

    def _units_of(self, train: Part) -> list[tuple[Any, Any]]:
        """What a label of 0 and of 1 is to the network, by target: shift and scale, [C_t]."""
        units: list[tuple[Any, Any]] = []
        for target, own, labels in zip(self.task.targets, self.heads, train.labels, strict=True):
            if own.loss == "classes":
                units.append((0.0, 1.0))
                continue
            empty = np.isnan(labels).all(axis=0)
            if empty.any():
                name = target.columns[int(empty.argmax())]
                raise BadData(f"No clip of train has a label in the column '{name}'.")
            if own.loss == "bounded" or self.official:
                units.append((0.0, 1.0))
                continue
            deviation = np.nanstd(labels, axis=0)
            units.append((np.nanmean(labels, axis=0), np.where(deviation > 0, deviation, 1.0)))
        return units

    def _encoded(self, part: Part) -> NDArray[np.float32]:
        """[N, C] labels of all heads as the losses take them: one-hot classes, scaled values."""
        columns = [
            np.eye(own.outputs)[labels] if own.loss == "classes" else (labels - shift) / scale
            for own, labels, (shift, scale) in zip(
                self.heads, part.labels, self._units, strict=True
            )
        ]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def _decoded(self, outputs: Sequence[Tensor]) -> tuple[Floats, ...]:
        """Outputs of the heads in the units of the labels, float64."""
        return tuple(
            output.numpy().astype(np.float64) * scale + shift
            for output, (shift, scale) in zip(outputs, self._units, strict=True)
        )

    def _train(
        self,
        theta: NDArray[np.float32],
        inputs: NDArray[np.float32],
        labels: NDArray[np.float32],
        dev: Part,
    ) -> None:
        """The loop: an epoch on train, a look at dev, until patience or epochs run out."""
        import torch

        trainer = Trainer(
            theta,
            inputs.shape[1],
            self.heads,
            learning_rate=LEARNING_RATE,
            weight_decay=WEIGHT_DECAY,
        )
        dev_inputs, dev_labels = self._inputs(dev.features), torch.from_numpy(self._encoded(dev))
        order = torch.Generator().manual_seed(self.seed)
        stop = EarlyStop(DELTA)
        best, best_epoch, best_theta = -math.inf, 0, theta
        curve: list[dict[str, Any]] = []
        for epoch in range(1, EPOCHS + 1):
            shuffled = torch.randperm(len(inputs), generator=order).numpy()
            train_loss = trainer.epoch(inputs, labels, shuffled)
            if self.official:
                torch.randperm(len(dev_inputs), generator=order)  # dev is shuffled, to no effect
            told = self._look(dev, dev_inputs, dev_labels)
            check_loss(epoch, train_loss, told["dev_loss"])
            stop.update(told["dev_loss"])
            worth = merit(self.task.metric, told["dev_metric"])
            if worth > best:
                best, best_epoch, best_theta = worth, epoch, theta.copy()
            waited = stop.waited if self.official else epoch - best_epoch
            curve.append({"epoch": epoch, "train_loss": train_loss, **told, "waited": waited})
            if waited >= PATIENCE:
                break
        if not best_epoch:
            raise BadData(
                f"{self.task.metric.key} on dev is undefined after each of {len(curve)} epochs. "
                "Check that the labels of dev vary."
            )
        if not self.official:
            theta[:] = best_theta
        self._report |= {
            "epochs": len(curve),
            "best_epoch": best_epoch,
            "kept_epoch": len(curve) if self.official else best_epoch,
            "stopped": self._reason(waited),
            "metric": self.task.metric.key,
            "curve": curve,
        }

    def _look(self, dev: Part, inputs: Tensor, labels: Tensor) -> dict[str, Any]:
        """Loss and metric on dev, the share of each target in them, and the weights of the losses.

        The weights are exp(-s) / 2, by target.
        """
        outputs = self._forward(inputs)
        names = [target.name for target in self.task.targets]
        losses = task_losses(self.heads, outputs, labels)
        log_variances = self._net.get_parameter("log_variance").tolist()
        value, shares = joint_value(self.task, dev.labels, self._decoded(outputs))
        weights = [math.exp(-s) / 2 for s in log_variances]
        return {
            "dev_loss": weighted(losses, log_variances),
            "dev_metric": value,
            "dev_losses": dict(zip(names, losses, strict=True)),
            "dev_metrics": dict(zip(names, shares, strict=True)),
            "weights": dict(zip(names, weights, strict=True)),
        }

    def _reason(self, waited: int) -> str:
        if waited < PATIENCE:
            return f"all {EPOCHS} epochs done"
        watched = f"dev loss (delta {DELTA})" if self.official else self.task.metric.key
        return f"{watched} did not improve for {PATIENCE} epochs"

    def _inputs(self, features: NDArray[Any]) -> Tensor:
        import torch

        return torch.from_numpy(scaled(self._scaler, features).astype(np.float32))

    def _forward(self, inputs: Tensor) -> list[Tensor]:
        import torch

        with torch.no_grad():
            hidden = self._net["trunk"](inputs)
            return [one(hidden) for one in self._net["heads"].children()]


def head_of(target: Target) -> Head:
    """How a target is predicted: classes; values in 0..1 behind a sigmoid; other values as are."""
    if target.kind == "classification":
        return Head(target.outputs, "classes")
    return Head(target.outputs, "bounded" if target.low >= 0 and target.high <= 1 else "linear")


def network(dim: int, heads: Sequence[Head]) -> nn.ModuleDict:
    """The layers, in PyTorch's default initialisation from the global generator.

    Args:
        dim: D columns of the features.
        heads: one a target, drawn in this order after the trunk.
    """
    import torch
    from torch import nn

    ends = (nn.Sequential(*head(one.outputs, bounded=one.loss == "bounded")) for one in heads)
    net = nn.ModuleDict({"trunk": nn.Sequential(*trunk(dim)), "heads": nn.ModuleList(ends)})
    start = torch.full((len(heads),), LOG_VARIANCE)
    net.register_parameter("log_variance", nn.Parameter(start))
    return net


def flattened(net: nn.ModuleDict) -> NDArray[np.float32]:
    """[P] all parameters in the order of ``multitask_step.shapes``; the network lives in it now."""
    import torch

    ends = list(net["heads"].children())
    kinds = ("0.weight", "0.bias", "2.weight", "2.bias")
    parameters = [
        *net["trunk"].parameters(),
        *(end.get_parameter(kind) for kind in kinds for end in ends),
        net.get_parameter("log_variance"),
    ]
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
    sizes = [parameter.numel() for parameter in parameters]
    for parameter, values in zip(parameters, torch.split(flat, sizes), strict=True):
        parameter.data = values.view_as(parameter)
    theta: NDArray[np.float32] = flat.numpy()
    return theta


def task_losses(heads: Sequence[Head], outputs: Sequence[Tensor], labels: Tensor) -> list[float]:
    """The loss of each head, of outputs [N, C_t] and encoded labels [N, C]."""
    import torch
    from torch.nn import functional

    split = torch.split(labels, [one.outputs for one in heads], dim=1)
    return [
        float((functional.cross_entropy if one.loss == "classes" else masked_loss)(output, truth))
        for one, output, truth in zip(heads, outputs, split, strict=True)
    ]


def weighted(losses: Sequence[float], log_variances: Sequence[float]) -> float:
    """sum_t(L_t exp(-s_t) / 2 + s_t / 2)."""
    pairs = zip(losses, log_variances, strict=True)
    return sum(loss * math.exp(-s) / 2 + s / 2 for loss, s in pairs)


def joint_value(
    task: Task, truth: Sequence[NDArray[Any]], outputs: Sequence[Floats]
) -> tuple[float, list[float]]:
    """The task's own metric of predictions [N, C_t] of all targets, and of each target alone.

    NaN where undefined.
    """
    decided = tuple(
        output.argmax(axis=1) if target.kind == "classification" else output
        for target, output in zip(task.targets, outputs, strict=True)
    )
    metric, counts = task.metric, tuple(target.outputs for target in task.targets)
    if len(counts) == 1:
        value = float(metric.combine(metric.compute(truth[0], decided[0], counts[0])))
        return value, [value]
    values = metric.compute(tuple(truth), decided, counts)
    return float(metric.combine(values)), [float(one) for one in values]


MULTITASK: Final = Recipe(
    name="multitask",
    suffix="multitask",
    title="ExVo multitask network",
    build=MultitaskMLP,
    seeds=SEEDS,
    modes=("sound", "official"),
    joint=True,
    extra="neural",
    settings=SETTINGS,
    source="ExVo 2022 baseline, arXiv:2205.01780; workshop paper, Table 6a",
)
