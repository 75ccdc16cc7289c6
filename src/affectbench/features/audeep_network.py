"""The recurrent autoencoder of ``audeep``: its network, and its training on one clip level.

An encoder reads the frames of a spectrogram; its final states, through a dense layer and tanh, are
the code; two decoders start from the code and write the frames down in reverse order. One goes
forward in that order and is given the true frame before, the other goes backward and is given the
true frame after; a dense layer joins what they say. Sutskever et al. 2014, arXiv:1409.3215, for the
reversal; Amiriparian et al. 2017, "Sequence to sequence autoencoders for unsupervised
representation learning from audio", DCASE; Freitag et al. 2018, arXiv:1712.04382.

Nothing here touches the global random state, so that levels can be trained side by side in threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from affectbench import store
from affectbench.device import device
from affectbench.errors import AffectBenchError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

LEARNING_RATE: Final = 1e-3
KEEP: Final = 0.8  # of what enters and leaves every layer, in training
GRADIENT: Final = 2.0  # every component is held within plus and minus this
TINY: Final = 1e-12  # under the root of the loss, where its slope would be infinite

Drop = Callable[["Tensor"], "Tensor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the codes depend on besides the corpus; the defaults are those of ComParE 2023."""

    units: int = 256  # GRU units of a layer
    layers: int = 2  # of the encoder, and of each of the two decoders
    epochs: int = 64
    batch: int = 512  # clips of a step
    levels: tuple[float, ...] = (-30.0, -45.0, -60.0, -75.0)  # dB below the loudest of a clip
    seconds: float = 3.0  # to which every clip is cut or padded
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        counts = (self.units, self.layers, self.epochs, self.batch, len(self.levels))
        if min(counts) < 1 or self.seconds <= 0:
            raise ValueError(f"{self}: expected at least 1 of everything, and more than 0 seconds")
        if max(self.levels) >= 0 or len(set(self.levels)) < len(self.levels):
            raise ValueError(f"levels {self.levels}: expected different values below 0 dB")

    @property
    def code(self) -> int:
        """Numbers of one level: the initial states of both decoders."""
        return 2 * self.layers * self.units

    @property
    def dim(self) -> int:
        """D: the codes of all levels side by side."""
        return len(self.levels) * self.code


def network(bands: int, settings: Settings) -> nn.ModuleDict:
    """An autoencoder of frames of ``bands`` values; its weights are not set yet."""
    import torch
    from torch import nn

    def stack() -> nn.ModuleList:
        sizes = [bands, *[settings.units] * settings.layers]
        return nn.ModuleList(nn.GRU(*pair) for pair in pairwise(sizes))

    with torch.device("meta"):  # else the layers would draw weights of their own
        net = nn.ModuleDict(
            {
                "encoder": stack(),
                "code": nn.Linear(settings.layers * settings.units, settings.code),
                "forward_decoder": stack(),
                "backward_decoder": stack(),
                "forward_frame": nn.Linear(settings.units, bands),
                "backward_frame": nn.Linear(settings.units, bands),
                "frame": nn.Linear(2 * bands, bands),
            }
        )
    return net.to_empty(device="cpu")


def initialise(net: nn.ModuleDict, random: torch.Generator) -> None:
    """Draw the weights: uniform within plus and minus 1 / sqrt(fan in), of a GRU its units."""
    from torch import nn

    for module in net.modules():
        if isinstance(module, nn.GRU | nn.Linear):
            fan = module.hidden_size if isinstance(module, nn.GRU) else module.in_features
            for weights in module.parameters(recurse=False):
                nn.init.uniform_(weights, -1 / math.sqrt(fan), 1 / math.sqrt(fan), generator=random)


def scaled(loudness: Tensor, level_db: float) -> Tensor:
    """[B, F, M] dB below the loudest of a clip, cut at the level, to -1..1 clip by clip.

    -1 is the least value that is left and 1 the loudest; a clip of equal values, silence, is -1.
    """
    cut = loudness.clamp(min=level_db)
    low = cut.amin((1, 2), keepdim=True)
    span = (cut.amax((1, 2), keepdim=True) - low).clamp(min=1e-4)
    return 2 * (cut - low) / span - 1


def encode(net: nn.ModuleDict, frames: Tensor, drop: Drop = lambda values: values) -> Tensor:
    """[B, code]: the codes, -1..1, of frames [F, B, M]."""
    import torch

    _, finals = _run(net["encoder"], frames, None, drop)
    return torch.tanh(net["code"](torch.cat(finals, dim=1)))


def reconstruct(
    net: nn.ModuleDict, code: Tensor, frames: Tensor, drop: Drop = lambda values: values
) -> Tensor:
    """[F, B, M]: frames from codes, each from the code and one true neighbour."""
    import torch

    encoder: Any = net["encoder"]
    states = code.reshape(len(code), len(encoder), 2, -1).permute(2, 1, 0, 3).contiguous()
    said = []
    for name, flipped, initial in zip(
        ("forward", "backward"), (frames.flip(0), frames), states, strict=True
    ):
        # In the order in which this decoder goes, it is given the frame before: at first none.
        given = torch.cat([torch.zeros_like(flipped[:1]), flipped[:-1]])
        outputs, _ = _run(net[f"{name}_decoder"], given, initial, drop)
        said.append(torch.tanh(net[f"{name}_frame"](outputs)))
    said[0] = said[0].flip(0)  # both in the order of time
    return torch.tanh(net["frame"](torch.cat(said, dim=2)))


def _run(
    stack: Any, inputs: Tensor, states: Tensor | None, drop: Drop
) -> tuple[Tensor, list[Tensor]]:
    """Outputs [F, B, units] of the last layer, and the final state [B, units] of each."""
    finals = []
    for depth, layer in enumerate(stack):
        outputs, final = layer(drop(inputs), None if states is None else states[depth][None])
        inputs = drop(outputs)
        finals.append(final[0])
    return inputs, finals


def train(
    loudness: NDArray[np.float32],
    level_db: float,
    settings: Settings,
    *,
    told: Callable[[], None],
    stopped: Callable[[], bool],
) -> tuple[dict[str, NDArray[np.float32]], list[float]] | None:
    """Train one autoencoder: its weights by name, and the mean loss of each epoch.

    The loss is the root of the mean squared difference of a batch, frames of -1..1. ``told`` is
    called after each epoch; None comes back as soon as ``stopped`` says so. On a CPU, within
    ``one_thread``, the same seed gives the same bytes on processors with the same instructions.

    Args:
        loudness: [N, F, M] dB below the loudest of each clip.
        level_db: where it is cut.
        settings: of the network and its training.
        told: to report progress.
        stopped: asked before each batch.

    Raises:
        AffectBenchError: the loss is NaN or infinite.
    """
    import torch

    at = device()
    seed = int(store.digest(str(settings.seed), f"{level_db:g}")[:15], 16)
    net = network(loudness.shape[2], settings)
    initialise(net, torch.Generator().manual_seed(seed))
    net.to(at)
    random = torch.Generator(at).manual_seed(seed)

    def drop(values: Tensor) -> Tensor:
        kept = torch.empty_like(values).bernoulli_(KEEP, generator=random)
        return values * kept / KEEP

    adam = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
    losses = []
    for epoch in range(settings.epochs):
        order = torch.randperm(len(loudness), generator=random, device=at).cpu().numpy()
        total = 0.0
        for start in range(0, len(order), settings.batch):
            if stopped():
                return None
            some = order[start : start + settings.batch]
            batch = torch.from_numpy(loudness[some]).to(at)
            frames = scaled(batch, level_db).transpose(0, 1).contiguous()
            code = encode(net, frames, drop)
            difference = reconstruct(net, code, frames, drop) - frames
            loss = (difference.square().mean() + TINY).sqrt()
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_value_(net.parameters(), GRADIENT)
            adam.step()
            total += loss.item() * len(some)
        losses.append(total / len(loudness))
        if not math.isfinite(losses[-1]):
            raise AffectBenchError(
                f"The autoencoder at {level_db:g} dB had a loss of {losses[-1]} in epoch "
                f"{epoch + 1} of {settings.epochs}. Try another seed, or fewer units."
            )
        told()
    return {name: weights.cpu().numpy() for name, weights in net.state_dict().items()}, losses


def codes(
    nets: Sequence[nn.ModuleDict], levels: Sequence[float], loudness: NDArray[np.float32]
) -> NDArray[np.float32]:
    """[B, D]: the codes of all levels side by side, of clips [B, F, M]."""
    import torch

    at = device()
    clips = torch.from_numpy(loudness).to(at)
    with torch.inference_mode():
        found = [
            encode(net, scaled(clips, level).transpose(0, 1).contiguous())
            for net, level in zip(nets, levels, strict=True)
        ]
        return np.asarray(torch.cat(found, dim=1).cpu().numpy())
