"""Networks that are tuned to a speaker: some steps down the gradient of the support clips.

What is tuned, at what rate and for how many steps is chosen on dev, where it must gain.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench.splits import SUPPORT
from affectbench.systems.neural.device import device
from affectbench.systems.neural.models import WaveModel, cnn10, cnn14_small, targets
from affectbench.systems.personal.gains import RULE, gain_of
from affectbench.systems.personal.speakers import Rows, numbered
from affectbench.types import Floats, Part, Progress, Recipe, Task

if TYPE_CHECKING:
    from affectbench.systems.neural.batches import Batch

STEPS: Final = (1, 2, 4, 8, 16)
SPEAKERS: Final = 100  # of dev at most, drawn, on which the choice is made
Tunable = Mapping[str, tuple[tuple[str, ...], tuple[float, ...]]]
CNN_TUNABLE: Final[Tunable] = {
    "head": (("head.",), (1e-1, 1.0, 1e1)),
    "whole network": (("",), (1e-2, 1e-1)),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """How a network is tuned."""

    weights: str  # name of what is tuned
    rate: float
    steps: int


@dataclass(frozen=True, slots=True)
class Trial:
    """A speaker of dev with drawn support clips."""

    support: Part
    queries: Part
    rows: Rows  # of the queries in dev


class TunedModel:
    """A network that hears waves, tuned to each speaker on a copy.

    Plain gradient descent on the squared error or the cross-entropy of the support clips; batch
    norm keeps its statistics, nothing is dropped. On dev every rate and number of steps is tried
    with drawn support clips, and what gains most is taken if it gains more than it may by chance
    over speakers; otherwise the network stays as it is. Of more support clips than two the choice
    for two counts. A blank label of a support clip is left out; where all are blank the network
    stays as it is.

    Args:
        base: the network and how it is trained; it is what k = 0 is.
        tunable: name of what may be tuned -> how the names of its weights begin, rates to try.
    """

    def __init__(self, base: WaveModel, tunable: Tunable) -> None:
        self.base = base
        self.tunable = tunable
        self.choices: dict[int, Choice | None] = {}  # by number of support clips
        self._told: dict[str, Any] = {}
        self._progress: Progress | None = None

    def attend(self, folder: Path, progress: Progress | None) -> None:
        """Keep a checkpoint in the folder, go on from one that lies there, and tell of epochs."""
        self._progress = progress
        self.base.attend(folder, progress)

    def fit(self, train: Part, dev: Part) -> TunedModel:
        """Train, then choose on dev how one and two support clips are used.

        Raises:
            BadData, AffectBenchError, MissingExtra: as ``WaveModel.fit``.
        """
        self.base.fit(train, dev)
        for shots in range(1, SUPPORT + 1):
            self.choices[shots], self._told[str(shots)] = self._chosen(dev, shots)
        return self

    def adapt(self, support: Part) -> WaveModel:
        """The network tuned to the speaker of the support clips; this one stays as it is."""
        from affectbench.systems.personal.steps import tuned

        choice = self.choices[min(len(support.clips), max(self.choices))]
        if choice is None or not support.labels.size:
            return self.base
        own = copy.copy(self.base)
        begins = self.tunable[choice.weights][0]
        own.net = tuned(self.base.net, self._heard(support), begins, choice.rate, choice.steps)
        return own

    def predict(self, part: Part) -> Floats:
        """[N, C]: the outputs of the network as it was trained."""
        return self.base.predict(part)

    def report(self) -> dict[str, Any]:
        """How the training went, and by number of support clips what is tuned and what it gains."""
        return {**self.base.report(), "support": self._told}

    def _heard(self, support: Part) -> Batch:
        """All support clips in one batch."""
        from affectbench.systems.neural.batches import Data

        data = Data(support, targets=targets(self.base.task, support))
        return data.batch(np.arange(len(support.clips)), device())

    def _chosen(self, dev: Part, shots: int) -> tuple[Choice | None, dict[str, Any]]:
        """How to use that many support clips, and what each way gained on dev."""
        trials = drawn_trials(dev, shots, seed=self.base.seed)
        if not trials:
            why = f"no speaker of dev has more than {shots} clips"
            return None, {"tuned": "nothing", "why": why}
        rows = np.concatenate([trial.rows for trial in trials])
        place, _ = numbered([dev.speakers[row] for row in rows])
        truth = dev.labels[rows]
        plain = np.concatenate([self.base.predict(trial.queries) for trial in trials])
        found: list[dict[str, Any]] = []
        best, most = None, 0.0
        for choice, values in self._tried(trials).items():
            gain = gain_of(self.base.task, truth, values, plain, place)
            found.append({**asdict(choice), **gain._asdict()})
            if gain.low > 0 and gain.gain > most:
                best, most = choice, gain.gain
        tuned = "nothing" if best is None else asdict(best)
        return best, {"tuned": tuned, "speakers": len(trials), "on_dev": found}

    def _tried(self, trials: Sequence[Trial]) -> dict[Choice, Floats]:
        """The outputs [M, C] for the queries of all trials, by each choice."""
        from affectbench.systems.neural.batches import Data, predict
        from affectbench.systems.personal.steps import descended

        where = device()
        tell = self._progress or (lambda stage, done, total: None)
        found: dict[Choice, list[Floats]] = {}
        for number, trial in enumerate(trials):
            tell("trying adaptation", number, len(trials))
            batch, queries = self._heard(trial.support), Data(trial.queries)
            for weights, (begins, rates) in self.tunable.items():
                for rate in rates:
                    for step, net in descended(self.base.net, batch, begins, rate, STEPS):
                        values = predict(net, queries, where, through=self.base.through)
                        found.setdefault(Choice(weights, rate, step), []).append(values)
        tell("trying adaptation", len(trials), len(trials))
        return {choice: np.concatenate(values) for choice, values in found.items()}


def drawn_trials(dev: Part, shots: int, *, seed: int) -> list[Trial]:
    """Up to 100 speakers of dev who have more clips than ``shots``, with support clips drawn."""
    rng = np.random.default_rng([seed, shots])
    place, speakers = numbered(dev.speakers)
    trials: list[Trial] = []
    for who in rng.permutation(speakers):
        rows = rng.permutation(np.flatnonzero(place == who))
        if len(rows) > shots and len(trials) < SPEAKERS:
            queries = np.sort(rows[shots:])
            trials.append(Trial(some(dev, rows[:shots]), some(dev, queries), queries))
    return trials


def some(part: Part, rows: Rows) -> Part:
    """Some clips of a part that has waves, in that order."""
    return Part(
        tuple(part.clips[row] for row in rows),
        part.features[rows],
        part.labels[rows],
        tuple(part.speakers[row] for row in rows),
        Some(part.waves, rows),
    )


class Some(Sequence[NDArray[np.int16]]):
    """Some of the waves, each read when it is asked for."""

    def __init__(self, waves: Sequence[NDArray[np.int16]], rows: Rows) -> None:
        self.waves = waves
        self.rows = rows

    def __len__(self) -> int:
        """How many."""
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        """[T] of one index, or some of these of a slice."""
        if isinstance(index, slice):
            return Some(self.waves, self.rows[index])
        return self.waves[int(self.rows[index])]


def fewshot_finetune(task: Task, seed: int, mode: str) -> TunedModel:
    """CNN10 at its published width."""
    return TunedModel(cnn10(task, seed, mode), CNN_TUNABLE)


def fewshot_finetune_small(task: Task, seed: int, mode: str) -> TunedModel:
    """CNN14 at a quarter of its width."""
    return TunedModel(cnn14_small(task, seed, mode), CNN_TUNABLE)


SETTINGS: Final[Mapping[str, Any]] = {
    "adaptation": "plain gradient descent on the support clips, on a copy; statistics of batch "
    "norm stay, nothing is dropped; squared error, or cross-entropy; gradients clipped at norm 1",
    "steps": list(STEPS),
    "chosen": f"weights, rate and steps, by number of support clips: {RULE}; on up to {SPEAKERS} "
    "speakers of dev, each with support clips drawn once",
}
CNN_RATES: Final = {name: list(rates) for name, (_, rates) in CNN_TUNABLE.items()}
FEWSHOT_FINETUNE: Final = Recipe(
    name="fewshot-finetune",
    suffix="fewshot-finetune",
    title="CNN10, tuned to the speaker",
    build=fewshot_finetune,
    adapts=True,
    extra="neural",
    settings={"network": "as cnn10-ccc", **SETTINGS, "rates": CNN_RATES},
    source="ours, on Kong et al. 2020, doi:10.1109/TASLP.2020.3030497",
)
FEWSHOT_FINETUNE_SMALL: Final = Recipe(
    name="fewshot-finetune-small",
    suffix="fewshot-finetune-small",
    title="CNN14 at a quarter of its width, tuned to the speaker",
    build=fewshot_finetune_small,
    adapts=True,
    extra="neural",
    settings={"network": "as cnn14-ccc at a quarter of its width", **SETTINGS, "rates": CNN_RATES},
    source="ours, on Kong et al. 2020, doi:10.1109/TASLP.2020.3030497",
)
