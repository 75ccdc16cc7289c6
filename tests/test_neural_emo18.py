"""emo18: shapes, sizes and frames as documented, and no output that padding can change."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from affectbench.systems.neural import emo18  # noqa: E402
from affectbench.systems.neural.emo18 import Emo18, initialise  # noqa: E402
from neural_cases import one_thread  # noqa: E402, F401


@pytest.mark.parametrize(
    ("outputs", "weights"), [(2, 1_562_946), (8, 1_564_488), (10, 1_565_002), (40, 1_572_712)]
)
def test_the_weights_are_as_many_as_published(outputs, weights):
    net = Emo18(outputs)
    assert sum(weight.numel() for weight in net.parameters()) == weights
    assert sum(buffer.numel() for buffer in net.buffers()) == 899


def test_the_lengths_inside_the_cnn_are_as_published():
    lengths, x = [], torch.zeros(1, 1, emo18.FRAME)
    for layer in Emo18(2).cnn:
        x = layer(x)
        if isinstance(layer, torch.nn.Conv1d | torch.nn.MaxPool1d):
            lengths.append(x.shape[2])
    assert lengths == [1599, 159, 158, 19, 18, 2]
    assert x.shape == (1, 512)


@pytest.mark.parametrize(
    ("samples", "train", "test", "stored", "used", "whole"),
    [
        (1_599, 1, 1, 0, 0, 1),  # upstream stops at a clip that has no frame
        (1_600, 1, 2, 1, 0, 1),
        (3_200, 2, 3, 2, 1, 2),
        (16_000, 10, 11, 10, 9, 10),
        (32_000, 20, 21, 20, 19, 20),
        (33_000, 20, 21, 20, 19, 21),
        (16_000 * 60, 200, 601, 600, 599, 600),
    ],
)
def test_the_frames_of_each_baseline(samples, train, test, stored, used, whole):
    counted = [
        int(rule(torch.tensor([samples])))
        for rule in (
            emo18.fewshot_train_frames,
            emo18.fewshot_test_frames,
            emo18.end2you_stored_frames,
            emo18.end2you_frames,
            emo18.whole_frames,
        )
    ]
    assert counted == [train, test, stored, used, whole]


def some_waves():
    """Clips of less than a frame up to four frames, and in a batch."""
    rng = torch.Generator().manual_seed(1)
    samples = torch.tensor([700, 1_600, 4_000, 6_400])
    waves = torch.zeros(4, 6_400)
    for row, count in enumerate(samples):
        waves[row, :count] = torch.randn(int(count), generator=rng)
    return waves, samples


@pytest.mark.parametrize("packed", [True, False])
def test_padding_never_changes_an_output(packed):
    torch.manual_seed(0)
    net = Emo18(3, packed=packed, width=0.25).train()
    waves, samples = some_waves()
    net(waves, samples)
    net.eval()
    with torch.no_grad():
        together = net(waves, samples)
        padded = net(torch.nn.functional.pad(waves, (0, 5_000)), samples)
        alone = [net(w[None, :n], n[None]) for w, n in zip(waves, samples, strict=True)]
    assert together.std() > 1e-3
    assert torch.allclose(together, padded, atol=1e-6)
    assert torch.allclose(together, torch.cat(alone), atol=1e-6)


@pytest.mark.parametrize("packed", [True, False])
def test_padding_counts_in_the_statistics_of_a_batch_as_published_only(packed):
    torch.manual_seed(0)
    net = Emo18(3, packed=packed, width=0.25).train()
    waves, samples = some_waves()
    net(waves, samples)
    counts = [4] * 4 if not packed else [1, 1, 3, 4]  # frames of each clip
    frames = torch.cat(
        [wave[: count * emo18.FRAME] for wave, count in zip(waves, counts, strict=True)]
    )
    with torch.no_grad():
        heard = net.cnn[0](frames.reshape(-1, 1, emo18.FRAME))
    assert torch.allclose(net.cnn[1].running_mean, 0.1 * heard.mean(dim=(0, 2)), atol=1e-6)


def test_only_frames_up_to_the_last_reach_the_output():
    torch.manual_seed(0)
    net = Emo18(3, frames=emo18.end2you_frames, width=0.25).eval()
    wave = torch.randn(1, 6_400)
    changed = wave.clone()
    changed[:, 4_800:] = 0  # the fourth frame, which is lost
    with torch.no_grad():
        assert torch.equal(net(wave, torch.tensor([6_400])), net(changed, torch.tensor([6_400])))
        changed[:, 4_700] = 9
        assert not torch.equal(
            net(wave, torch.tensor([6_400])), net(changed, torch.tensor([6_400]))
        )


def highest(weight) -> float:
    return float(weight.detach().abs().max())


def test_the_weights_are_drawn_as_published():
    torch.manual_seed(0)
    few, end = initialise(Emo18(10), "fewshot"), initialise(Emo18(10), "end2you")
    for net in (few, end):
        for layer in net.cnn:
            if isinstance(layer, torch.nn.Conv1d):
                fan_in = layer.in_channels * layer.kernel_size[0]
                assert highest(layer.weight) == pytest.approx(np.sqrt(6 / fan_in), rel=0.05)
                assert not layer.bias.any()
    assert not few.lstm.bias_hh_l1.any() and not few.head.bias.any()
    assert highest(few.lstm.weight_ih_l0) == pytest.approx(np.sqrt(6 / 512), rel=0.01)
    assert end.lstm.bias_hh_l1.any()
    assert highest(end.lstm.weight_ih_l0) == pytest.approx(1 / 16, rel=0.01)
