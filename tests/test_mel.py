"""The mel front end against transformers' filters, a plain DFT, and itself in torch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from affectbench.errors import BadData
from affectbench.features.mel import Mel, filters, hz_to_mel, log_mel, mel_to_hz, power

rows = pytest.mark.parametrize
CASES = [(64, 512, 50, 8_000), (128, 1_280, 0, 8_000), (40, 1_024, 300, 3_400), (20, 401, 0, 6_000)]
both_scales = rows("scale", ["slaney", "htk"])


def signals():
    """Waves of full scale 1 or below, [T] each, float32."""
    rng = np.random.default_rng(3)
    time_s = np.arange(16_000) / 16_000
    voice = sum(np.sin(2 * np.pi * 140 * k * time_s + k) / k for k in range(1, 40))
    return {
        "noise": (0.3 * rng.standard_normal(16_000)).astype(np.float32),
        "voice": (0.1 * voice + 0.01 * rng.standard_normal(16_000)).astype(np.float32),
        "tone": (0.7 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32),
        "silence": np.zeros(16_000, np.float32),
        "click": np.eye(1, 16_000, 4_000, dtype=np.float32)[0],
        "short": (0.3 * rng.standard_normal(700)).astype(np.float32),
    }


@both_scales
@rows("norm", ["slaney", "none"])
@rows("case", CASES, ids=str)
def test_filters_are_those_of_transformers(case, scale, norm):
    audio_utils = pytest.importorskip("transformers.audio_utils")
    n_mels, n_fft, low_hz, high_hz = case
    oracle = audio_utils.mel_filter_bank(
        num_frequency_bins=n_fft // 2 + 1,
        num_mel_filters=n_mels,
        min_frequency=low_hz,
        max_frequency=high_hz,
        # It takes the last bin to be at half the rate, which an odd transform does not have.
        sampling_rate=16_000 if n_fft % 2 == 0 else int(16_000 * (n_fft - 1) / n_fft),
        norm=None if norm == "none" else norm,
        mel_scale=scale,
    )
    found = filters(n_mels, n_fft, 16_000, low_hz, high_hz, scale=scale, norm=norm)
    assert found.shape == (n_mels, n_fft // 2 + 1)
    assert found.dtype == np.float32
    tolerance = 1e-7 if n_fft % 2 == 0 else 1e-3
    np.testing.assert_allclose(found, oracle.T, atol=tolerance * oracle.max())


@both_scales
def test_mel_and_back(scale):
    hz = np.array([0, 20, 999.9, 1_000, 1_000.1, 8_000])
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz, scale), scale), hz, atol=1e-9)
    assert np.all(np.diff(hz_to_mel(hz, scale)) > 0)
    if scale == "slaney":
        assert hz_to_mel(1_000) == 15
        assert hz_to_mel(6_400) == pytest.approx(42)


def test_triangles_of_area_one_hold_flat_power_equal():
    bank = filters(20, 8_192, 16_000, 0.0, 8_000.0)
    np.testing.assert_allclose(bank.sum(1) * 16_000 / 8_192, 1, atol=1e-3)
    assert not bank.flags.writeable


@rows("center", [True, False])
@rows("pad", ["constant", "reflect"])
def test_power_is_the_squared_dft_of_windowed_frames(center, pad):
    wave = signals()["short"]
    n_fft, hop = 96, 37
    found = power(wave, n_fft, hop, center=center, pad=pad)
    whole = np.pad(wave.astype(float), n_fft // 2, mode=pad) if center else wave.astype(float)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    dft = np.exp(-2j * np.pi * np.outer(np.arange(n_fft), np.arange(n_fft // 2 + 1)) / n_fft)
    starts = range(0, len(whole) - n_fft + 1, hop)
    expected = np.array([abs((whole[s : s + n_fft] * window) @ dft) ** 2 for s in starts])
    assert len(found) == Mel(n_fft=n_fft, hop=hop, center=center).frames(len(wave))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)


@rows("mel", [Mel(), Mel(n_fft=1_280, hop=640, n_mels=128, low_hz=0, pad="constant", scale="htk")])
@rows("name", [*signals()])
def test_numpy_and_torch_agree(mel, name):
    torch = pytest.importorskip("torch")
    from affectbench.features.mel import torch_log_mel

    wave = signals()[name]
    ours = log_mel(wave, mel)
    assert ours.dtype == np.float32
    assert ours.shape == (mel.frames(len(wave)), mel.n_mels)
    double = torch_log_mel(torch.from_numpy(wave.astype(np.float64))[None], mel)[0].numpy()
    np.testing.assert_allclose(double, ours, atol=1e-4)
    single = torch_log_mel(torch.from_numpy(wave)[None], mel)[0].numpy()
    near = ours > ours.max() - 60
    np.testing.assert_allclose(single[near], ours[near], atol=1e-3 if name == "tone" else 1e-4)
    assert (name not in {"noise", "silence"}) or near.all()


def test_a_wave_has_the_values_it_has_alone_in_torch():
    torch = pytest.importorskip("torch")
    from affectbench.features.mel import torch_log_mel

    some = signals()
    waves = torch.from_numpy(np.stack([some["noise"], some["voice"], some["tone"]]))
    together = torch_log_mel(waves, Mel())
    for wave, found in zip(waves, together, strict=True):
        torch.testing.assert_close(torch_log_mel(wave[None], Mel())[0], found, atol=1e-4, rtol=0)


def test_int16_is_the_wave_of_full_scale_one():
    wave = (signals()["voice"] * 32_767).astype(np.int16)
    assert np.array_equal(log_mel(wave, Mel()), log_mel(wave / 32_768, Mel()))
    assert np.all(log_mel(np.zeros(400, np.int16), Mel()) == -100)


def test_long_waves_in_blocks(monkeypatch):
    wave = signals()["voice"]
    whole = log_mel(wave, Mel())
    monkeypatch.setattr("affectbench.features.mel.BLOCK", 7)
    np.testing.assert_allclose(log_mel(wave, Mel()), whole, atol=1e-5)


def test_too_short_or_not_mono_is_said():
    for mel, least in [
        (Mel(), 257),
        (Mel(pad="constant"), 1),
        (Mel(center=False), 512),
    ]:
        assert mel.least == least
        assert np.isfinite(log_mel(np.ones(least, np.int16), mel)).all()
        with pytest.raises(BadData, match=rf"{least - 1} samples.*at least {least}"):
            log_mel(np.ones(least - 1, np.int16), mel)
    with pytest.raises(BadData, match=r"shape \(2, 600\)"):
        log_mel(np.ones((2, 600), np.int16), Mel())


def test_torch_refuses_short_waves_alike():
    torch = pytest.importorskip("torch")
    from affectbench.features.mel import torch_log_mel

    with pytest.raises(BadData, match="256 samples.*at least 257"):
        torch_log_mel(torch.zeros(2, 256), Mel())


def test_settings_that_cannot_be():
    with pytest.raises(ValueError, match="half the sampling rate"):
        dataclasses.replace(Mel(), high_hz=8_001).filters()
    with pytest.raises(ValueError, match="at least 1 and 2"):
        filters(0, 512, 16_000, 0.0, 8_000.0)
