"""The feature network of the A-VB 2022 baseline, trained as published or as it should be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from affectbench.device import import_torch, one_thread
from affectbench.errors import AffectBenchError, BadData, listing
from affectbench.systems.training import (
    check_features,
    check_part,
    dev_value,
    merit,
    scaled,
    standardised,
)
from affectbench.types import Floats, Part, Task

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

LEARNING_RATE: Final = 1e-3
WEIGHT_DECAY: Final = 1e-4
BATCH: Final = 8
EPOCHS: Final = 25
PATIENCE: Final = 5
DELTA: Final = 0.01  # official: how much lower the dev loss must be to count
INIT_OFFSET: Final = 10_000  # official: the initial weights of seed s are drawn with this + s
ROWS: Final = 8_192  # predicted at once

SETTINGS: Final[Mapping[str, Any]] = {
    "network": "D-128-LN-64-LN-32-C, LeakyReLU 0.01, sigmoid for regression",
    "loss": "sum over columns of MSE, or cross-entropy",
    "optimiser": "Adam",
    "learning_rate": LEARNING_RATE,
    "weight_decay": WEIGHT_DECAY,
    "batch": BATCH,
    "epochs": EPOCHS,
    "patience": PATIENCE,
    "official": f"last epoch kept; stop on dev loss, delta {DELTA}; seed {INIT_OFFSET} + s, then s",
    "sound": "best dev epoch restored; stop on the task's metric; fused Adam; blanks masked",
}


@dataclass(slots=True)
class EarlyStop:
    """The early stopping of the published code, on a loss with an absolute delta.

    A loss counts as improved unless it is above ``best - delta``. Only an improvement moves
    ``best`` and resets ``waited``, so small gains add up against the old best. NaN compares false
    with everything and so counts as improved.
    """

    delta: float = DELTA
    best: float | None = None  # minus the loss
    waited: int = 0

    def update(self, loss: float) -> None:
        """Take the loss of one more epoch. To be stopped when ``waited`` reaches the patience."""
        if self.best is not None and -loss < self.best + self.delta:
            self.waited += 1
        else:
            self.best, self.waited = -loss, 0


class FeatureMLP:
    """D - 128 - LayerNorm - 64 - LayerNorm - 32 - C on standardised features, trained with Adam.

    Modes:
        sound: seeded before the weights are drawn; after each epoch the task's own metric on dev,
            of which the best epoch (the first of equals) is restored; stops after 5 epochs
            without a better one; blank labels are masked.
        official: what the published code computes. The last epoch is kept; stops on the dev loss
            (``EarlyStop``); the seed fixes the order of the batches alone. Upstream the initial
            weights are not seeded at all; here they are drawn with seed 10,000 + ``seed``, so
            that a run can be repeated.

    Trained on the CPU with one thread: the same seed gives the same bytes on processors with the
    same vector instructions (``report()["cpu"]``), and nearly the same on others.

    Args:
        task: names target and metric.
        seed: of the batch order, and of the weights as said above.
        mode: ``sound`` or ``official``.
        initial_state: weights to start from, by the names of ``network(...).state_dict()``.

    Source: Baird et al. 2022, A-VB workshop, arXiv:2207.03572.
    """

    def __init__(
        self,
        task: Task,
        seed: int,
        mode: str = "sound",
        *,
        initial_state: Mapping[str, Tensor] | None = None,
    ) -> None:
        if mode not in {"sound", "official"}:
            raise ValueError(f"mode is 'sound' or 'official', not {mode!r}")
        if task.target.kind == "regression" and (task.target.low < 0 or task.target.high > 1):
            raise BadData(
                f"{task.name} has labels from {task.target.low:g} to {task.target.high:g}. The "
                "network ends in a sigmoid and predicts 0 to 1: scale the labels, or use another "
                "system."
            )
        self.task = task
        self.seed = seed
        self.official = mode == "official"
        self.initial_state = initial_state
        self._report: dict[str, Any] = {"mode": mode, "seed": seed}

    def fit(self, train: Part, dev: Part) -> FeatureMLP:
        """Train, with dev to stop on and, in sound mode, to choose the epoch.

        Raises:
            BadData: NaN features, a part without labels, or blank labels in official mode.
            AffectBenchError: the loss became NaN or infinite.
            MissingExtra: torch is not installed.
        """
        torch = import_torch()
        check_part(self.task, "train", train)
        check_part(self.task, "dev", dev)
        if self.official:
            check_none_blank(train=train, dev=dev)
        standard, self._scaler = standardised(train.features)
        inputs = torch.from_numpy(standard.astype(np.float32))
        del standard  # float64, twice the size of what is kept
        with one_thread(), torch.random.fork_rng(devices=[]):
            init_seed = INIT_OFFSET + self.seed if self.official else self.seed
            torch.manual_seed(init_seed)
            bounded = self.task.target.kind == "regression"
            net = network(inputs.shape[1], self.task.target.outputs, bounded=bounded)
            if self.initial_state is not None:
                net.load_state_dict(dict(self.initial_state))
            self._report |= {
                "init_seed": init_seed if self.initial_state is None else None,
                "cpu": torch.backends.cpu.get_cpu_capability(),
                "parameters": sum(weight.numel() for weight in net.parameters()),
            }
            self._net = net
            self._train(inputs, self._targets(train), dev)
        return self

    def predict(self, part: Part) -> Floats:
        """[N, C]: values in 0..1 of the columns, or one logit a class."""
        check_features(part)
        with one_thread():
            chunks = [
                self._forward(self._inputs(part.features[start : start + ROWS]))
                for start in range(0, len(part.clips), ROWS)
            ]
        return np.concatenate([chunk.numpy() for chunk in chunks]).astype(np.float64)

    def report(self) -> dict[str, Any]:
        """Epochs, the one kept, why it stopped, and loss and metric after each epoch."""
        return self._report

    def _train(self, inputs: Tensor, targets: Tensor, dev: Part) -> None:
        """The loop: an epoch on train, a look at dev, until patience or epochs run out."""
        import torch

        net = self._net
        dev_inputs, dev_targets = self._inputs(dev.features), self._targets(dev)
        loss_of = loss_function(self.task, targets, dev_targets)
        # Parity with the published code holds for the default form; the fused one is faster.
        adam = torch.optim.Adam(
            net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=not self.official
        )
        order = torch.Generator().manual_seed(self.seed)
        stop = EarlyStop()
        best, best_epoch, best_state = -math.inf, 0, {}
        curve: list[dict[str, float]] = []
        for epoch in range(1, EPOCHS + 1):
            train_loss = one_epoch(net, adam, loss_of, inputs, targets, order)
            if self.official:
                torch.randperm(len(dev_inputs), generator=order)  # dev is shuffled, to no effect
            output = self._forward(dev_inputs)
            dev_loss = float(loss_of(output, dev_targets))
            check_loss(epoch, train_loss, dev_loss)
            value = dev_value(self.task, dev, output.numpy().astype(np.float64))
            stop.update(dev_loss)
            if merit(self.task.metric, value) > best:
                best, best_epoch = merit(self.task.metric, value), epoch
                best_state = {name: weight.clone() for name, weight in net.state_dict().items()}
            waited = stop.waited if self.official else epoch - best_epoch
            losses = {"train_loss": train_loss, "dev_loss": dev_loss, "dev_metric": value}
            curve.append({"epoch": epoch, **losses, "waited": waited})
            if waited >= PATIENCE:
                break
        if not best_epoch:
            raise BadData(
                f"{self.task.metric.key} on dev is undefined after each of {len(curve)} epochs. "
                "Check that the labels of dev vary."
            )
        if not self.official:
            net.load_state_dict(best_state)
        self._report |= {
            "epochs": len(curve),
            "best_epoch": best_epoch,
            "kept_epoch": len(curve) if self.official else best_epoch,
            "stopped": self._reason(waited),
            "metric": self.task.metric.key,
            "curve": curve,
        }

    def _reason(self, waited: int) -> str:
        if waited < PATIENCE:
            return f"all {EPOCHS} epochs done"
        watched = f"dev loss (delta {DELTA})" if self.official else self.task.metric.key
        return f"{watched} did not improve for {PATIENCE} epochs"

    def _inputs(self, features: np.ndarray[Any, Any]) -> Tensor:
        import torch

        return torch.from_numpy(scaled(self._scaler, features).astype(np.float32))

    def _targets(self, part: Part) -> Tensor:
        import torch

        kind = np.int64 if self.task.target.kind == "classification" else np.float32
        return torch.from_numpy(part.labels.astype(kind))

    def _forward(self, inputs: Tensor) -> Tensor:
        import torch

        with torch.no_grad():
            output: Tensor = self._net(inputs)
        return output


def network(dim: int, outputs: int, *, bounded: bool) -> nn.Sequential:
    """The layers, in PyTorch's default initialisation from the global generator.

    Args:
        dim: D columns of the features.
        outputs: C.
        bounded: whether a sigmoid ends it (regression), or logits are left (classification).
    """
    from torch import nn

    return nn.Sequential(*trunk(dim), *head(outputs, bounded=bounded))


def trunk(dim: int) -> list[nn.Module]:
    """The layers from [N, D] to [N, 64]."""
    from torch import nn

    return [
        nn.Linear(dim, 128),
        nn.LayerNorm(128),
        nn.LeakyReLU(0.01),
        nn.Linear(128, 64),
        nn.LayerNorm(64),
        nn.LeakyReLU(0.01),
    ]


def head(outputs: int, *, bounded: bool) -> list[nn.Module]:
    """The layers from [N, 64] to [N, C]."""
    from torch import nn

    return [
        nn.Linear(64, 32),
        nn.LeakyReLU(0.01),
        nn.Linear(32, outputs),
        *([nn.Sigmoid()] if bounded else []),
    ]


def one_epoch(
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    loss_of: Callable[[Tensor, Tensor], Tensor],
    inputs: Tensor,
    targets: Tensor,
    order: torch.Generator,
) -> float:
    """One pass over train in random batches; the mean loss of a clip."""
    import torch

    total = 0.0
    shuffled = torch.randperm(len(inputs), generator=order)
    for start in range(0, len(inputs), BATCH):
        rows = shuffled[start : start + BATCH]
        optimiser.zero_grad()
        loss = loss_of(net(inputs[rows]), targets[rows])
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += loss.item() * len(rows)
    return total / len(inputs)


def loss_function(task: Task, *targets: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross-entropy, or the sum over columns of the MSE; blanks are masked where there are any."""
    from torch.nn import functional

    if task.target.kind == "classification":
        return functional.cross_entropy
    return masked_loss if any(bool(part.isnan().any()) for part in targets) else squared_loss


def squared_loss(prediction: Tensor, truth: Tensor) -> Tensor:
    """Sum over C of the mean over N of the squared error. [N, C] each."""
    return (prediction - truth).square().mean(dim=0).sum()


def masked_loss(prediction: Tensor, truth: Tensor) -> Tensor:
    """``squared_loss`` over known labels; a column without any adds nothing. [N, C] each."""
    known = ~truth.isnan()
    # The blank is replaced before it meets the prediction: 0 times NaN is NaN in the gradient.
    error = (prediction - truth.nan_to_num()) * known
    return (error.square().sum(dim=0) / known.sum(dim=0).clamp(min=1)).sum()


def check_loss(epoch: int, train_loss: float, dev_loss: float) -> None:
    """Stop when training has diverged: in either mode such a network predicts nothing.

    Raises:
        AffectBenchError: a loss is NaN or infinite.
    """
    if not (math.isfinite(train_loss) and math.isfinite(dev_loss)):
        raise AffectBenchError(
            f"The loss became {train_loss:g} on train and {dev_loss:g} on dev in epoch {epoch}, at "
            f"learning rate {LEARNING_RATE:g}. Expected finite numbers: look for extreme values in "
            "the features, or train with another seed."
        )


def check_none_blank(**parts: Part) -> None:
    """The published code has no mask.

    Raises:
        BadData: a label is blank.
    """
    for name, part in parts.items():
        blank = np.isnan(part.labels).reshape(len(part.clips), -1).any(axis=1)
        if blank.any():
            names = [part.clips[row] for row in np.flatnonzero(blank)]
            raise BadData(
                f"{len(names):,} clips of {name} have blank labels: {listing(names)}. The official "
                "mode cannot mask them, as the published code does not: use the mode 'sound'."
            )
