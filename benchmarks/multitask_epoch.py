"""One epoch of ExVo MultiTask: ours against the work that the published code does for each batch.

    python benchmarks/multitask_epoch.py                  # 4,000 clips x 6,373 columns: 1 GB
    python benchmarks/multitask_epoch.py --rows 19990 --dev-rows 19396     # as released: 10 GB

Random data: ten emotions, country, age. Both sides train the same network from the same weights
over the same order of batches, on one thread each, in this one process, and look at dev once.
Seconds are processor time, so that what else the machine does counts less.

The other side re-enacts, in our own words, what the published code is known to do (the facts are
those of its loops, not its text). For each batch of 8: forward twice, the first to no effect; the
ten emotion columns of the whole table to float32 and then eight of their rows; a label encoder
fitted to the countries of the whole table; a copy of all ages; default Adam. For each epoch: train
once more as a whole with its graph; the CCC of the emotions, the UAR, and a CCC of the age whose
covariance is a matrix of N x N, since one side is a column and the other a row.

Its batches cost the same one by one, so they may be timed on a part of an epoch (--fraction) and
scaled up; what it does once an epoch is timed as it is. --without-matrix leaves the N x N out.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import recall_score
from sklearn.preprocessing import LabelEncoder
from torch.nn import functional

from affectbench.device import one_thread
from affectbench.systems.mlp import BATCH, LEARNING_RATE, WEIGHT_DECAY
from affectbench.systems.multitask import MultitaskMLP, flattened, network
from affectbench.systems.multitask_step import Head, Trainer
from affectbench.tasks import TASKS
from affectbench.types import Part

DIM = 6_373
TASK = TASKS["exvo-multitask"]
EMOTIONS, COUNTRIES = list(TASK.targets[0].columns), TASK.targets[1].outputs
HEADS = [Head(len(EMOTIONS), "bounded"), Head(COUNTRIES, "classes"), Head(1, "linear")]


@dataclass(frozen=True)
class Data:
    """Clips of one part: features, and labels as a table and as one array."""

    features: torch.Tensor  # [N, D]
    table: pd.DataFrame
    labels: np.ndarray  # [N, C] float32, countries one-hot

    @classmethod
    def random(cls, rows: int, seed: int) -> Data:
        """Noise; labels of the released ranges."""
        random = np.random.default_rng(seed)
        emotions = random.random((rows, len(EMOTIONS)))
        country = random.integers(0, COUNTRIES, rows)
        age = random.uniform(20.5, 39.5, rows)
        table = pd.DataFrame(emotions, columns=EMOTIONS).assign(country=country, age=age)
        labels = np.column_stack([emotions, np.eye(COUNTRIES)[country], age])
        features = random.standard_normal((rows, DIM), dtype=np.float32)
        return cls(torch.from_numpy(features), table, labels.astype(np.float32))


def start() -> torch.nn.ModuleDict:
    """The network at the same initial weights each time."""
    torch.manual_seed(0)
    return network(DIM, HEADS)


def outputs_of(net: torch.nn.ModuleDict, features: torch.Tensor) -> list[torch.Tensor]:
    """Emotions, logits of the country, age."""
    hidden = net["trunk"](features)
    return [end(hidden) for end in net["heads"].children()]


@dataclass
class Epoch:
    """What an epoch came to, and its seconds by what they went to."""

    loss: float = float("nan")  # mean of a clip
    batches: float = 0.0  # all work of all batches
    labels: float = 0.0  # of that, making labels
    whole: float = 0.0  # dev, and on the other side train, as a whole
    matrix: float = 0.0  # of N x N

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.batches + self.whole + self.matrix


def ours(train: Data, dev: Data, order: torch.Tensor) -> Epoch:
    """An epoch and a look at dev."""
    net = start()
    theta = flattened(net)
    model = MultitaskMLP(TASK, 0, "official")
    inputs, shuffled = train.features.numpy(), order.numpy()
    truth = (dev.table[EMOTIONS].to_numpy(), dev.table["country"].to_numpy(),
             dev.table[["age"]].to_numpy())  # fmt: skip
    part = Part(tuple(map(str, range(len(dev.table)))), dev.features.numpy(), truth, ())
    model._net, model._units = net, [(0.0, 1.0)] * len(HEADS)
    spent = Epoch()
    began = time.process_time()
    trainer = Trainer(theta, DIM, HEADS, learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    spent.loss = trainer.epoch(inputs, train.labels, shuffled)
    spent.batches = time.process_time() - began
    began = time.process_time()
    model._look(part, dev.features, torch.from_numpy(dev.labels))
    spent.whole = time.process_time() - began
    return spent


def loss_of(
    net: torch.nn.ModuleDict, outputs: list[torch.Tensor], *labels: torch.Tensor
) -> torch.Tensor:
    """The weighted sum of the three losses."""
    emotions, country, age = labels
    losses = torch.stack(
        [
            (outputs[0] - emotions).square().mean(dim=0).sum().double(),
            functional.cross_entropy(outputs[1], country).double(),
            (outputs[2][:, 0] - age).square().mean(),
        ]
    )
    s = net.get_parameter("log_variance")
    return (losses * torch.exp(-s) / 2 + s / 2).sum()


def labels_of(table: pd.DataFrame, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Labels of a batch, each time out of the whole table."""
    emotions = [torch.from_numpy(table[name].to_numpy(dtype=np.float32))[rows] for name in EMOTIONS]
    encoder = LabelEncoder().fit(table["country"])
    country = torch.from_numpy(encoder.transform(table["country"].iloc[rows.numpy()]))
    age = torch.from_numpy(np.array(table["age"]))[rows]
    return torch.stack(emotions, dim=1), country, age


def ccc(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Of vectors; of a column and a row the covariance is a mean over N x N products."""
    covariance = np.nanmean((truth - np.nanmean(truth)) * (prediction - np.nanmean(prediction)))
    spread = np.var(truth) + np.var(prediction)
    return 2 * covariance / (spread + (np.nanmean(truth) - np.nanmean(prediction)) ** 2)


def look(net: torch.nn.ModuleDict, data: Data, *, scores: bool) -> None:
    """A part as a whole, with its graph: loss, and the scores of train but that of the age."""
    every = torch.arange(len(data.table))
    labels = labels_of(data.table, every)
    outputs = outputs_of(net, data.features)
    loss_of(net, outputs, *labels)
    if scores:
        emotions, country, _ = (output.detach().numpy() for output in outputs)
        for column in range(emotions.shape[1]):
            ccc(labels[0][:, column].numpy(), emotions[:, column])
        recall_score(labels[1].numpy(), country.argmax(axis=1), average="macro", zero_division=0)


def other(train: Data, dev: Data, order: torch.Tensor, fraction: float, *, matrix: bool) -> Epoch:
    """The re-enactment of an epoch; its batches timed on a part and scaled up."""
    net, spent, total = start(), Epoch(), 0.0
    adam = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    batches = list(order.split(BATCH))
    timed = batches[: max(1, round(len(batches) * fraction))]
    began = time.process_time()
    for rows in timed:
        adam.zero_grad()
        outputs_of(net, train.features[rows])
        before = time.process_time()
        labels = labels_of(train.table, rows)
        spent.labels += time.process_time() - before
        loss = loss_of(net, outputs_of(net, train.features[rows]), *labels)
        loss.backward()
        adam.step()
        total += loss.item() * len(rows)
    scale = len(batches) / len(timed)
    spent.batches, spent.labels = (time.process_time() - began) * scale, spent.labels * scale
    spent.loss = total / sum(len(rows) for rows in timed)
    began = time.process_time()
    look(net, train, scores=True)
    look(net, dev, scores=False)
    spent.whole = time.process_time() - began
    if matrix:
        age = train.table["age"].to_numpy()
        began = time.process_time()
        ccc(age[:, None], age)
        spent.matrix = time.process_time() - began
    return spent


def told(fast: Epoch, slow: Epoch) -> None:
    """Print both sides and their ratios."""
    print(f"{'seconds of processor time':36s}{'ours':>10s}{'published':>12s}{'ratio':>8s}")
    steps = ("batches", fast.batches, slow.batches), ("whole epoch", fast.seconds, slow.seconds)
    for name, a, b in steps:
        print(f"{name:36s}{a:10.2f}{b:12.2f}{b / a:8.1f}")
    print(f"of the batches, making labels       {'':10s}{slow.labels:12.2f}")
    print(f"parts as a whole                    {fast.whole:10.2f}{slow.whole:12.2f}")
    print(f"N x N                               {'':10s}{slow.matrix:12.2f}")
    print(f"mean loss of a clip                 {fast.loss:10.4f}{slow.loss:12.4f}")
    print("target: a whole epoch 10 times faster")


def main() -> None:
    """Time both sides in turn and print the ratios of the best of each."""
    parser = argparse.ArgumentParser(description="Ours against the published work for each batch.")
    parser.add_argument("--rows", type=int, default=4_000, help="N of train (released: 19,990)")
    parser.add_argument("--dev-rows", type=int, default=4_000, help="N of dev (released: 19,396)")
    parser.add_argument("--fraction", type=float, default=1.0, help="of the other side's batches")
    parser.add_argument("--repeats", type=int, default=2, help="of both; the best of each counts")
    parser.add_argument("--without-matrix", action="store_true", help="no N x N on the other side")
    options = parser.parse_args()
    train, dev = Data.random(options.rows, 1), Data.random(options.dev_rows, 2)
    order = torch.randperm(options.rows, generator=torch.Generator().manual_seed(1))
    print(
        f"{options.rows:,} (dev {options.dev_rows:,}) x {DIM:,}, batch {BATCH}, "
        f"torch {torch.__version__}, one thread"
    )
    fast, slow = [], []
    with one_thread():
        ours(Data.random(BATCH, 0), Data.random(BATCH, 0), torch.arange(BATCH))  # compiles
        for _ in range(options.repeats):
            fast.append(ours(train, dev, order))
            matrix = not options.without_matrix
            slow.append(other(train, dev, order, options.fraction, matrix=matrix))
    best = [min(side, key=lambda epoch: epoch.seconds) for side in (fast, slow)]
    told(*best)


if __name__ == "__main__":
    main()
