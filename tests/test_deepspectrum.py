"""DeepSpectrum-style features: the picture of a clip, and the network that sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from affectbench.audio import prepare_all
from affectbench.device import one_thread
from affectbench.errors import AffectBenchError, BadData, MissingData, MissingExtra
from affectbench.features import deepspectrum as ours
from affectbench.features import extract
from affectbench.features.deepspectrum import (
    DEEPSPECTRUM,
    MEL,
    colours,
    deepspectrum,
    picture,
    resized,
    stand_in_resnet,
)
from affectbench.features.embeddings.hub import find, source_of
from affectbench.features.mel import log_mel

SECOND = 16_000


@pytest.fixture(autouse=True)
def single_thread():
    with one_thread():
        yield


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    return stand_in_resnet(tmp_path_factory.mktemp("models") / "small", seed=1)


@pytest.fixture
def broken(tmp_path):
    """A stand-in of its own for a test, to be broken at will."""
    return stand_in_resnet(tmp_path / "broken")


def sound(number, samples=SECOND):
    rng = np.random.default_rng(number)
    time_s = np.arange(samples) / SECOND
    tone = np.sin(2 * np.pi * rng.uniform(100, 4_000) * time_s)
    return (8_000 * tone + 500 * rng.standard_normal(samples)).astype(np.int16)


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


# --- the picture ----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "size"), [(128, 224), (300, 224), (224, 224), (1, 5), (7, 3)])
def test_a_pixel_is_the_mean_of_what_it_covers(n, size):
    values = np.random.default_rng(0).uniform(size=(n, 2))
    found = resized(values, size)
    fine = np.repeat(values, size, axis=0).reshape(size, n, 2).mean(1)  # n parts of each pixel
    np.testing.assert_allclose(found, fine, atol=1e-12)


def test_the_colours_are_viridis():
    table = colours()
    assert table.shape == (256, 3)
    # As published: dark purple to yellow.
    np.testing.assert_allclose(table[0], [0.267004, 0.004874, 0.329415])
    np.testing.assert_allclose(table[-1], [0.993248, 0.906157, 0.143936])


def test_a_picture_is_drawn_from_the_least_to_the_loudest_cell():
    wave = sound(1)
    seen = picture(wave, 224)
    assert seen.shape == (3, 224, 224)
    assert seen.dtype == np.float32
    decibels = log_mel(wave, MEL)
    shares = (decibels - decibels.min()) / (decibels.max() - decibels.min())
    import matplotlib

    drawn = matplotlib.colormaps["viridis"](shares)[:, ::-1, :3].transpose(2, 1, 0)
    cell = seen[:, ::7, ::4][:, :32]  # the corner pixels of every fourth band, 7 rows of 224 each
    assert drawn.shape == (3, 128, MEL.frames(len(wave)))
    np.testing.assert_allclose(cell[:, :, 0], drawn[:, ::4, 0], atol=1e-6)
    np.testing.assert_allclose(seen.mean((1, 2)), drawn.mean((1, 2)), atol=1e-6)


def test_time_goes_right_and_pitch_goes_up():
    time_s = np.arange(SECOND) / SECOND
    late = 10_000 * np.sin(2 * np.pi * 200 * time_s) * (time_s > 0.5)
    bright = picture(late.astype(np.int16), 64)[1]  # green grows from dark to light
    assert bright[:, 40:].mean() > bright[:, :20].mean() + 0.1
    assert bright[48:, 40:].mean() > bright[:16, 40:].mean() + 0.2


def test_silence_and_the_shortest_clip():
    dark = colours()[0].astype(np.float32)
    found = picture(np.zeros(600, np.int16), 16)
    np.testing.assert_allclose(found, np.broadcast_to(dark[:, None, None], found.shape), atol=1e-7)
    assert np.isfinite(picture(sound(0, 512), 16)).all()
    with pytest.raises(BadData, match="511 samples.*at least 512"):
        picture(sound(0, 511), 16)


# --- the network ----------------------------------------------------------------------------


def test_numbers_are_those_of_the_network_on_the_picture(resnet):
    import torch
    import transformers

    wave = sound(2)
    network = transformers.AutoModel.from_pretrained(resnet).eval()
    seen = picture(wave, 64)
    mean, std = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    seen = (seen - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    with torch.inference_mode():
        states = network(torch.from_numpy(seen[None].astype(np.float32))).last_hidden_state
    found = deepspectrum(resnet).many()([wave])
    assert found.shape == (1, 32)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], states[0].mean((1, 2)).numpy(), atol=1e-5)


def test_a_clip_has_its_numbers_whatever_stands_beside_it(resnet, monkeypatch):
    monkeypatch.setattr(ours, "AT_ONCE", 5)
    batch = deepspectrum(resnet).many()
    waves = [sound(n, 3_000 + 900 * n) for n in range(12)]
    alone = np.concatenate([batch([wave]) for wave in waves])
    assert len(np.unique(alone.round(3), axis=0)) == 12
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(12)
        found = batch([waves[i] for i in order])
        np.testing.assert_allclose(found, alone[order], atol=1e-5)
    assert batch([]).shape == (0, 32)


def test_from_raw_audio_to_the_cache(resnet, tmp_path):
    for number, samples in enumerate([SECOND, 160, 5_000]):
        soundfile.write(tmp_path / f"{number}.wav", sound(number, samples), SECOND)
    soundfile.write(tmp_path / "3.wav", np.zeros(2_000), SECOND)
    waves = prepare_all(sorted(tmp_path.glob("*.wav")), workers=1)
    found = extract(deepspectrum(resnet), waves, workers=1)
    assert found.values.shape == (4, 32)
    assert np.isfinite(found.values).all()
    assert [path.rpartition("/")[2] for path in found.padded] == ["1.wav"]
    again = extract(deepspectrum(resnet), waves, workers=1)
    assert again.computed == 0
    assert again.values.tobytes() == found.values.tobytes()


def test_a_row_that_reads_and_imports_nothing():
    assert DEEPSPECTRUM.dim == len(set(DEEPSPECTRUM.names())) == 2_048
    assert DEEPSPECTRUM.min_samples == 512
    assert DEEPSPECTRUM.facts["model"] == "microsoft/resnet-50"
    code = (
        "import sys, affectbench.features.deepspectrum\n"
        "assert not {'torch', 'transformers', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_model_is_one_message(tmp_path):
    code = (
        "from affectbench.features.deepspectrum import DEEPSPECTRUM\n"
        "from affectbench.errors import MissingData\n"
        "for ask in (DEEPSPECTRUM.identity, DEEPSPECTRUM.many):\n"
        "    try: ask()\n"
        "    except MissingData as error: print(error)\n"
    )
    env = {**os.environ, "AFFECTBENCH_CACHE": str(tmp_path), "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, env=env, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "resnet-50 (microsoft/resnet-50, about 103 MB, licence: Apache-2.0)" in line
        assert str(tmp_path / "models" / "resnet-50") in line
        assert "affectbench get resnet-50" in line


def test_the_model_is_found_in_our_cache_by_name_and_id(own_cache):
    home = stand_in_resnet(own_cache / "models" / "resnet-50")
    for name in ("resnet-50", "microsoft/resnet-50"):
        assert find(source_of(name)).folder == home
    identity = DEEPSPECTRUM.identity()
    assert "random weights" in identity["stand_in"]
    # The row says 2,048 numbers, and a stand-in has fewer.
    with pytest.raises(BadData, match="gives 32 values; expected 2,048.*random weights"):
        DEEPSPECTRUM.many()


def test_the_identity_holds_the_weights(resnet, tmp_path):
    first = deepspectrum(resnet)
    assert first.identity() == deepspectrum(str(resnet)).identity()
    assert deepspectrum(stand_in_resnet(tmp_path / "other", seed=2)).identity() != first.identity()


def test_a_stand_in_says_so_and_is_written_once(resnet, tmp_path):
    features = deepspectrum(resnet)
    assert "random weights" in features.facts["stand_in"]
    assert features.licence == "none needed: random weights"
    weights = resnet / "model.safetensors"
    assert json.loads((resnet / "config.json").read_text())["affectbench_stand_in"] is True
    before = weights.stat().st_mtime_ns
    stand_in_resnet(resnet, seed=1)
    assert weights.stat().st_mtime_ns == before
    again = stand_in_resnet(tmp_path / "again", seed=1)
    assert (again / "model.safetensors").read_bytes() == weights.read_bytes()
    with pytest.raises(AffectBenchError, match="something else.*Nothing was written"):
        stand_in_resnet(resnet, seed=7)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


# --- what can be wrong ----------------------------------------------------------------------


def test_no_folder(tmp_path):
    with pytest.raises(MissingData, match="There is no folder"):
        deepspectrum(tmp_path / "nowhere")


def test_another_family(broken):
    change(broken / "config.json", model_type="wav2vec2")
    with pytest.raises(BadData, match="family 'wav2vec2'.*Expected a 'resnet'"):
        deepspectrum(broken)


def test_no_weights(broken):
    (broken / "model.safetensors").unlink()
    with pytest.raises(BadData, match="half downloaded"):
        deepspectrum(broken)


def test_damaged_weights(broken):
    features = deepspectrum(broken)
    path = broken / "model.safetensors"
    path.write_bytes(path.read_bytes()[:2_000])
    with pytest.raises(BadData, match="weights cannot be read"):
        features.many()


def test_weights_that_are_not_all_there(broken):
    from safetensors.torch import load_file, save_file

    path = broken / "model.safetensors"
    weights = load_file(path)
    del weights["embedder.embedder.convolution.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(BadData, match="1 of the weights of a ResNet.*embedder"):
        deepspectrum(broken).many()


@pytest.mark.parametrize("size", [64, {"shortest_edge": 64}, {"height": 64, "width": 64}])
def test_sizes_as_checkpoints_write_them(size, broken):
    found = deepspectrum(broken).many()([sound(3)])
    change(broken / "preprocessor_config.json", size=size)
    assert np.array_equal(deepspectrum(broken).many()([sound(3)]), found)


@pytest.mark.parametrize(
    "wrong", [{"size": None}, {"size": {}}, {"image_mean": [0.5]}, {"image_std": "none"}]
)
def test_a_preprocessor_that_does_not_tell(wrong, broken):
    change(broken / "preprocessor_config.json", **wrong)
    with pytest.raises(BadData, match="does not tell size, image_mean and image_std"):
        deepspectrum(broken).many()


def test_no_preprocessor(broken):
    (broken / "preprocessor_config.json").unlink()
    with pytest.raises(MissingData, match=r"has no preprocessor_config\.json"):
        deepspectrum(broken).many()


def test_an_unknown_device(resnet):
    with pytest.raises(AffectBenchError, match="device 'moon'"):
        deepspectrum(resnet, device="moon").many()


def test_without_matplotlib_the_extra_is_named(resnet, monkeypatch):
    colours.cache_clear()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"affectbench\[report\]"):
        deepspectrum(resnet).many()
