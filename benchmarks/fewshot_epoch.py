"""One epoch of ``fewshot-lstm`` as published: ours against a re-enactment of how upstream loads.

    python benchmarks/fewshot_epoch.py                      # 2,000 clips, the published network
    python benchmarks/fewshot_epoch.py --width 0.05         # a network as cheap as on a fast GPU
    python benchmarks/fewshot_epoch.py --clips 200 --fraction 0.5

Both sides train the same network from the same weights with the same batches in the same order, in
this one process; the losses of all batches have to agree to 1e-4. The re-enactment reads a row of
the label file with pandas for each item, skipping those before it, decodes the wav, cuts it into
frames and pads the batch; it sums the loss in loops over labels and clips, keeps all predictions
with their graphs, and validates clip by clip. Ours reads int16 from the store of prepared waves, a
batch ahead, and validates in batches of about equal length. The store is filled before: it is
filled once for all systems, seeds and epochs (its time is told).

What of an epoch is reading and what is computing depends on the machine. Told are both, so that
the ratio that reading alone gives stands beside that of the epoch. At 16 kHz, as here, upstream's
resampler does nothing. (--fraction: of the epoch, on the side of the re-enactment; scaled up.)
"""

from __future__ import annotations

import argparse
import copy
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import torch
from torch import Tensor

from affectbench.audio import Heard, prepare_all
from affectbench.systems.neural.batches import Data, shuffled
from affectbench.systems.neural.device import device
from affectbench.systems.neural.emo18 import FEWSHOT_MOST, FRAME, initialise
from affectbench.systems.neural.line import Line
from affectbench.systems.neural.loop import Training
from affectbench.systems.neural.losses import mse_loss
from affectbench.systems.personal.lstm import OFFICIAL
from affectbench.systems.personal.published import EPSILON, PublishedEmo18
from affectbench.systems.training import dev_value
from affectbench.tasks import TASKS
from affectbench.types import Floats, Part

TASK = TASKS["exvo-fewshot"]
LABELS = TASK.target.outputs
RATE_HZ = 16_000
TARGET, AGREE = 5.0, 1e-4
PEAK = round(10 ** (-3 / 20) * 2**15)  # of prepared clips: preparing these changes nothing


def write_clips(root: Path, name: str, clips: int, seed: int) -> Floats:
    """So many wavs of 2.24 s on average and a label file without header; returns the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.uniform(size=(clips, LABELS)).round(4)
    noise = rng.standard_normal(12 * RATE_HZ)
    rows = []
    for clip in range(clips):
        length = int(np.clip(rng.gamma(4.0, 2.24 / 4), 0.3, 9.9) * RATE_HZ)
        start = rng.integers(len(noise) - length)
        time_s = np.arange(length) / RATE_HZ
        wave = noise[start : start + length] + 3 * np.sin(2000 * (1 + labels[clip, 0]) * time_s)
        file = f"{name}{clip:05d}.wav"
        soundfile.write(
            root / file, np.rint(wave * PEAK / abs(wave).max()).astype(np.int16), RATE_HZ
        )
        rows.append(",".join([file, *map(str, labels[clip])]))
    (root / f"{name}.csv").write_text("\n".join(rows) + "\n")
    return labels


def prepared(root: Path, name: str, labels: Floats) -> Data:
    """The same clips from our store."""
    paths = sorted(root.glob(f"{name}*.wav"))
    waves = prepare_all(paths, workers=os.cpu_count() or 1, cache=root / "cache")
    clips = tuple(path.stem for path in paths)
    part = Part(
        clips, np.zeros((len(clips), 0), np.float32), labels, (None,) * len(clips),
        Heard(waves, range(len(clips))),
    )  # fmt: skip
    return Data(part, targets=labels.astype(np.float32))


def item(root: Path, name: str, row: int) -> tuple[Tensor, Tensor]:
    """Frames [S, 1600] and labels of one row, looked up anew."""
    line = pd.read_csv(root / f"{name}.csv", header=None, skiprows=row, nrows=1).iloc[0]
    wave, _ = soundfile.read(root / str(line[0]), dtype="float32", always_2d=True)
    samples = torch.from_numpy(wave[:, 0].copy())
    samples = samples / (samples.abs().max() + EPSILON)
    frames = min(len(samples) // FRAME, FEWSHOT_MOST)
    truth = torch.tensor([float(value) for value in line[1:]])
    return samples[: frames * FRAME].reshape(frames, FRAME), truth


def collated(items: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Padded samples [n, T], samples [n] and labels [n, C]."""
    frames = torch.nn.utils.rnn.pad_sequence([frames for frames, _ in items], batch_first=True)
    samples = torch.tensor([len(frames) * FRAME for frames, _ in items])
    return frames.reshape(len(items), -1), samples, torch.stack([truth for _, truth in items])


def looped_loss(outputs: Tensor, truth: Tensor) -> Tensor:
    """The mean over labels of the squared error, summed up clip by clip."""
    losses = []
    for label in range(truth.shape[1]):
        total = outputs.new_zeros(())
        for clip in range(len(truth)):
            total = total + (outputs[clip, label] - truth[clip, label]).square()
        losses.append(total / len(truth))
    return torch.stack(losses).mean()


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what it gave."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def reenacted(
    net: PublishedEmo18, root: Path, order: list[Any], where: torch.device
) -> list[float]:
    """The losses of some batches, as upstream trains on them."""
    net = net.to(where).train()
    rate, decay = OFFICIAL.learning_rate, OFFICIAL.weight_decay
    adam = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=decay)
    losses, kept = [], []
    for rows in order:
        waves, samples, truth = collated([item(root, "train", int(row)) for row in rows])
        adam.zero_grad()
        outputs = net(waves.to(where), samples)
        kept.append(outputs)
        loss = looped_loss(outputs, truth.to(where))
        loss.backward()
        adam.step()
        losses.append(loss.item())
    return losses


def one_by_one(net: PublishedEmo18, root: Path, clips: int, where: torch.device) -> Floats:
    """[n, C]: validation with batches of one clip."""
    net.eval()
    told = []
    with torch.no_grad():
        for row in range(clips):
            waves, samples, _ = collated([item(root, "dev", row)])
            told.append(net(waves.to(where), samples)[0].cpu().numpy())
    return np.stack(told).astype(np.float64)


def ours(net: PublishedEmo18, train: Data, dev: Data, order: list[Any]) -> tuple[Any, ...]:
    """Seconds of training and validation, the losses, the outputs for dev."""
    plan = replace(OFFICIAL, epochs=1)
    training = Training(net, plan, mse_loss, task=TASK, train=train, dev=dev, seed=0)
    training.batches = lambda rng: order  # type: ignore[method-assign]
    losses, step = [], training.step
    training.step = lambda batch: losses.append(step(batch)) or losses[-1]  # type: ignore
    line = Line(TASK.metric.key, len(train), 1, 0, None)
    train_s, _ = timed(lambda: training.one_epoch(line))
    dev_s, told = timed(training.predict)
    return train_s, dev_s, torch.stack(losses).tolist(), told


def main() -> None:
    """Time both sides and print seconds, ratios and how far the losses are apart."""
    parser = argparse.ArgumentParser(description="A few-shot training epoch against upstream's.")
    parser.add_argument("--clips", type=int, default=2_000, help="of train, and as many of dev")
    parser.add_argument("--width", type=float, default=1.0, help="factor on channels and units")
    parser.add_argument("--fraction", type=float, default=1.0, help="of the re-enacted epoch")
    options = parser.parse_args()
    where = device()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        labels = {n: write_clips(root, n, options.clips, s) for s, n in enumerate(("train", "dev"))}
        store_s, held = timed(lambda: [prepared(root, name, labels[name]) for name in labels])
        train, dev = held
        order = shuffled(len(train), OFFICIAL.batch, np.random.default_rng(0))
        torch.manual_seed(0)
        net = initialise(PublishedEmo18(LABELS, width=options.width), "fewshot")
        other = copy.deepcopy(net)
        other.in_test = True  # its items are divided by their peak before they reach it
        some = order[: max(1, round(options.fraction * len(order)))]
        clips = max(1, round(options.fraction * options.clips))
        scale = len(order) / len(some), options.clips / clips
        print(
            f"{options.clips:,} clips of train and of dev, width {options.width:g} "
            f"({sum(w.numel() for w in net.parameters()):,} weights), {where.type}, "
            f"{torch.get_num_threads()} threads; store filled in {store_s:.1f} s"
        )
        ours_read_s, _ = timed(lambda: [train.batch(rows, where) for rows in order])
        read_s, _ = timed(lambda: [collated([item(root, "train", int(row)) for row in rows])
                                   for rows in some])  # fmt: skip
        train_s, dev_s, losses, told = ours(net, train, dev, order)
        slow_s, slow_losses = timed(lambda: reenacted(other, root, some, where))
        apart = float(np.abs(np.subtract(losses[: len(slow_losses)], slow_losses)).max())
        slow_dev_s, slow_told = timed(lambda: one_by_one(other, root, clips, where))
    lines = {
        "reading alone": (ours_read_s, read_s * scale[0]),
        "training": (train_s, slow_s * scale[0]),
        "validation": (dev_s, slow_dev_s * scale[1]),
    }
    lines["epoch"] = (train_s + dev_s, lines["training"][1] + lines["validation"][1])
    for name, (fast, slow) in lines.items():
        print(f"{name:14} {fast:8.2f} s  re-enacted {slow:8.2f} s  ratio {slow / fast:6.2f}")
    print(f"losses of {len(slow_losses)} batches: {apart:.1e} apart at most (target: {AGREE:g})")
    if options.fraction == 1:
        values = [dev_value(TASK, dev.part, each) for each in (told, slow_told)]
        print(f"{TASK.metric.key} on dev: {values[0]:.4f}, re-enacted {values[1]:.4f}")
    ratio = lines["epoch"][1] / lines["epoch"][0]
    print(f"target {TARGET:g}: {'met' if ratio >= TARGET and apart <= AGREE else 'NOT met'}")


if __name__ == "__main__":
    main()
