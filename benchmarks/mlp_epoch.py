"""One epoch of the ComParE network: ours against the same loop over a DataLoader, default Adam.

    python benchmarks/mlp_epoch.py            # 19,990 clips x 6,373 columns, batches of 8: 3 GB
    python benchmarks/mlp_epoch.py --clips 4000

Random data, ten outputs, as A-VB High. Both sides train the same network with the same loss from
the same weights, on one thread each, in this one process. The time per clip does not depend on the
number of clips, so the DataLoader may be timed on a part of an epoch (--fraction) and scaled up.
The mean loss of what was timed stands beside it: over whole epochs the two agree but for the order.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice

import torch
from torch.utils.data import DataLoader, TensorDataset

from affectbench.systems.mlp import (
    BATCH,
    LEARNING_RATE,
    WEIGHT_DECAY,
    network,
    one_epoch,
    one_thread,
    squared_loss,
)

DIM, OUTPUTS = 6_373, 10


def start(*, fused: bool) -> tuple[torch.nn.Module, torch.optim.Adam]:
    """The network at the same initial weights each time, and its optimiser."""
    torch.manual_seed(0)
    net = network(DIM, OUTPUTS, bounded=True)
    settings = {"lr": LEARNING_RATE, "weight_decay": WEIGHT_DECAY}
    return net, torch.optim.Adam(net.parameters(), **settings, **({"fused": True} if fused else {}))


def ours(inputs: torch.Tensor, targets: torch.Tensor) -> tuple[float, float]:
    """Seconds of an epoch with resident tensors and fused Adam, and its mean loss."""
    net, adam = start(fused=True)
    order = torch.Generator().manual_seed(0)
    began = time.perf_counter()
    loss = one_epoch(net, adam, squared_loss, inputs, targets, order)
    return time.perf_counter() - began, loss


def loader(inputs: torch.Tensor, targets: torch.Tensor, fraction: float) -> tuple[float, float]:
    """Seconds of an epoch over a DataLoader with default Adam, scaled up, and its mean loss."""
    net, adam = start(fused=False)
    batches = DataLoader(TensorDataset(inputs, targets), batch_size=BATCH, shuffle=True)
    steps = max(1, round(len(batches) * fraction))
    total = 0.0
    began = time.perf_counter()
    for features, truth in islice(batches, steps):
        adam.zero_grad()
        loss = squared_loss(net(features), truth)
        loss.backward()
        adam.step()
        total += loss.item()
    return (time.perf_counter() - began) * len(batches) / steps, total / steps


def main() -> None:
    """Time both sides in turn and print the ratio of the best of each."""
    parser = argparse.ArgumentParser(description="Ours against a DataLoader with default Adam.")
    parser.add_argument("--clips", type=int, default=19_990, help="N (default: A-VB train)")
    parser.add_argument("--fraction", type=float, default=1.0, help="of an epoch, DataLoader side")
    parser.add_argument("--repeats", type=int, default=2, help="of both; the best of each counts")
    options = parser.parse_args()
    random = torch.Generator().manual_seed(1)
    inputs = torch.randn(options.clips, DIM, generator=random)
    targets = torch.rand(options.clips, OUTPUTS, generator=random)
    print(f"{options.clips:,} x {DIM:,}, batch {BATCH}, torch {torch.__version__}, one thread")
    fast, slow = [], []
    with one_thread():
        for _ in range(options.repeats):
            fast.append(ours(inputs, targets))
            slow.append(loader(inputs, targets, options.fraction))
    (fast_s, fast_loss), (slow_s, slow_loss) = min(fast), min(slow)
    scaled = "" if options.fraction == 1 else f" (timed on {options.fraction:.0%} and scaled up)"
    print(f"ours, resident, fused Adam    {fast_s:7.2f} s an epoch, mean loss {fast_loss:.4f}")
    print(
        f"DataLoader, default Adam      {slow_s:7.2f} s an epoch, mean loss {slow_loss:.4f}{scaled}"
    )
    print(f"ratio                         {slow_s / fast_s:7.2f}   (target: 3 or more)")


if __name__ == "__main__":
    main()
