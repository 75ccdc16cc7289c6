"""CNN14 and CNN10: convolutions over a log-mel spectrogram, pooled over all of a clip.

Source: Kong et al. 2020, PANNs, doi:10.1109/TASLP.2020.3030497; the front end and the crops are
those of Triantafyllopoulos et al. 2022, arXiv:2206.06680.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from affectbench.features.mel import Mel, torch_log_mel

# Zeros before and after the wave: what stands beside a clip in a batch is zero too.
MEL: Final = Mel(n_fft=512, hop=160, n_mels=64, low_hz=50.0, high_hz=8_000.0, pad="constant")
POOLED: Final = 5  # blocks that are followed by a pooling, of CNN14 all but the last
DROP_BLOCK: Final = 0.2  # dropout after each block
DROP_EMBEDDING: Final = 0.5  # before and after the last hidden layer
STRIPES: Final = 2  # of each kind that SpecAugment hides
TIME_STRIPE: Final = 32  # frames (0.32 s), at most
MEL_STRIPE: Final = 8  # bands, at most


class SpectrogramCNN(nn.Module):
    """Waves [n, T] of full scale 1 and their samples [n] -> [n, C].

    Blocks of two 3 x 3 convolutions, each followed by the mean of 2 x 2 (in CNN14 not by the last);
    then the mean over bands, mean plus maximum over time, a hidden layer and a linear head. A clip
    of fewer frames than one pooled frame takes (0.32 s in CNN14, 0.16 s in CNN10) is padded with
    zeros.

    Padding is set to zero before each convolution, and stays out of the statistics of the batch,
    the pooling and the masks: a clip's output does not depend on what stands beside it, but for
    rounding.

    Args:
        outputs: C.
        channels: of each block.
        bounds: lowest and highest output, between which a sigmoid leads; None: no activation.
        augment: whether SpecAugment hides stripes in training (Park et al. 2019,
            doi:10.21437/Interspeech.2019-2680).
        dropout: factor on the published shares; 0 is none.
        mel: how the spectrogram is made.
    """

    def __init__(
        self,
        outputs: int,
        channels: Sequence[int],
        *,
        bounds: tuple[float, float] | None = None,
        augment: bool = True,
        dropout: float = 1.0,
        mel: Mel = MEL,
    ) -> None:
        super().__init__()
        self.mel = mel
        self.bounds = bounds
        self.augment = augment
        self.dropout = dropout
        pools = [2] * min(len(channels), POOLED) + [1] * max(0, len(channels) - POOLED)
        self.least = (math.prod(pools) - 1) * mel.hop  # samples that give one pooled frame
        self.norm = MaskedNorm(mel.n_mels)
        self.blocks = nn.ModuleList(
            Block(fan_in, fan_out, pool)
            for fan_in, fan_out, pool in zip((1, *channels), channels, pools, strict=False)
        )
        self.hidden = nn.Linear(channels[-1], channels[-1])
        self.head = nn.Linear(channels[-1], outputs)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
            if isinstance(layer, nn.Linear):
                nn.init.zeros_(layer.bias)
        # Faster, on the CPU by an eighth.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, waves: Tensor, samples: Tensor) -> Tensor:
        """[n, C]: the head on the embedding."""
        embedding = functional.dropout(
            self.embed(waves, samples), DROP_EMBEDDING * self.dropout, self.training
        )
        output: Tensor = self.head(embedding)
        if self.bounds is None:
            return output
        low, high = self.bounds
        return low + (high - low) * output.sigmoid()

    def embed(self, waves: Tensor, samples: Tensor) -> Tensor:
        """[n, channels of the last block]: the hidden layer."""
        x, frames = self.spectrogram(waves, samples)
        for block in self.blocks:
            x, frames = block(x, frames)
            x = functional.dropout(x, DROP_BLOCK * self.dropout, self.training)
        pooled = pooled_over_time(x.mean(dim=3), frames)
        pooled = functional.dropout(pooled, DROP_EMBEDDING * self.dropout, self.training)
        embedding: Tensor = functional.relu(self.hidden(pooled))
        return embedding

    def spectrogram(self, waves: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        """[n, 1, F, bands] standardised by band, and the frames [n] of each clip, on the CPU."""
        waves = functional.pad(waves, (0, max(0, self.least - waves.shape[1])))
        frames = 1 + samples.cpu().clamp(min=self.least) // self.mel.hop
        with torch.autocast(waves.device.type, enabled=False):
            x = torch_log_mel(waves.float(), self.mel)
        x = x.transpose(1, 2)[..., None]  # [n, bands, F, 1]: the first norm is by band
        held = mask(frames, x)
        x = masked(self.norm(x, held), held).permute(0, 3, 2, 1)
        if self.training and self.augment:
            every = torch.full_like(frames, self.mel.n_mels)
            x = x * kept(frames, x.shape[2], TIME_STRIPE).to(x.device)[:, None, :, None]
            x = x * kept(every, x.shape[3], MEL_STRIPE).to(x.device)[:, None, None, :]
        return x, frames


class Block(nn.Module):
    """Two 3 x 3 convolutions with batch norm and ReLU, then the mean of ``pool`` x ``pool``."""

    def __init__(self, fan_in: int, fan_out: int, pool: int) -> None:
        super().__init__()
        self.pool = pool
        self.first = nn.Conv2d(fan_in, fan_out, 3, padding=1, bias=False)
        self.first_norm = MaskedNorm(fan_out)
        self.second = nn.Conv2d(fan_out, fan_out, 3, padding=1, bias=False)
        self.second_norm = MaskedNorm(fan_out)

    def forward(self, x: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """[n, fan_in, F, bands] and frames [n] -> the same after the block, padding at zero."""
        held = mask(frames, x)
        x = masked(functional.relu(self.first_norm(self.first(x), held)), held)
        x = functional.relu(self.second_norm(self.second(x), held))
        if self.pool > 1:
            x = functional.avg_pool2d(x, self.pool)
            frames = frames // self.pool
        return masked(x, mask(frames, x)), frames


class MaskedNorm(nn.BatchNorm2d):
    """Batch norm whose statistics are those of the frames of clips, not of padding."""

    def forward(self, x: Tensor, held: Tensor | None = None) -> Tensor:
        """[n, C, F, W]; ``held`` [n, 1, F, 1] is True in clips, None where there is no padding."""
        if held is None or not self.training:
            output: Tensor = super().forward(x)
            return output
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        x = x.float()
        count = held.sum() * x.shape[3]
        mean = (x * held).sum(dim=(0, 2, 3), keepdim=True) / count
        apart = x - mean
        variance = (apart.square() * held).sum(dim=(0, 2, 3), keepdim=True) / count
        with torch.no_grad():
            unbiased = variance.flatten() * count / (count - 1).clamp(min=1)
            self.running_mean.lerp_(mean.flatten(), self.momentum)
            self.running_var.lerp_(unbiased, self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight[:, None, None] * torch.rsqrt(variance + self.eps)
        return apart * scale + self.bias[:, None, None]


def pooled_over_time(x: Tensor, frames: Tensor) -> Tensor:
    """[n, C, F] and frames [n] -> [n, C]: mean plus maximum over the frames of each clip."""
    held = mask(frames, x[..., None])
    if held is None:
        return x.mean(dim=2) + x.amax(dim=2)
    held = held[..., 0]
    mean = (x * held).sum(dim=2) / held.sum(dim=2)
    return mean + x.masked_fill(~held, -torch.inf).amax(dim=2)


def mask(frames: Tensor, x: Tensor) -> Tensor | None:
    """[n, 1, F, 1]: True in the first ``frames`` [n] of each row of ``x`` [n, C, F, W].

    None where all rows are full. ``frames`` is on the CPU, the mask where ``x`` is.
    """
    if int(frames.min()) >= x.shape[2]:
        return None
    return (torch.arange(x.shape[2]) < frames[:, None])[:, None, :, None].to(x.device)


def masked(x: Tensor, held: Tensor | None) -> Tensor:
    """``x`` with zeros where ``held`` is False."""
    return x if held is None else x * held


def kept(lengths: Tensor, size: int, widest: int) -> Tensor:
    """[n, size]: 0 in two random stripes within the first ``lengths`` [n] of each row, else 1.

    A stripe takes up to ``widest``, and up to half of the row.
    """
    at = torch.arange(size)
    keep = torch.ones(len(lengths), size)
    for _ in range(STRIPES):
        width = (torch.rand(len(lengths)) * (lengths // 2).clamp(max=widest)).round()
        start = (torch.rand(len(lengths)) * (lengths - width)).floor()
        hidden = (at >= start[:, None]) & (at < (start + width)[:, None])
        keep *= ~hidden
    return keep
