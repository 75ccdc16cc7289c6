"""CNN14 and CNN10: the published sizes; padding stays out of every output and statistic."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from affectbench.systems.neural import cnn  # noqa: E402
from affectbench.systems.neural.cnn import MaskedNorm, SpectrogramCNN  # noqa: E402
from affectbench.systems.neural.models import CNN10_CHANNELS, CNN14_CHANNELS  # noqa: E402
from neural_cases import SMALL, one_thread  # noqa: E402, F401


@pytest.mark.parametrize(
    ("channels", "weights"), [(CNN14_CHANNELS, 80_753_615), (CNN10_CHANNELS, 5_219_279)]
)
def test_the_weights_are_as_many_as_published(channels, weights):
    """Kong et al. 2020: 527 classes of AudioSet."""
    with torch.device("meta"):
        net = SpectrogramCNN(527, channels)
    assert sum(weight.numel() for weight in net.parameters()) == weights


def some_waves():
    """A batch of clips of 0.006 to 2.5 s."""
    rng = torch.Generator().manual_seed(1)
    samples = torch.tensor([100, 1_600, 9_000, 25_001, 16_000, 40_000])
    waves = torch.zeros(len(samples), 40_000)
    for row, count in enumerate(samples):
        waves[row, :count] = 0.1 * torch.randn(int(count), generator=rng)
    return waves, samples


@pytest.mark.parametrize("channels", [SMALL, SMALL[:4]])
def test_padding_never_changes_an_output(channels):
    torch.manual_seed(0)
    net = SpectrogramCNN(3, channels).train()
    waves, samples = some_waves()
    net(waves, samples)
    net.eval()
    with torch.no_grad():
        together = net(waves, samples)
        padded = net(torch.nn.functional.pad(waves, (0, 12_345)), samples)
        alone = [net(w[None, :n], n[None]) for w, n in zip(waves, samples, strict=True)]
    assert together.std() > 1e-3
    assert torch.allclose(together, padded, atol=1e-5)
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_padding_stays_out_of_training_too():
    waves, samples = some_waves()
    states = []
    for heard in (waves, torch.nn.functional.pad(waves, (0, 12_345))):
        torch.manual_seed(0)
        net = SpectrogramCNN(3, SMALL, augment=False, dropout=0).train()
        net(heard, samples).square().sum().backward()
        gradients = {name: weight.grad for name, weight in net.named_parameters()}
        states.append({**net.state_dict(), **gradients})
    for name, value in states[0].items():
        unlike = (value - states[1][name]).abs().max()
        assert unlike <= 1e-4 * value.abs().max() + 1e-5, name


def test_masked_norm_is_batch_norm_of_what_is_held():
    torch.manual_seed(0)
    ours, theirs = MaskedNorm(4).train(), torch.nn.BatchNorm2d(4).train()
    x, frames = torch.randn(3, 4, 5, 6), [5, 2, 3]

    def rows(values):
        return torch.cat([row[:, :f] for row, f in zip(values, frames, strict=True)], dim=1)[None]

    found = ours(x, cnn.mask(torch.tensor(frames), x))
    assert torch.allclose(rows(found), theirs(rows(x)), atol=1e-5)
    assert torch.allclose(ours.running_mean, theirs.running_mean, atol=1e-6)
    assert torch.allclose(ours.running_var, theirs.running_var, atol=1e-6)
    assert ours.num_batches_tracked == 1
    assert cnn.mask(torch.tensor([5, 5, 7]), x) is None  # no padding


def test_a_clip_shorter_than_a_pooled_frame_is_padded():
    net = SpectrogramCNN(3, SMALL).eval()
    with torch.no_grad():
        one = net(torch.zeros(1, 1), torch.tensor([0]))
        other = net(torch.zeros(1, net.least), torch.tensor([net.least]))
    assert torch.equal(one, other)
    assert net.least == 31 * 160  # 32 frames, one after five poolings


def test_augmentation_hides_stripes_of_the_clip_alone():
    torch.manual_seed(0)
    keep = torch.stack([cnn.kept(torch.tensor([40, 100]), 100, 32) for _ in range(50)])
    assert keep[:, 0, 40:].all()  # padding is not counted as hidden
    hidden = 1 - keep
    assert 0 < hidden[:, 0].sum(dim=1).max() <= 2 * 20  # half of a clip at most, by stripe
    assert 32 < hidden[:, 1].sum(dim=1).max() <= 2 * 32
    assert (hidden.sum(dim=(0, 1)) > 0).sum() > 90  # anywhere


def test_augmentation_is_for_training_alone():
    waves, samples = some_waves()
    net = SpectrogramCNN(3, SMALL, dropout=0).train()
    assert not torch.equal(net(waves, samples), net(waves, samples))
    net.eval()
    assert torch.equal(net(waves, samples), net(waves, samples))


def test_bounded_outputs_stay_within_the_labels():
    waves, samples = some_waves()
    net = SpectrogramCNN(2, SMALL, bounds=(20, 40)).eval()
    with torch.no_grad():
        net.head.weight *= 1_000
        values = net(waves, samples)
    assert values.min() >= 20 and values.max() <= 40
