"""Networks that hear waves: batches against one by one, an epoch, memory by the size of a corpus.

    python benchmarks/neural.py                          # 200 clips, CPU: some minutes
    python benchmarks/neural.py --clips 20000 --device cuda

Waves of noise, 0.3 to 5 s (2.2 s on average, as in HUME-VOCALBURST), lie in one file and are read
when asked for. Three things are measured, each network in this one process on the same waves;
seconds are those of the processor where there is no GPU:

- evaluation: batches of about equal length against one clip at a time, in turn, and how far the
  outputs differ. Target: 5 or more on a GPU, never below 1 without.
- training: clips per second of one epoch, reading included.
- memory: the peak of a process that trains an epoch and predicts, on a number of clips and on four
  times as many, with a CNN14 of two channels a block. Target: the same.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from affectbench.device import device, use_device
from affectbench.systems.neural.batches import Data, predict
from affectbench.systems.neural.line import Line
from affectbench.systems.neural.loop import Training
from affectbench.systems.neural.models import (
    End2You,
    SpectrogramModel,
    WaveModel,
    cnn10,
    cnn14,
    cnn14_small,
)
from affectbench.tasks import TASKS
from affectbench.types import Part

TASK = TASKS["avb-high"]
NETWORKS: dict[str, Callable[[], WaveModel]] = {
    "end2you": lambda: End2You(TASK, 0),
    "cnn14-small-ccc": lambda: cnn14_small(TASK, 0, "sound"),
    "cnn10-ccc": lambda: cnn10(TASK, 0, "sound"),
    "cnn14-ccc": lambda: cnn14(TASK, 0, "sound"),
}


class OnDisk(Sequence):
    """Waves end to end in a file."""

    def __init__(self, path: Path, samples: np.ndarray) -> None:
        self.path = path
        self.samples = samples
        self.starts = np.concatenate([[0], np.cumsum(samples)])

    def __len__(self) -> int:
        """N."""
        return len(self.samples)

    def __getitem__(self, row: int) -> np.ndarray:
        """[T] of one clip."""
        count = int(self.samples[row])
        return np.fromfile(self.path, "<i2", count, offset=2 * int(self.starts[row]))


def corpus(folder: Path, clips: int) -> Part:
    """Clips of noise with random labels."""
    rng = np.random.default_rng(0)
    samples = (16_000 * np.clip(rng.gamma(3, 0.75, clips), 0.3, 5)).astype(np.int64)
    path = folder / f"{clips}.i16"
    with path.open("wb") as file:
        for count in samples:
            rng.integers(-8_000, 8_000, count, np.int16).tofile(file)
    ids = tuple(f"{row:05d}" for row in range(clips))
    labels = rng.uniform(size=(clips, TASK.target.outputs))
    empty = np.empty((clips, 0), np.float32)
    return Part(ids, empty, labels, (None,) * clips, OnDisk(path, samples))


def one_by_one(net: torch.nn.Module, data: Data) -> np.ndarray:
    """[N, C]: each clip alone, in the order of the data."""
    net.eval()
    found = []
    with torch.inference_mode():
        for row in range(len(data)):
            batch = data.batch(np.array([row]), device())
            found.append(net(batch.waves, batch.samples).float().cpu().numpy())
    return np.concatenate(found)


def seconds() -> float:
    """Of this process on a CPU, whatever else runs there; of the clock beside a GPU."""
    return time.process_time() if device().type == "cpu" else time.perf_counter()


def evaluation(name: str, part: Part, repeats: int) -> None:
    """Print seconds of both ways, the ratio of the best of each, and the difference."""
    torch.manual_seed(0)
    net, data = NETWORKS[name]().network().to(device()), Data(part)
    fast, slow = [], []
    for _ in range(repeats):
        began = seconds()
        together = predict(net, data, device())
        middle = seconds()
        alone = one_by_one(net, data)
        fast.append(middle - began)
        slow.append(seconds() - middle)
    apart = np.abs(together - alone).max()
    print(
        f"{name:16} evaluation  batches {min(fast):7.2f} s  one by one {min(slow):7.2f} s  "
        f"ratio {min(slow) / min(fast):5.2f}  outputs differ by {apart:.1e}",
        flush=True,
    )


def training(model: WaveModel, part: Part) -> Training:
    """A run that has not begun."""
    torch.manual_seed(0)
    data = model.data(part)
    return Training(
        model.network(), model.plan(), model.loss(data), task=TASK, train=data, dev=data, seed=0
    )


def epoch(name: str, part: Part) -> None:
    """Print how long an epoch takes."""
    run = training(NETWORKS[name](), part)
    began = seconds()
    run.one_epoch(Line("", len(part.clips), 1, 0, None))
    taken = seconds() - began
    print(
        f"{name:16} training    {taken:7.2f} s an epoch of {len(part.clips):,} clips, "
        f"{len(part.clips) / taken:.3g} clips/s",
        flush=True,
    )


def peak(part: Part, on: str | None) -> None:
    """Print the peak memory of this process after an epoch and a prediction."""
    torch.set_num_threads(1)
    with use_device(on):
        run = training(SpectrogramModel(TASK, 0, (2,) * 6), part)
        run.one_epoch(Line("", len(part.clips), 1, 0, None))
        run.predict()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    held_mb = 2 * int(part.waves.samples.sum()) / 2**20
    print(
        f"memory: {peak_mb:7,.0f} MB at most, {len(part.clips):,} clips of {held_mb:,.0f} MB",
        flush=True,
    )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description="Speed and memory of networks that hear waves.")
    parser.add_argument("--clips", type=int, default=200, help="N (default: 200)")
    parser.add_argument(
        "--networks", nargs="*", choices=NETWORKS, default=["end2you", "cnn14-small-ccc"]
    )
    parser.add_argument("--memory-clips", type=int, default=1_000, help="and four times as many")
    parser.add_argument("--repeats", type=int, default=2, help="of both ways of evaluation")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default: 1)")
    parser.add_argument("--device", help="cpu or cuda; the GPU where there is one")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder, use_device(options.device):
        part = corpus(Path(folder), options.clips)
        print(
            f"{options.clips:,} clips, {device()}, {options.threads} threads, {torch.__version__}"
        )
        for name in options.networks:
            evaluation(name, part, options.repeats)
            epoch(name, part)
        spawn = multiprocessing.get_context("spawn")
        for clips in (options.memory_clips, 4 * options.memory_clips):
            part = corpus(Path(folder), clips)
            child = spawn.Process(target=peak, args=(part, options.device))
            child.start()
            child.join()


if __name__ == "__main__":
    main()
