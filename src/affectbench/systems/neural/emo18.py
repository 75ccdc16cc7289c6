"""``emo18``, the network of End2You: a CNN on frames of 0.1 s, two LSTM layers, the last frame.

Source: Tzirakis, Zhang & Schuller 2018, End2You, doi:10.1109/ICASSP.2018.8462677; its form in the
baselines of ExVo 2022 (arXiv:2205.01780) and A-VB 2022 (arXiv:2207.03572).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import torch
from torch import Tensor, nn

FRAME: Final = 1_600  # samples: 0.1 s at 16 kHz
CHANNELS: Final = (64, 128, 256)
KERNELS: Final = ((8, 3, 10), (6, 2, 8), (6, 2, 8))  # of each block: kernel, padding, pooling
HIDDEN: Final = 256
PIECE: Final = 16  # frames: on a CPU more than twice as fast as hundreds at once
FEWSHOT_MOST: Final = 200  # frames (20 s) of a clip that the few-shot baseline trains on

Frames = Callable[[Tensor], Tensor]  # samples [n] -> frames [n]


def whole_frames(samples: Tensor) -> Tensor:
    """Every sample: the last frame is padded with zeros. At least one frame."""
    return ((samples + FRAME - 1) // FRAME).clamp(min=1)


def fewshot_train_frames(samples: Tensor) -> Tensor:
    """Training of the few-shot baseline: the tail is dropped, a short clip padded, 20 s at most."""
    return (samples // FRAME).clamp(1, FEWSHOT_MOST)


def fewshot_test_frames(samples: Tensor) -> Tensor:
    """Its test, and the Fréchet statistics: one frame more, of zeros where nothing is left."""
    return samples // FRAME + 1


def end2you_stored_frames(samples: Tensor) -> Tensor:
    """End2You as it stores a clip: the tail is dropped; 0 for a clip shorter than a frame."""
    return samples // FRAME


def end2you_frames(samples: Tensor) -> Tensor:
    """End2You as it reads a clip back: the last whole frame is lost too. May be 0, as upstream."""
    return (samples // FRAME - 1).clamp(min=0)


class Emo18(nn.Module):
    """Waves [n, T] of full scale 1 and their samples [n] -> the output at the last frame, [n, C].

    The CNN hears the frames of the clips, not the padding beside them. The LSTM runs forward in
    time, so that nothing after the last frame of a clip can reach it.

    Args:
        outputs: C. There is no activation at the end.
        frames: how many frames a clip of so many samples has; a clip without any counts as one.
        packed: False puts the frames of padding through the CNN as well, as the published code
            does: in training they then count in the statistics of the batch.
        width: factor on the channels and the hidden size; 1 is as published.
    """

    def __init__(
        self,
        outputs: int,
        *,
        frames: Frames = whole_frames,
        packed: bool = True,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        self.frames = frames
        self.packed = packed
        channels = [max(1, round(width * c)) for c in CHANNELS]
        blocks: list[nn.Module] = []
        length = FRAME
        for fan_in, fan_out, (kernel, padding, pool) in zip(
            (1, *channels), channels, KERNELS, strict=False
        ):
            blocks += [
                nn.Conv1d(fan_in, fan_out, kernel, padding=padding),
                nn.BatchNorm1d(fan_out),
                nn.MaxPool1d(pool),  # before the LeakyReLU it gives the same: that one is monotone
                nn.LeakyReLU(),
            ]
            length = (length + 2 * padding - kernel + 1) // pool
        self.cnn = nn.Sequential(*blocks, nn.Flatten())
        hidden = max(1, round(width * HIDDEN))
        self.lstm = nn.LSTM(channels[-1] * length, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, waves: Tensor, samples: Tensor) -> Tensor:
        """[n, C]: the head on the state at the last frame."""
        output: Tensor = self.head(self.state(waves, samples))
        return output

    def state(self, waves: Tensor, samples: Tensor) -> Tensor:
        """[n, 256]: the upper LSTM layer at the last frame of each clip."""
        count = self.frames(samples.cpu()).clamp(min=1)
        return self.states(waves, count)[torch.arange(len(waves)), count - 1]

    def states(self, waves: Tensor, count: Tensor) -> Tensor:
        """[n, F, 256]: the upper LSTM layer at all frames; the first ``count`` [n] are a clip's."""
        most = int(count.max())
        waves = nn.functional.pad(waves, (0, max(0, most * FRAME - waves.shape[1])))
        framed = waves[:, : most * FRAME].reshape(len(waves), most, FRAME)
        held = (torch.arange(most) < count[:, None]).to(waves.device)
        if self.packed:
            features = self.convolved(framed[held][:, None])
            sequence = features.new_zeros(len(waves), most, features.shape[1])
            sequence[held] = features
        else:
            # Frames that a clip does not have are zeros, also where its tail was dropped.
            framed = framed * held[..., None]
            features = self.convolved(framed.reshape(-1, 1, FRAME))
            sequence = features.reshape(len(waves), most, -1)
        states: Tensor = self.lstm(sequence)[0]
        return states

    def convolved(self, frames: Tensor) -> Tensor:
        """[F, 1, 1600] -> [F, 512]; on a CPU in evaluation in pieces that its cache holds."""
        if self.training or frames.is_cuda:
            features: Tensor = self.cnn(frames)
            return features
        return torch.cat([self.cnn(piece) for piece in torch.split(frames, PIECE)])


def initialise(net: Emo18, scheme: Literal["end2you", "fewshot"]) -> Emo18:
    """Draw the weights as a published code does, from torch's global generator.

    Both draw convolutions Kaiming-uniform with zero bias. The few-shot baseline does the same with
    LSTM and head; End2You leaves these to torch.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv1d) or (
            scheme == "fewshot" and isinstance(module, nn.LSTM | nn.Linear)
        ):
            for name, weight in module.named_parameters(recurse=False):
                if "bias" in name:
                    nn.init.zeros_(weight)
                else:
                    nn.init.kaiming_uniform_(weight)
    return net
