"""auDeep-style codes: what the networks hear, how they learn, and what is kept of a training."""

from __future__ import annotations

import dataclasses
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from affectbench import store
from affectbench.audio import prepare_all
from affectbench.device import one_thread
from affectbench.errors import AffectBenchError, BadData, MissingData, MissingExtra
from affectbench.features import audeep as ours
from affectbench.features import audeep_network as networks
from affectbench.features import extract
from affectbench.features.audeep import AUDEEP, MEL, SILENCE_DB, audeep, loudness
from affectbench.features.audeep_network import Settings, encode, reconstruct, scaled

rows = pytest.mark.parametrize
SMALL = {"units": 6, "layers": 2, "epochs": 3, "batch": 8, "levels": (-30, -60), "seconds": 0.5}


@pytest.fixture(autouse=True)
def single_thread():
    with one_thread():
        yield


def sound(number, seconds=0.5):
    """A tone of its own pitch and decay in a little noise, int16."""
    rng = np.random.default_rng(number)
    time_s = np.arange(int(seconds * 16_000)) / 16_000
    tone = np.sin(2 * np.pi * rng.uniform(100, 2_000) * time_s) * np.exp(-time_s * number)
    return (20_000 * (tone + 0.01 * rng.standard_normal(len(time_s)))).clip(-23_000, 23_000)


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    """Twelve prepared clips: some short, one silent, one twice."""
    root = tmp_path_factory.mktemp("clips")
    lengths = [0.5, 0.3, 0.8, 0.5, 0.01, 0.6, 0.4, 0.5, 0.45, 0.5]
    made = [sound(number, seconds) for number, seconds in enumerate(lengths)]
    made += [np.zeros(8_000), made[0]]
    for number, wave in enumerate(made):
        soundfile.write(root / f"{number:02d}.wav", wave.astype(np.int16), 16_000)
    return prepare_all(sorted(root.glob("*.wav")), workers=1, cache=root / "cache")


def learnt(waves, **settings):
    return audeep(**{**SMALL, **settings}).learn(waves, None)


def files(cache):
    return sorted(cache.rglob("level*.npz"))


# --- what they hear -------------------------------------------------------------------------


def test_a_clip_is_fixed_to_the_length_around_its_middle():
    wave = np.arange(1, 1_001, dtype=np.int16)
    for samples in (48_000, 48_001, 60_000, 999, 160, 1):
        assert loudness(np.resize(wave, samples)).shape == (74, 128)
    long = sound(3, 4.0).astype(np.int16)
    assert np.array_equal(loudness(long), loudness(long[8_000:56_000]))
    short = sound(3, 1.0).astype(np.int16)
    assert np.array_equal(loudness(short), loudness(np.pad(short, 16_000)))
    heard = loudness(short)
    assert heard[24:26].max() > -30 > heard[:20].max()  # the clip begins after one second


def test_loudness_is_below_the_loudest_whatever_the_level():
    wave = sound(5, 1.0).astype(np.int16)
    heard = loudness(wave)
    assert heard.max() == 0
    assert heard.dtype == np.float32
    even = wave // 2 * 2
    np.testing.assert_allclose(loudness(even // 2), loudness(even), atol=1e-3)
    assert np.all(loudness(np.zeros(100, np.int16)) == SILENCE_DB)
    assert np.isfinite(loudness(np.full(48_000, 7, np.int16))).all()


def test_scaled_from_minus_one_to_one_clip_by_clip():
    clips = np.stack([loudness(sound(n).astype(np.int16)) for n in range(3)])
    clips = np.concatenate([clips, np.full((1, *clips.shape[1:]), SILENCE_DB, np.float32)])
    found = scaled(torch.from_numpy(clips), -45.0).numpy()
    for clip, values in zip(clips[:3], found[:3], strict=True):
        cut = np.maximum(clip, -45)
        np.testing.assert_allclose(values, 2 * (cut - cut.min()) / -cut.min() - 1, atol=1e-5)
        assert values.max() == 1
        assert values.min() == -1
    assert np.all(found[3] == -1)


def test_no_mel_band_is_empty():
    assert (MEL.filters().sum(1) > 0).all()


# --- the network ----------------------------------------------------------------------------


def small_network(seed=0):
    settings = Settings(units=5, layers=2)
    net = networks.network(7, settings)
    networks.initialise(net, torch.Generator().manual_seed(seed))
    return net


def test_codes_are_of_the_published_size():
    assert Settings().code == 1_024
    assert AUDEEP.dim == 4_096
    assert len(set(AUDEEP.names())) == 4_096
    assert AUDEEP.names()[1_024] == "level45_0000"
    net = small_network()
    frames = torch.rand(9, 3, 7, generator=torch.Generator().manual_seed(1)) * 2 - 1
    code = encode(net, frames)
    assert code.shape == (3, 20)
    assert code.abs().max() < 1
    assert reconstruct(net, code, frames).shape == frames.shape


def test_a_decoded_frame_knows_its_clip_by_the_code_and_its_neighbours_alone():
    net = small_network()
    frames = torch.rand(9, 1, 7, generator=torch.Generator().manual_seed(1)) * 2 - 1
    code = encode(net, frames)
    before = reconstruct(net, code, frames)
    frames[4] += 1  # with the code as it was
    moved = (reconstruct(net, code, frames) - before).abs().amax((1, 2)) > 0
    # Each decoder passes on what it was given; neither is given the frame that it writes.
    assert moved.tolist() == [True] * 4 + [False] + [True] * 4


def test_the_code_reaches_every_layer_of_both_decoders():
    net = small_network()
    frames = torch.zeros(4, 1, 7)
    code = torch.zeros(1, 20)
    still = reconstruct(net, code, frames)
    for place in range(20):
        other = code.clone()
        other[0, place] = 0.9
        assert not torch.equal(reconstruct(net, other, frames), still)


def test_nothing_touches_the_global_random_state():
    before = torch.random.get_rng_state()
    heard = np.stack([loudness(sound(n).astype(np.int16), 0.5) for n in range(4)])
    settings = Settings(units=4, layers=1, epochs=1, batch=4, seconds=0.5)
    networks.train(heard, -30.0, settings, told=lambda: None, stopped=lambda: False)
    assert torch.equal(before, torch.random.get_rng_state())


@rows(
    "wrong",
    [
        {"units": 0},
        {"epochs": 0},
        {"levels": ()},
        {"levels": (0,)},
        {"levels": (-30, -30.0)},
        {"seconds": 0},
    ],
)
def test_settings_that_cannot_be_trained(wrong):
    with pytest.raises(ValueError, match="expected"):
        audeep(**wrong)


# --- learning -------------------------------------------------------------------------------


def test_the_loss_falls():
    heard = np.stack([loudness(sound(n).astype(np.int16), 0.5) for n in range(16)])
    settings = Settings(units=16, layers=1, epochs=30, batch=8, seconds=0.5)
    _, losses = networks.train(heard, -45.0, settings, told=lambda: None, stopped=lambda: False)
    assert len(losses) == 30
    assert losses[-1] < 0.8 * losses[0]
    assert sorted(losses, reverse=True)[:3] != losses[-3:]


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(waves, own_cache, monkeypatch):
    first = learnt(waves)
    kept = {path.name: path.read_bytes() for path in files(own_cache)}
    assert list(kept) == ["level30.npz", "level60.npz"]
    monkeypatch.setenv("AFFECTBENCH_CACHE", str(own_cache / "other"))
    # One after the other instead of side by side.
    monkeypatch.setattr(ours.os, "sched_getaffinity", lambda process: {0}, raising=False)
    again = learnt(waves)
    assert {path.name: path.read_bytes() for path in files(own_cache / "other")} == kept
    assert again.identity() == first.identity()
    assert learnt(waves, seed=1).identity() != first.identity()


def test_order_and_names_of_files_do_not_matter_but_clips_do(waves):
    first = learnt(waves).identity()
    turned = dataclasses.replace(waves, table=waves.table.reverse())
    assert learnt(turned).identity() == first
    once = dataclasses.replace(waves, table=waves.table.head(11))  # without the repeated clip
    assert learnt(once).identity() == first
    fewer = dataclasses.replace(waves, table=waves.table.head(10))
    assert learnt(fewer).identity() != first


def test_codes_from_raw_audio_to_the_cache(waves, own_cache):
    told = []
    found = extract(
        audeep(**SMALL), waves, workers=1, cache=own_cache, progress=lambda *call: told.append(call)
    )
    assert found.values.shape == (12, 48)
    assert np.isfinite(found.values).all()
    assert np.abs(found.values).max() <= 1
    assert np.array_equal(found.values[0], found.values[11])
    assert found.padded == ()
    half = found.values.shape[1] // 2
    assert np.abs(found.values[:, :half] - found.values[:, half:]).max() > 0.01  # levels differ
    assert len(np.unique(found.values[:11], axis=0)) == 11
    epochs = [done for stage, done, total in told if stage == "learn"]
    assert epochs == list(range(7))
    assert {total for stage, _, total in told if stage == "learn"} == {6}
    assert ("spectrograms", 11, 11) in told
    facts = found.features.facts
    assert "dev and test included" in facts["transductive"]
    assert facts["clips_learnt_from"] == 11
    assert set(facts["last_loss"]) == {"-30", "-60"}
    again = extract(audeep(**SMALL), waves, workers=1, cache=own_cache)
    assert again.computed == 0
    assert again.values.tobytes() == found.values.tobytes()


def test_a_hundred_clips_at_four_levels(tmp_path):
    for number in range(100):
        wave = sound(number, 0.2 + 0.01 * (number % 60))
        soundfile.write(tmp_path / f"{number:02d}.wav", wave.astype(np.int16), 16_000)
    waves = prepare_all(sorted(tmp_path.glob("*.wav")), workers=1)
    features = audeep(units=8, epochs=1, batch=64, seconds=0.8)
    found = extract(features, waves, workers=1)
    assert found.values.shape == (100, 4 * 32)
    assert np.isfinite(found.values).all()
    assert len(np.unique(found.values, axis=0)) == 100


def test_a_code_does_not_depend_on_its_neighbours(waves):
    batch = learnt(waves).many()
    clips = [waves.read(row) for row in range(len(waves))]
    together = batch(clips)
    alone = np.concatenate([batch([clip]) for clip in clips])
    np.testing.assert_allclose(alone, together, atol=1e-5)
    order = np.random.default_rng(0).permutation(len(clips))
    np.testing.assert_allclose(batch([clips[i] for i in order]), together[order], atol=1e-5)


# --- what is kept ---------------------------------------------------------------------------


def test_a_killed_training_goes_on_with_the_levels_that_are_missing(waves, own_cache, monkeypatch):
    first = learnt(waves).identity()
    whole = files(own_cache)[1].read_bytes()
    files(own_cache)[1].unlink()
    other = files(own_cache)[0]
    written = other.stat().st_mtime_ns
    trained = []
    train = networks.train
    monkeypatch.setattr(
        ours,
        "train",
        lambda heard, level, *a, **k: trained.append(level) or train(heard, level, *a, **k),
    )
    assert learnt(waves).identity() == first
    assert trained == [-60.0]
    assert files(own_cache)[1].read_bytes() == whole
    assert other.stat().st_mtime_ns == written


def test_an_interrupt_leaves_whole_levels_or_none(waves, own_cache, monkeypatch):
    monkeypatch.setattr(ours.os, "sched_getaffinity", lambda process: {0}, raising=False)
    calls = count()

    def interrupt(stage, done, total):
        if stage == "learn" and next(calls) == 5:  # in the second level
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audeep(**SMALL).learn(waves, interrupt)
    left = [path.name for path in own_cache.rglob("*") if path.is_file()]
    assert sorted(left) == ["identity.json", "level30.npz"]


def test_a_damaged_level_is_trained_again(waves, own_cache):
    first = learnt(waves).identity()
    path = files(own_cache)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert learnt(waves).identity() == first
    assert path.read_bytes() == whole


def test_weights_that_vanish_are_told(waves, own_cache):
    features = learnt(waves)
    files(own_cache)[0].unlink()
    with pytest.raises(MissingData, match=r"level30\.npz.*Run again"):
        features.many()


def test_a_loss_that_is_no_number_stops_with_the_level(waves, monkeypatch):
    monkeypatch.setattr(
        networks, "reconstruct", lambda net, code, frames, drop: frames * code.sum() * np.nan
    )
    with pytest.raises(AffectBenchError, match="at -30 dB had a loss of nan in epoch 1 of 3"):
        learnt(waves, levels=(-30,))


def test_no_clips(waves):
    with pytest.raises(BadData, match="at least one"):
        learnt(dataclasses.replace(waves, table=waves.table.head(0)))


def test_without_torch_the_extra_is_named(waves, monkeypatch):
    def absent():
        raise MissingExtra("torch", "neural")

    monkeypatch.setattr(ours, "import_torch", absent)
    with pytest.raises(MissingExtra, match=r"affectbench\[neural\]"):
        learnt(waves)


def test_identity_tells_settings_apart_without_torch():
    assert AUDEEP.identity() == audeep().identity()
    assert audeep(epochs=5).identity() != AUDEEP.identity()
    assert store.digest_json(dict(AUDEEP.facts))
    assert Path(ours.__file__).name == "audeep.py"
