"""The training loop that all networks share."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from affectbench import store
from affectbench.device import device
from affectbench.errors import AffectBenchError, BadData, listing
from affectbench.systems.neural import checkpoint
from affectbench.systems.neural.batches import (
    Data,
    Forward,
    Rows,
    ahead,
    bucketed,
    forward,
    predict,
    shuffled,
)
from affectbench.systems.neural.line import Line
from affectbench.systems.neural.losses import Loss
from affectbench.systems.neural.plan import Plan
from affectbench.systems.training import dev_value, merit
from affectbench.types import Progress, Task

LOOK: Final = 20  # batches between two looks at the loss: each makes a GPU wait
OPTIMISERS: Final = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


@dataclass(slots=True)
class Reached:
    """How far a run is."""

    epoch: int  # done
    best: float  # merit of the best epoch on dev
    best_epoch: int  # 0: none yet
    best_state: dict[str, Tensor]
    curve: list[dict[str, float]]


class Training:
    """One run: epochs on train, each judged on dev by the task's own metric; the best is kept.

    All chance of an epoch comes from its own seed, made of the run's seed and the epoch's number.
    So a run that was killed goes on from the checkpoint of its last whole epoch as if nothing had
    happened: on one machine's CPU, with the same number of threads, to the same bits. On a GPU sums
    may add up in another order.

    Args:
        net: hears ``(waves [n, T], samples [n])`` and gives [n, C]; it goes to ``device()``.
            Weights that need no gradient are left alone.
        plan: how.
        loss: of outputs and targets.
        task: names the metric.
        train: what is learnt from.
        dev: what epochs are chosen on.
        seed: of batches, crops and dropout. The weights were drawn before.
        through: gives the outputs for a batch; by default ``net(waves, samples)``.
    """

    def __init__(
        self,
        net: nn.Module,
        plan: Plan,
        loss: Loss,
        *,
        task: Task,
        train: Data,
        dev: Data,
        seed: int,
        through: Forward = forward,
    ) -> None:
        self.device = device()
        self.net = net.to(self.device)
        self.plan = plan
        self.loss = loss
        self.task = task
        self.train = train
        self.dev = dev
        self.seed = seed
        self.through = through
        weights = [weight for weight in net.parameters() if weight.requires_grad]
        rate = {"lr": plan.learning_rate, "weight_decay": plan.weight_decay}
        if plan.optimiser == "sgd":
            rate["momentum"] = plan.momentum
        self.optimiser = OPTIMISERS[plan.optimiser](weights, **rate)
        self.schedule = schedule(self.optimiser, plan)
        self.at = Reached(0, -math.inf, 0, {}, [])

    def run(self, work: Path | None = None, progress: Progress | None = None) -> dict[str, Any]:
        """Train until the epochs or the patience run out, and leave the best weights in ``net``.

        Args:
            work: folder of the checkpoint, from which a run of the same goes on; None: none.
            progress: told a line (loss, metric, speed, time left), and clips done and in all.

        Returns:
            What belongs into a report: the epochs, the one kept, why it stopped, the curve.

        Raises:
            AffectBenchError: the loss is not a finite number, or the GPU failed.
            BadData: the metric is undefined after every epoch, or the checkpoint is of another run.
        """
        path = None if work is None else work / "checkpoint.pt"
        with gpu_trouble(path):
            if path is not None and (held := checkpoint.load(path, self.about(), self.device)):
                self.restore(held)
            metric, plan, at = self.task.metric.key, self.plan, self.at
            told = Line(metric, len(self.train), plan.epochs, at.epoch, progress)
            while not self.stopped():
                loss = self.one_epoch(told, path)
                value = dev_value(self.task, self.dev.part, self.predict())
                self.judge(loss, value)
                told.judged(value, at.curve[at.best_epoch - 1]["dev_metric"])
                if path is not None:
                    checkpoint.save(path, self.about(), self.state())
            if not at.best_epoch:
                raise BadData(
                    f"{metric} on dev is undefined after each of {at.epoch} epochs. Check that the "
                    "labels of dev vary."
                )
            self.net.load_state_dict(at.best_state)
        told.over()
        return {
            "epochs": at.epoch,
            "best_epoch": at.best_epoch,
            "stopped": self.reason(),
            "metric": metric,
            "curve": at.curve,
        }

    def one_epoch(self, told: Line, path: Path | None = None) -> float:
        """One pass over train; the mean loss of a clip.

        Raises:
            AffectBenchError: the loss of a batch is not a finite number; the clips are named.
        """
        epoch = self.at.epoch + 1
        rng = np.random.default_rng([self.seed, epoch])
        losses: list[Tensor] = []
        with seeded(int(rng.integers(2**63)), self.device):
            batches = self.batches(rng)
            self.net.train()
            for batch in ahead(batches, lambda rows: self.train.batch(rows, self.device, rng)):
                losses.append(self.step(batch))
                if len(losses) % LOOK == 0 or len(losses) == len(batches):
                    clips = sum(len(rows) for rows in batches[: len(losses)])
                    told.trained(epoch, clips, self.checked(losses, batches, path))
        sizes = np.array([len(rows) for rows in batches])
        return float(np.average(torch.stack(losses).cpu().numpy(), weights=sizes))

    def batches(self, rng: np.random.Generator) -> list[Rows]:
        """The rows of each batch of an epoch."""
        if self.plan.bucketed:
            return bucketed(self.train.samples, self.plan.batch, rng)
        return shuffled(len(self.train), self.plan.batch, rng)

    def step(self, batch: Any) -> Tensor:
        """One batch: forward, backward, clip, update. Gives its loss."""
        self.optimiser.zero_grad()
        with mixed_precision(self.device, self.plan.mixed):
            outputs = self.through(self.net, batch)
        loss = self.loss(outputs.float(), batch.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.plan.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.plan.clip_norm)
        self.optimiser.step()
        return loss.detach()

    def checked(self, losses: list[Tensor], batches: list[Rows], path: Path | None) -> float:
        """The mean loss so far.

        Raises:
            AffectBenchError: one is not a finite number.
        """
        values = torch.stack(losses).cpu().numpy()
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            names = listing(self.train.names(batches[wrong[0]]))
            kept = f" Epoch {self.at.epoch} is kept in {path}." if path and self.at.epoch else ""
            raise AffectBenchError(
                f"The loss became {values[wrong[0]]:g} in epoch {self.at.epoch + 1}, batch "
                f"{wrong[0] + 1} of {len(batches)}: {names}. Expected a finite number: listen to "
                f"these clips, or train with another seed or a lower learning rate.{kept}"
            )
        return float(values.mean())

    def predict(self) -> Any:
        """[N, C]: the outputs for dev."""
        return predict(self.net, self.dev, self.device, through=self.through)

    def judge(self, loss: float, value: float) -> None:
        """Take what an epoch gave: the curve, the best weights, the learning rate of the next."""
        at, worth = self.at, merit(self.task.metric, value)
        at.epoch += 1
        rate = self.optimiser.param_groups[0]["lr"]
        at.curve.append(
            {"epoch": at.epoch, "train_loss": loss, "dev_metric": value, "learning_rate": rate}
        )
        if worth > at.best or (self.plan.latest and at.best_epoch and worth == at.best):
            at.best, at.best_epoch = worth, at.epoch
            at.best_state = {n: weight.clone() for n, weight in self.net.state_dict().items()}
        if isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.schedule.step(worth)
        else:
            self.schedule.step()

    def stopped(self) -> bool:
        """Whether epochs or patience have run out."""
        return self.at.epoch >= self.plan.epochs or self.waited()

    def waited(self) -> bool:
        """Whether the patience has run out."""
        patience = self.plan.patience
        return patience is not None and self.at.epoch - self.at.best_epoch >= patience

    def reason(self) -> str:
        """Why it stopped."""
        if self.waited():
            return f"{self.task.metric.key} did not improve for {self.plan.patience} epochs"
        return f"all {self.plan.epochs} epochs done"

    def about(self) -> dict[str, str]:
        """What a checkpoint must be of to go on from it."""
        shapes = [(name, list(weight.shape)) for name, weight in self.net.state_dict().items()]
        return {
            "task": f"{self.task.name} version {self.task.version}",
            "target": self.task.target.name,
            "seed": str(self.seed),
            "plan": store.digest_json(asdict(self.plan)),
            "loss": getattr(self.loss, "__name__", type(self.loss).__name__),
            "network": store.digest_json([type(self.net).__name__, shapes]),
            "train": self.train.digest,
            "dev": self.dev.digest,
        }

    def state(self) -> dict[str, Any]:
        """All that changes from epoch to epoch."""
        return {
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "at": {field.name: getattr(self.at, field.name) for field in fields(self.at)},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to ``state()``."""
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.at = Reached(**state["at"])


@contextmanager
def seeded(seed: int, where: torch.device) -> Iterator[None]:
    """Torch draws from that seed inside the block, and goes on as before after it."""
    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def schedule(optimiser: torch.optim.Optimizer, plan: Plan) -> Any:
    """What changes the learning rate after each epoch."""
    schedules = torch.optim.lr_scheduler
    if plan.schedule == "plateau":
        return schedules.ReduceLROnPlateau(optimiser, mode="max", factor=0.9, patience=5)
    if plan.schedule == "cosine":
        return schedules.CosineAnnealingLR(optimiser, T_max=plan.epochs)
    return schedules.ConstantLR(optimiser, factor=1.0)


def mixed_precision(where: torch.device, wanted: bool) -> torch.autocast:
    """bfloat16 inside, where it is wanted and the GPU has it."""
    return torch.autocast(where.type, torch.bfloat16, enabled=precision(where, wanted) != "float32")


def precision(where: torch.device, wanted: bool) -> str:
    """The precision that convolutions and products are computed in."""
    has = where.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if wanted and has else "float32"


@contextmanager
def gpu_trouble(path: Path | None = None) -> Iterator[None]:
    """A GPU that goes away or is full is the machine's trouble, not a bug: one message.

    Args:
        path: of the checkpoint of what runs inside.

    Raises:
        AffectBenchError: the GPU failed.
    """
    try:
        yield
    except RuntimeError as error:
        if "CUDA" not in str(error):
            raise
        why = str(error).strip().splitlines()[0]
        kept = f" What was done lies in {path}." if path is not None and path.is_file() else ""
        raise AffectBenchError(
            f"The GPU failed: {why} Expected one that stays, with memory enough: run the same "
            f"command again to go on, or with --device cpu.{kept}"
        ) from error
