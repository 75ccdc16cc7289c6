"""Tones that a network can learn by heart, and small versions of the systems that hear waves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from affectbench.systems.neural.models import End2You, SpectrogramModel
from affectbench.tasks import TASKS
from affectbench.types import Part

TWO = TASKS["avb-two"]
TYPE = TASKS["avb-type"]
SMALL = (4, 8, 8, 16, 16, 32)  # channels of a CNN14 that a test can afford


@pytest.fixture(autouse=True)
def one_thread():
    """Threads of torch wait for each other at small networks, and on busy machines for long."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def wave(seconds: float, pitch: float = 0.5, loudness: float = 0.5, seed: int = 0) -> np.ndarray:
    """A tone of 200 to 2,000 Hz in a little noise."""
    time_s = np.arange(round(seconds * 16_000)) / 16_000
    noise = np.random.default_rng(seed).standard_normal(len(time_s))
    tone = np.sin(2 * np.pi * 200 * 10**pitch * time_s)
    return (16_000 * (0.05 + 0.95 * loudness) * (tone + 0.01 * noise)).astype(np.int16)


def tones(count: int = 16, *, task=TWO, seed: int = 0, shortest: float = 0.1) -> Part:
    """Tones of 0.1 to 0.4 s: two labels that follow pitch and loudness, or the class the pitch."""
    rng = np.random.default_rng(seed)
    known = rng.uniform(size=(count, 2))
    labels = known
    if task.target.kind == "classification":
        labels = np.arange(count) % task.target.outputs
        known[:, 0] = labels / (task.target.outputs - 1)
    waves = [
        wave(rng.uniform(shortest, 0.4), pitch, loudness, seed=row)
        for row, (pitch, loudness) in enumerate(known)
    ]
    ids = tuple(f"clip{row:02d}" for row in range(count))
    return Part(ids, np.empty((count, 0), np.float32), labels, (None,) * count, waves)


def small(kind: type, **changes: object) -> type:
    """The model with changes to its plan."""

    class Small(kind):
        def plan(self):
            return dataclasses.replace(super().plan(), **changes)

    return Small


def cnn(task=TWO, seed: int = 0, channels: tuple[int, ...] = SMALL, **changes: object):
    """A small CNN14 without what keeps it from learning by heart."""
    from affectbench.systems.neural.cnn import SpectrogramCNN

    class Plain(small(SpectrogramModel, **changes)):
        def network(self):
            bounds = super().network().bounds
            outputs = self.task.target.outputs
            return SpectrogramCNN(outputs, channels, bounds=bounds, augment=False, dropout=0)

    return Plain(task, seed, channels)


def end2you(task=TWO, seed: int = 0, mode: str = "sound", width: float = 0.0625, **changes: object):
    """A small End2You, the CNN and the LSTM narrower."""
    from affectbench.systems.neural.emo18 import Emo18

    class Narrow(small(End2You, **changes)):
        def network(self):
            whole = super().network()
            return Emo18(
                self.task.target.outputs, frames=whole.frames, packed=whole.packed, width=width
            )

    return Narrow(task, seed, mode)


def weights(net) -> bytes:
    """All numbers of a network, as bytes."""
    return b"".join(value.cpu().numpy().tobytes() for value in net.state_dict().values())
