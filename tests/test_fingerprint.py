"""Near-duplicates are found through what happens to a file, and different clips are not."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
import soxr

from affectbench.audio import decode, prepare, prepare_all
from affectbench.audio.fingerprint import (
    Prints,
    fingerprint,
    fingerprints,
    join,
    near_duplicates,
)

RATE_HZ = 16_000


def burst(seed: int, seconds: float = 1.2) -> np.ndarray:
    """A gliding voice in noise, [T] at 16 kHz."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    pitch = rng.uniform(100, 400) * np.exp(rng.uniform(-0.5, 0.5) * time_s)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    voice = sum(np.sin(k * phase) / k for k in range(1, 20)) * np.exp(-time_s)
    return (0.1 * voice + 0.02 * rng.standard_normal(len(time_s))).astype(np.float32)


def mp3(samples: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    soundfile.write(
        file,
        samples,
        RATE_HZ,
        format="MP3",
        bitrate_mode="CONSTANT",
        compression_level=(160 - 64) / (160 - 8),
    )  # 64 kb/s
    return decode(file.getvalue()).samples


def prints_of(*clips: np.ndarray) -> Prints:
    return join([fingerprint(prepare(clip, RATE_HZ)) for clip in clips])


CHANGES = {
    "itself": lambda x: x,
    "mp3 at 64 kb/s": mp3,
    "20 dB quieter, 16 bit": lambda x: np.rint(x * 3276.7).astype(np.float32) / 32_768,
    "trimmed": lambda x: x[901:-777],
    "48 kHz and back": lambda x: soxr.resample(soxr.resample(x, 16_000, 48_000), 48_000, 16_000),
    "silence before": lambda x: np.concatenate([np.zeros(5_000, np.float32), x]),
    "inside a longer one": lambda x: np.concatenate([burst(98), x, burst(99)]),
    "all": lambda x: mp3(0.1 * x[1_203:-777]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_planted_near_duplicates_are_found(change):
    originals = [burst(seed) for seed in range(12)]
    pairs = near_duplicates(prints_of(*originals, CHANGES[change](originals[5])))
    assert pairs.select("a", "b").rows() == [(5, 12)]
    assert pairs["error"][0] < 0.15


def test_different_clips_are_not(tmp_path):
    pairs = near_duplicates(prints_of(*(burst(seed, 0.6) for seed in range(80))))
    assert pairs.is_empty()


def test_offset_and_errors_are_those_of_a_plain_loop():
    first, second = burst(1), burst(1)[128 * 11 :]
    prints = prints_of(first, second)
    pair = near_duplicates(prints).row(0, named=True)
    assert pair["offset"] == -11
    (a, on_a), (b, on_b) = (fingerprint(prepare(clip, RATE_HZ)) for clip in (first, second))
    wrong = frames = 0
    for i in range(len(b)):
        if i + 11 < len(a) and on_a[i + 11] and on_b[i]:
            wrong += (int(a[i + 11]) ^ int(b[i])).bit_count()
            frames += 1
    assert pair["frames"] == frames
    assert pair["error"] == wrong / (32 * frames)


@pytest.mark.parametrize("length", [1, 127, 128, 129, 5_000])
def test_one_frame_every_128_samples(length):
    wave = np.random.default_rng(0).integers(-9_000, 9_000, length).astype(np.int16)
    bits, active = fingerprint(wave)
    assert len(bits) == len(active) == 1 + length // 128
    assert bits.dtype == np.uint32


def test_bits_do_not_depend_on_blocks_or_gain(monkeypatch):
    wave = (burst(3) * 9_000).astype(np.int16)
    whole = fingerprint(wave)
    assert np.array_equal(whole[0], fingerprint(wave * 2)[0])
    monkeypatch.setattr("affectbench.audio.fingerprint.BLOCK", 7)
    assert np.array_equal(whole[0], fingerprint(wave)[0])


def test_silence_and_nothing_are_like_nothing():
    silence = np.zeros(9_000, np.int16)
    assert not fingerprint(silence)[1].any()
    assert near_duplicates(join([fingerprint(silence)] * 3)).is_empty()
    assert near_duplicates(join([])).is_empty()


def test_more_copies_than_are_compared_form_one_chain():
    one = fingerprint(prepare(burst(7, 0.4), RATE_HZ))
    pairs = near_duplicates(join([one] * 70))
    linked = {0}
    for a, b in pairs.select("a", "b").sort("a", "b").iter_rows():
        if a in linked:
            linked.add(b)
    assert linked == set(range(70))


def test_small_pieces_give_the_same(monkeypatch):
    prints = prints_of(*(burst(seed // 2) for seed in range(8)))
    whole = near_duplicates(prints)
    assert whole.select("a", "b").rows() == [(0, 1), (2, 3), (4, 5), (6, 7)]
    monkeypatch.setattr("affectbench.audio.fingerprint.FRAMES", 100)
    assert near_duplicates(prints).equals(whole)


def test_in_processes_as_in_one(tmp_path, monkeypatch):
    monkeypatch.setattr("affectbench.audio.fingerprint.CLIPS", 2)
    for seed in range(5):
        soundfile.write(tmp_path / f"{seed}.wav", burst(seed, 0.3), RATE_HZ)
    waves = prepare_all(sorted(tmp_path.glob("*.wav")), workers=1)
    told = []
    prints = fingerprints(waves, workers=2, progress=lambda *done: told.append(done))
    alone = join([fingerprint(waves.read(row)) for row in range(5)])
    assert np.array_equal(prints.bits, alone.bits)
    assert np.array_equal(prints.starts, alone.starts)
    assert told[-1] == ("fingerprint", 5, 5)


def test_real_takes_of_one_speaker_are_told_apart(emogator):
    names = ["000160-11-1", "000160-11-2", "000160-11-3", "000160-12-1", "000160-12-2"]
    paths = [emogator / "data/mp3" / f"{name}.mp3" for name in names]
    pairs = near_duplicates(fingerprints(prepare_all(paths, workers=1), workers=1))
    assert pairs.select("a", "b", "offset", "error").rows() == [(0, 1, 0, 0.0)]
