"""Embeddings against the bare model, alone and in company; checkpoints good, bad and absent.

Every family is tried on a tiny checkpoint with random weights, loaded as a real one is.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from affectbench.audio import prepare_all
from affectbench.errors import AffectBenchError, BadData, MissingData, UnknownName
from affectbench.features import extract
from affectbench.features.embeddings import (
    EMBEDDINGS,
    FAMILIES,
    MODELS,
    embedding,
    fetch,
    hub,
    sets,
    stand_in,
)
from affectbench.features.embeddings.chunks import Grid, plan
from affectbench.features.embeddings.embedder import levels
from affectbench.features.embeddings.models import WAV2VEC, WHISPER
from affectbench.features.embeddings.pooling import Moments

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

RATE = 16_000
# One of each family, and of each way to normalise.
KINDS = (*FAMILIES, "hubert-large-ll60k", "w2v2-msp-dim")
kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Networks of this size are slower on two."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A stand-in of each kind; no test may change it. Whisper hears 3 s at once, to be quick."""
    root = tmp_path_factory.mktemp("models")
    found = {kind: stand_in(kind, root / kind) for kind in KINDS}
    found["whisper-30"] = found["whisper"]
    found["whisper"] = shutil.copytree(found["whisper"], root / "short")
    weights = weights_of(found["whisper"])
    positions = weights["encoder.embed_positions.weight"]
    weights["encoder.embed_positions.weight"] = positions[:150].clone()
    written(found["whisper"], weights)
    changed(found["whisper"], max_source_positions=150)
    reader = found["whisper"] / "preprocessor_config.json"
    reader.write_text(json.dumps({**json.loads(reader.read_text()), "chunk_length": 3}))
    return found


def weights_of(folder: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def written(folder: Path, weights: dict) -> Path:
    from safetensors.torch import save_file

    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def changed(folder: Path, **values: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return folder


@pytest.fixture
def copied(made, tmp_path):
    """A function: a copy of a stand-in, to be broken at will."""

    def copy(kind: str = "wav2vec2") -> Path:
        return Path(shutil.copytree(made[kind], tmp_path / f"copy-of-{kind}"))

    return copy


@pytest.fixture(autouse=True)
def own_hub_cache(tmp_path, monkeypatch):
    """No test sees the models of the user, or asks the network for one."""
    import huggingface_hub

    def refuse(*names):
        raise AssertionError("a connection was asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def bursts(*lengths: int, seed: int = 0) -> list[np.ndarray]:
    """[T] int16 each: noise that swells and fades, at different levels."""
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(0, rng.uniform(300, 6_000), n) * np.hanning(n + 2)[1:-1] + 40).astype(np.int16)
        for n in lengths
    ]


def bare(folder: Path):
    """The model and its preprocessor as transformers gives them."""
    auto = transformers
    return (
        auto.AutoModel.from_pretrained(folder).eval(),
        auto.AutoFeatureExtractor.from_pretrained(folder),
    )


def bare_states(folder: Path, wave: np.ndarray) -> list[np.ndarray]:
    """[F, D] of every layer by the bare model, from a clip of one window at most."""
    model, reader = bare(folder)
    read = reader(wave / np.float32(32_768), sampling_rate=RATE, return_tensors="pt")
    encoder = model.encoder if "input_features" in read else model
    with torch.inference_mode():
        found = encoder(read[encoder.main_input_name], output_hidden_states=True)
    count = -(-len(wave) // 320) if "input_features" in read else None
    states = [*found.hidden_states[:-1], found.last_hidden_state]
    return [layer[0, :count].numpy() for layer in states]


# --- frames and chunks ----------------------------------------------------------------------


@kinds
def test_frames_are_those_of_the_model(kind, made):
    model, _ = bare(made[kind])
    grid = sets.read_anatomy(hub.read_checkpoint(made[kind])).grid
    if kind == "whisper":
        assert grid == WHISPER
        assert grid.frames(3 * RATE) == model.config.max_source_positions
        return
    assert grid == WAV2VEC == Grid(field=400, stride=320)
    for samples in (400, 719, 720, 16_000, 480_123):
        assert grid.frames(samples) == model._get_feat_extract_output_lengths(samples)


@given(st.integers(400, 400_000), st.sampled_from([WAV2VEC, WHISPER]), st.integers(16_000, 80_000))
def test_each_frame_of_a_clip_counts_once_and_has_its_context(samples, grid, size):
    overlap = size // 10
    chunks = plan(samples, grid, size, overlap)
    after = 0
    for chunk in chunks:
        head = chunk.start // grid.stride
        assert chunk.start % grid.stride == 0
        assert 0 < chunk.stop - chunk.start <= size
        assert len(chunks) == 1 or chunk.stop - chunk.start > size - grid.stride
        assert head + chunk.first == after  # no frame is left out, none is taken twice
        assert chunk.last <= grid.frames(chunk.stop - chunk.start)
        after = head + chunk.last
        context = overlap // 2 // grid.stride - 2  # frames; two are lost to rounding
        assert chunk.start == 0 or chunk.first >= context
        left = grid.frames(chunk.stop - chunk.start) - chunk.last
        assert chunk.stop == samples or left >= context
    assert after == grid.frames(samples)
    assert chunks[0].start == 0
    assert chunks[-1].stop == samples


def test_moments_of_parts_are_those_of_the_whole():
    states = np.random.default_rng(3).normal(5, 2, (2, 50, 3))  # layers, frames, values

    def of(part):
        mean = part.mean(axis=1)
        return Moments(part.shape[1], mean, ((part - mean[:, None]) ** 2).sum(axis=1))

    total = of(states[:, :1]) + of(states[:, 1:20]) + of(states[:, 20:])
    expected = np.stack([states.mean(axis=1), states.std(axis=1)], axis=1)
    assert total.frames == 50
    assert np.allclose(total.pooled("mean+std"), expected.ravel(), rtol=1e-6)
    assert np.array_equal(total.pooled("mean"), expected[:, 0].astype(np.float32).ravel())


# --- the values -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, "whisper-30"])
def test_values_are_the_pooled_states_of_the_bare_model(kind, made):
    features = embedding(made[kind], layer="all", pooling="mean+std")
    waves = bursts(7_000, 400)
    found = features.many()(waves)
    assert found.shape == (2, features.dim) == (2, len(features.names()))
    assert found.dtype == np.float32
    for wave, row in zip(waves, found, strict=True):
        states = bare_states(made[kind], wave)
        expected = np.concatenate([[s.mean(axis=0), s.std(axis=0)] for s in states])
        assert np.abs(row - expected.ravel()).max() < 1e-5


@kinds
def test_the_same_clip_gets_the_same_vector_whatever_stands_beside_it(kind, made):
    waves = bursts(4_000, 800, 3_900, 4_000, 400, 9_000, 3_700, 8_801, 4_000, 799)
    embed = embedding(made[kind], layer="all", pooling="mean+std").many()
    assert embed.batch == 0  # on a CPU
    alone = np.stack([embed([wave])[0] for wave in waves])
    assert alone.std(axis=0).max() > 0.05  # clips differ
    shared = []
    network = embed.network

    def counting(inputs, spans):
        shared.append(len(spans))
        return network(inputs, spans)

    embed.network = counting
    counting.layers, counting.device, counting.dtype = network.layers, network.device, network.dtype
    for batch_s in (0, 0.6, 9, 200):
        for order in (range(9, -1, -1), np.random.default_rng(7).permutation(10)):
            embed.batch = int(batch_s * RATE)
            found = embed([waves[i] for i in order])
            assert np.abs(found - alone[list(order)]).max() < 1e-5
    mixed = kind in {"wavlm", "whisper", "hubert-large-ll60k", "w2v2-msp-dim"}
    assert embed.anatomy.mixed == mixed
    assert max(shared) == (10 if kind == "whisper" else 5 if mixed else 3)


@kinds
def test_one_layer_is_its_part_of_all(kind, made):
    waves = bursts(9_000, 500)
    whole = embedding(made[kind], layer="all").many()(waves)
    for layer, at in ((0, 0), (1, 1), (2, 2), ("last", 2)):
        features = embedding(made[kind], layer=layer)
        assert features.dim == 32
        found = features.many()(waves)
        assert np.abs(found - whole[:, 32 * at : 32 * (at + 1)]).max() < 1e-6
    assert embedding(made[kind], layer=1).names()[:2] == ("layer1_mean_0", "layer1_mean_1")


def test_chunks_of_a_layer_that_looks_no_further_than_their_context_change_nothing(made):
    wave = bursts(31 * RATE + 77)
    kept = {"layer": 0, "pooling": "mean+std"}
    one = embedding(made["w2v2-msp-dim"], chunk_s=60, **kept).many()(wave)
    cut = embedding(made["w2v2-msp-dim"], chunk_s=30, **kept).many()(wave)
    assert np.abs(one - cut).max() < 1e-5


@pytest.mark.parametrize("kind", ["hubert", "whisper"])
def test_a_long_clip_is_the_mean_over_the_frames_of_its_chunks(kind, made):
    (wave,) = bursts(5 * RATE + 123)
    features = embedding(made[kind], chunk_s=2)
    grid = features.many().anatomy.grid
    model, reader = bare(made[kind])
    assert len(plan(len(wave), grid, 2 * RATE, RATE // 5)) == 3
    values = wave / np.float32(32_768)
    if kind == "hubert":
        values = (values - values.mean()) / np.sqrt(values.var() + 1e-7)  # of the clip, not a chunk
    frames = []
    for chunk in plan(len(wave), grid, 2 * RATE, RATE // 5):
        part = values[chunk.start : chunk.stop]
        with torch.inference_mode():
            if kind == "hubert":
                states = model(torch.from_numpy(part)[None]).last_hidden_state
            else:
                mel = reader(part, sampling_rate=RATE, return_tensors="pt")["input_features"]
                states = model.encoder(mel).last_hidden_state
        frames.append(states[0, chunk.first : chunk.last])
    assert sum(map(len, frames)) == grid.frames(len(wave))
    assert np.abs(features.many()([wave])[0] - torch.cat(frames).mean(0).numpy()).max() < 1e-5


def test_levels_are_those_of_the_preprocessor(made):
    _, reader = bare(made["wav2vec2"])
    for wave in (*bursts(1_000, 50_000), np.full(500, 77, np.int16), np.zeros(400, np.int16)):
        mean, variance = levels(wave)
        ours = (wave / 32_768 - mean) / np.sqrt(variance + 1e-7)
        theirs = reader(wave / np.float32(32_768), sampling_rate=RATE)["input_values"][0]
        assert np.abs(ours - theirs).max() < 1e-5


def test_a_preprocessor_that_does_not_normalise_is_obeyed(copied):
    folder = copied()
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "do_normalize": False}))
    (wave,) = bursts(8_000)
    found = embedding(folder).many()([wave])[0]
    assert np.abs(found - bare_states(folder, wave)[-1].mean(axis=0)).max() < 1e-5


@pytest.mark.parametrize("samples", [1, 399, 800])
def test_clips_shorter_than_a_frame_are_padded_with_zeros(samples, made):
    features = embedding(made["wavlm"])
    assert features.min_samples == 400
    assert embedding(made["whisper"]).min_samples == 1
    (wave,) = bursts(samples)
    embed = features.many()
    padded = np.pad(wave, (0, max(0, 400 - samples)))
    assert np.array_equal(embed([wave]), embed([padded]))
    assert np.isfinite(embedding(made["whisper"]).many()([wave])).all()


def test_the_number_of_threads_does_not_count(made):
    waves = bursts(30_000, 5_000)
    features = embedding(made["w2v2-msp-dim"], layer="all")
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(features.many()(waves))
    finally:
        torch.set_num_threads(before)
    assert np.abs(found[0] - found[1]).max() < 1e-5


def test_clips_are_read_one_at_a_time_on_a_cpu(made):
    held = []

    class Lazy:
        def __len__(self):
            return 3

        def __getitem__(self, row):
            held.append(row)
            return bursts(1_000)[0]

    embed = embedding(made["hubert"]).many()
    run = embed._run
    embed._run = lambda pieces: held.append("run") or run(pieces)
    assert embed(Lazy()).shape == (3, 32)
    assert held == [0, "run", 1, "run", 2, "run"]
    assert embed([]).shape == (0, 32)


# --- a device that is too small, or rounds --------------------------------------------------


class Small:
    """A network that has memory for so many chunks and no more."""

    def __init__(self, network, room):
        self.network, self.room, self.sizes = network, room, []
        self.layers, self.device, self.dtype = network.layers, network.device, network.dtype

    def __call__(self, inputs, spans):
        self.sizes.append(len(spans))
        if len(spans) > self.room:
            raise torch.OutOfMemoryError("no memory")
        return self.network(inputs, spans)


def test_out_of_memory_halves_the_batch_and_says_so(made):
    waves = bursts(*[16_000] * 8)
    embed = embedding(made["w2v2-msp-dim"]).many()
    expected = embed(waves)
    embed.batch, embed.network = 8 * 16_000, Small(embed.network, 2)
    with pytest.warns(RuntimeWarning, match="out of memory with") as told:
        found = embed(waves)
    assert [str(w.message).split(" with ")[1].split(" of ")[0] for w in told] == [
        "8 times 1.0 s",
        "4 times 1.0 s",
    ]
    assert "going on with 2.0 s in all" in str(told[-1].message)
    assert embed.network.sizes == [8, 4, 2, 2, 2, 2]
    assert np.abs(found - expected).max() < 1e-5


def test_out_of_memory_with_one_chunk_is_an_error_that_says_what_to_do(made):
    embed = embedding(made["wavlm"]).many()
    embed.network = Small(embed.network, 0)
    with pytest.raises(AffectBenchError, match=r"with 1\.0 s of audio alone.*chunk_s"):
        embed(bursts(16_000))


def test_half_precision_is_near_and_an_overflow_is_told(made):
    waves = bursts(16_000, 9_000)
    half = embedding(made["w2v2-msp-dim"], dtype="bfloat16")
    single = embedding(made["w2v2-msp-dim"])
    assert half.identity() != single.identity()
    embed = half.many()
    assert np.abs(embed(waves) - single.many()(waves)).max() < 0.05
    with torch.no_grad():
        embed.network._encoder.encoder.layer_norm.bias.fill_(torch.inf)
    with pytest.warns(RuntimeWarning, match="2 of 2 embeddings are NaN.*dtype='float32'"):
        assert not np.isfinite(embed(waves)).any()


@pytest.mark.parametrize("device", ["abacus", "cuda:7"])
def test_a_device_that_is_not_there(device, made):
    with pytest.raises(AffectBenchError, match=f"The device '{device}' cannot be used"):
        embedding(made["hubert"], device=device).many()


# --- through the cache ----------------------------------------------------------------------


def test_embeddings_are_cached_like_any_features(made, tmp_path):
    paths = []
    for row, wave in enumerate(bursts(300, 5_000, 9_000)):
        paths.append(tmp_path / f"{row}.wav")
        soundfile.write(paths[-1], wave, RATE)
    waves = prepare_all(paths, workers=1)
    features = embedding(made["hubert"], layer="all")
    first = extract(features, waves, workers=1)
    assert (first.computed, first.cached, len(first.padded)) == (3, 0, 1)
    again = extract(features, waves, workers=1)
    assert (again.computed, again.cached) == (0, 3)
    assert np.array_equal(first.values, again.values)
    assert extract(embedding(made["hubert"]), waves, workers=1).computed == 3
    prepared = [waves.read(row) for row in range(3)]
    assert np.array_equal(first.values, features.many()(prepared))


def test_a_model_that_gives_nan_is_told_by_clip(copied, tmp_path):
    folder = copied()
    weights = weights_of(folder)
    weights["encoder.layer_norm.bias"].fill_(torch.nan)
    written(folder, weights)
    soundfile.write(tmp_path / "a.wav", bursts(5_000)[0], RATE)
    waves = prepare_all([tmp_path / "a.wav"], workers=1)
    with pytest.raises(BadData, match=r"1 of 1 clips: .*a\.wav \(32 of 32 values are NaN"):
        extract(embedding(folder), waves, workers=1)


# --- the table ------------------------------------------------------------------------------


def test_the_rows_of_the_table_need_neither_torch_nor_disk(tmp_path):
    code = (
        "import builtins, io, os, sys\n"
        "from affectbench.features.embeddings import EMBEDDINGS, MODELS, embedding\n"
        "def refuse(*a, **k): raise AssertionError(a)\n"
        "keep = builtins.open, io.open, os.stat\n"
        "builtins.open = io.open = os.stat = refuse\n"
        "made = [embedding(name, layer='all', pooling='mean+std') for name in MODELS]\n"
        "builtins.open, io.open, os.stat = keep\n"
        "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)\n"
        "from affectbench.errors import MissingData\n"
        "try: EMBEDDINGS['wavlm-large'].identity()\n"
        "except MissingData: pass\n"
        "else: raise SystemExit('a model that is not there has an identity')\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
    )
    env = {**os.environ, "AFFECTBENCH_CACHE": str(tmp_path), "HF_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)


@pytest.mark.parametrize("row", MODELS.values(), ids=lambda row: row.name)
def test_a_row_of_the_table(row):
    features = EMBEDDINGS[row.name]
    assert features.dim == row.dim == len(features.names())
    assert features.min_samples == row.grid.field == (1 if row.family == "whisper" else 400)
    assert row.family in FAMILIES
    assert features.facts["model"] == row.id
    assert features.facts["licence"] == features.licence == row.licence
    assert features.facts["trained_on"] == row.trained_on
    assert "stand_in" not in features.facts
    every = embedding(row.id, layer="all", pooling="mean+std")
    assert every.name == f"{row.name}-all-std"
    assert every.dim == 2 * (row.layers + 1) * row.dim
    assert embedding(row.name, layer=3).name == f"{row.name}-layer3"


@pytest.mark.parametrize("layer", [13, -1, "first", 1.5])
def test_a_layer_out_of_range(layer, made):
    with pytest.raises(AffectBenchError, match="12 layers: expected 0 to 12, 'last' or 'all'"):
        embedding("w2v2-msp-dim", layer=layer)
    with pytest.raises(AffectBenchError, match="2 layers: expected 0 to 2"):
        embedding(made["hubert"], layer=layer)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "max"}, "pooling is 'max'; expected one of mean, mean"),
        ({"chunk_s": 0.5}, "chunk_s is 0.5; expected 1 s or more"),
        ({"chunk_s": float("nan")}, "chunk_s is nan"),
        ({"dtype": "int8"}, "dtype is 'int8'; expected one of float32, float16, bfloat16"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(AffectBenchError, match=message):
        embedding("wavlm-large", **settings)
    with pytest.raises(AffectBenchError, match="expected 1 to 30 s, all that openai/whisper"):
        embedding("whisper-large-v3", chunk_s=31)
    assert embedding("whisper-large-v3").facts["chunk_s"] == 30


def test_what_values_depend_on_is_in_the_identity(made, copied):
    base = embedding(made["wav2vec2"])
    others = [
        embedding(made["wav2vec2"], layer=1),
        embedding(made["wav2vec2"], pooling="mean+std"),
        embedding(made["wav2vec2"], chunk_s=10),
        embedding(made["wav2vec2"], dtype="bfloat16"),
        embedding(made["hubert"]),
    ]
    found = [json.dumps(dict(features.identity())) for features in (base, *others)]
    assert len(set(found)) == 6
    folder = copied()
    assert embedding(folder).identity() == base.identity()  # the path does not count
    assert embedding(folder, layer=2).identity() == base.identity()
    reader = folder / "preprocessor_config.json"
    reader.write_text(reader.read_text().replace("true", "false"))
    assert embedding(folder).identity() != base.identity()


# --- checkpoints as they come ---------------------------------------------------------------


def test_a_model_with_a_head_gives_its_backbone(copied, made):
    """As a transcriber, or a classifier of one's own architecture, is saved."""
    expected = embedding(made["wav2vec2"]).many()(bursts(8_000))
    folder = copied()
    weights = {f"wav2vec2.{name}": value for name, value in weights_of(folder).items()}
    weights["classifier.dense.weight"] = torch.zeros(3, 32)
    written(folder, weights)
    changed(folder, architectures=["Wav2Vec2ForSpeechClassification"])
    assert np.array_equal(embedding(folder).many()(bursts(8_000)), expected)


def test_a_whole_transcriber_gives_its_encoder(copied, made):
    expected = embedding(made["whisper"]).many()(bursts(8_000))
    folder = copied("whisper")
    weights = {f"model.{name}": value for name, value in weights_of(folder).items()}
    written(folder, weights)
    assert np.array_equal(embedding(folder).many()(bursts(8_000)), expected)


def test_pickled_weights_with_the_names_of_before(copied, made):
    expected = embedding(made["hubert"]).many()(bursts(8_000))
    folder = copied("hubert")
    old = {"parametrizations.weight.original0": "weight_g"}
    old["parametrizations.weight.original1"] = "weight_v"
    weights = weights_of(folder)
    for new, before in old.items():
        weights = {name.replace(new, before): value for name, value in weights.items()}
    assert any(name.endswith("weight_g") for name in weights)
    del weights["masked_spec_embed"]  # of no use here
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert np.array_equal(embedding(folder).many()(bursts(8_000)), expected)


def test_weights_in_shards(copied, made):
    expected = embedding(made["wavlm"]).many()(bursts(8_000))
    folder = copied("wavlm")
    model, _ = bare(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    shards = sorted(folder.glob("model-*-of-*.safetensors"))
    assert len(shards) > 1
    assert np.array_equal(embedding(folder).many()(bursts(8_000)), expected)
    shards[1].unlink()
    with pytest.raises(BadData, match=f"half downloaded: .*{shards[1].name} are not there"):
        embedding(folder)


def test_half_of_the_file(copied):
    folder = copied()
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(BadData, match="weights cannot be read.*half downloaded or damaged"):
        embedding(folder).many()


def test_weights_that_are_no_weights(copied):
    folder = copied()
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"<html>busy</html>")
    with pytest.raises(BadData, match="weights cannot be read"):
        embedding(folder).many()


def test_some_weights_are_missing(copied):
    folder = copied()
    weights = weights_of(folder)
    del weights["encoder.layers.1.attention.k_proj.weight"]
    written(folder, weights)
    with pytest.raises(BadData, match=r"1 of the weights .*k_proj\.weight\. It is half downloaded"):
        embedding(folder).many()


def test_weights_of_another_family(copied, made):
    folder = copied("whisper")
    shutil.copy(made["hubert"] / "model.safetensors", folder)
    with pytest.raises(BadData, match="weights of a Whisper.*another family than config.json says"):
        embedding(folder).many()


def test_weights_of_another_size(copied, tmp_path):
    folder = copied()
    other = stand_in("wav2vec2", tmp_path / "other", dim=64)
    shutil.copy(other / "model.safetensors", folder)
    with pytest.raises(BadData, match=r"not of the model that config\.json describes"):
        embedding(folder).many()


def test_a_family_that_is_not_known(copied):
    with pytest.raises(BadData, match="family 'bert'.*wav2vec2, hubert, wavlm, data2vec-audio"):
        embedding(changed(copied(), model_type="bert"))


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        (lambda f: (f / "config.json").unlink(), BadData, "it has no config.json"),
        (lambda f: (f / "config.json").write_text('{"model_ty'), BadData, "cannot be read"),
        (lambda f: (f / "config.json").write_text("[]"), BadData, "holds no JSON object"),
        (lambda f: changed(f, model_type=None), BadData, "family None"),
        (lambda f: changed(f, conv_kernel=[10, 3]), BadData, "configuration cannot be read"),
        (lambda f: (f / "model.safetensors").unlink(), BadData, "it has no weights"),
        (
            lambda f: (f / "preprocessor_config.json").unlink(),
            MissingData,
            "has no preprocessor_config.json.*Copy that file",
        ),
        (
            lambda f: (f / "preprocessor_config.json").write_text('{"sampling_rate": 8000}'),
            BadData,
            "hears 8,000 Hz",
        ),
        (shutil.rmtree, MissingData, "There is no folder"),
    ],
)
def test_a_folder_that_cannot_be_used(broken, error, message, copied):
    folder = copied()
    broken(folder)
    with pytest.raises(error, match=message):
        embedding(folder)


def test_a_whisper_whose_files_are_of_two_models(copied):
    folder = copied("whisper")
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "feature_size": 128}))
    with pytest.raises(BadData, match="80 mel bands.*128 bands.*of two models"):
        embedding(folder)


# --- where a model lies ---------------------------------------------------------------------


def in_hub_cache(root: Path, folder: Path, name: str, commit: str, ref: str = "main") -> Path:
    """As huggingface_hub lays out its cache."""
    repo = root / f"models--{name.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True, exist_ok=True)
    (repo / "refs" / ref).write_text(commit)
    return Path(shutil.copytree(folder, repo / "snapshots" / commit))


def test_a_missing_model_is_one_message_that_says_how_to_bring_it(own_cache, tmp_path):
    with pytest.raises(MissingData) as caught:
        embedding("w2v2-msp-dim").many()
    told = str(caught.value)
    for part in (
        "w2v2-msp-dim (audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim, about 661 MB, "
        "licence: CC-BY-NC-SA-4.0) is not on this machine",
        str(own_cache / "models" / "w2v2-msp-dim"),
        str(tmp_path / "hub"),
        "affectbench get w2v2-msp-dim brings it",
    ):
        assert part in told
    with pytest.raises(MissingData, match="someone/some-model.*affectbench get someone/some-model"):
        embedding("someone/some-model")
    with pytest.raises(MissingData, match="at revision v2 is.*wavlm-large --revision v2 brings"):
        embedding("wavlm-large", revision="v2").identity()


def test_names_that_mean_nothing(made):
    with pytest.raises(UnknownName, match="Did you mean 'wavlm-large'"):
        embedding("wavlm-larg")
    with pytest.raises(AffectBenchError, match="is a folder, and a folder has one revision"):
        embedding(made["hubert"], revision="main")


def test_the_hub_cache_is_found_by_commit_and_our_own_goes_before_it(made, own_cache, tmp_path):
    commit, older = "a" * 40, "b" * 40
    in_hub_cache(tmp_path / "hub", made["hubert"], "who/what", commit)
    in_hub_cache(tmp_path / "hub", made["wav2vec2"], "who/what", older, ref="v1")
    features = embedding("who/what")
    assert features.facts["revision"] == features.identity()["revision"] == commit
    assert features.name == "who-what"
    assert features.many()(bursts(900)).shape == (1, 32)
    for revision in ("v1", older):
        assert embedding("who/what", revision=revision).facts["revision"] == older
    shutil.copytree(made["wavlm"], own_cache / "models" / "who-what")
    assert embedding("who/what").identity()["files"] == embedding(made["wavlm"]).identity()["files"]


def test_a_folder_that_holds_another_model_than_the_row_says(made, own_cache):
    shutil.copytree(made["w2v2-msp-dim"], own_cache / "models" / "w2v2-msp-dim")
    with pytest.raises(BadData, match="found 32 values, 2 layers.*expected 1,024 values.*stand-in"):
        embedding("w2v2-msp-dim").many()


# --- bringing a model -----------------------------------------------------------------------


class Hub:
    """``snapshot_download`` as far as it is used: blobs, and a snapshot of links to them."""

    def __init__(self, folder: Path, commit: str = "c" * 40) -> None:
        self.folder, self.commit, self.calls = folder, commit, []

    def __call__(self, repo_id, *, revision, cache_dir, allow_patterns, tqdm_class):
        from huggingface_hub.utils import filter_repo_objects

        self.calls.append((repo_id, revision, tuple(allow_patterns)))
        repo = Path(cache_dir) / f"models--{repo_id.replace('/', '--')}"
        snapshot = repo / "snapshots" / self.commit
        snapshot.mkdir(parents=True, exist_ok=True)
        (repo / "blobs").mkdir(exist_ok=True)
        names = list(
            filter_repo_objects(
                sorted(path.name for path in self.folder.iterdir()), allow_patterns=allow_patterns
            )
        )
        if tqdm_class:
            with tqdm_class(total=len(names), desc="Fetching") as bar:
                for _ in names:
                    bar.update(1)
                bar.refresh()
        for name in names:
            blob = repo / "blobs" / f"digest-of-{name}"
            shutil.copy(self.folder / name, blob)
            (snapshot / name).unlink(missing_ok=True)
            (snapshot / name).symlink_to(blob)
        return str(snapshot)


@pytest.fixture
def hub_of(monkeypatch):
    """A function: let the hub hold that folder."""
    import huggingface_hub

    def serve(folder: Path) -> Hub:
        served = Hub(folder)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", served)
        return served

    return serve


def test_a_model_is_brought_whole_with_its_revision(
    hub_of, made, own_cache, copied, capfd, monkeypatch
):
    monkeypatch.setattr(hub, "SMALL_BYTES", 10_000)  # the weights are larger: moved, not copied
    remote = copied("hubert")
    assert (remote / "model.safetensors").stat().st_size > 10_000
    (remote / "affectbench.json").unlink()
    for name in ("README.md", "tf_model.h5", "model.fp32-00001-of-00001.safetensors", "x.bin"):
        (remote / name).write_text(name)
    served = hub_of(remote)
    told = []
    home = fetch("who/what", progress=lambda *step: told.append(step))
    assert home == own_cache / "models" / "who-what"
    assert told[-1] == ("Fetching", 4, 4)
    assert capfd.readouterr() == ("", "")
    assert sorted(path.name for path in home.iterdir()) == [
        "README.md",
        "affectbench.json",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    assert not any(path.is_symlink() for path in home.iterdir())
    assert sorted(path.name for path in home.parent.iterdir()) == ["who-what"]
    features = embedding("who/what")
    assert features.facts["revision"] == served.commit
    expected = embedding(made["hubert"]).many()(bursts(900))
    assert np.array_equal(features.many()(bursts(900)), expected)
    assert fetch("who/what") == home
    assert len(served.calls) == 1  # what is there is not fetched again
    assert fetch("who/what", revision="v1").name == "who-what@v1"
    assert served.calls[-1][:2] == ("who/what", "v1")


def test_pickled_weights_are_brought_where_there_are_no_others(hub_of, copied, own_cache):
    remote = copied("hubert")
    torch.save(weights_of(remote), remote / "pytorch_model.bin")
    (remote / "model.safetensors").unlink()
    served = hub_of(remote)
    home = fetch("hubert-base-ls960")
    assert home == own_cache / "models" / "hubert-base-ls960"
    changed(home, affectbench_stand_in=False)
    assert embedding(home).licence == MODELS["hubert-base-ls960"].licence  # known by its id
    assert (home / "pytorch_model.bin").is_file()
    assert [call[0] for call in served.calls] == ["facebook/hubert-base-ls960"] * 2


def test_a_download_that_breaks_leaves_nothing_under_the_name(hub_of, made, copied, own_cache):
    import huggingface_hub

    served = hub_of(made["hubert"])

    def broken(*names, **options):
        served(*names, **options)
        raise ConnectionError("the line went dead\nand more")

    huggingface_hub.snapshot_download = broken  # undone with hub_of
    with pytest.raises(MissingData, match="who/what could not be fetched .*the line went dead.*"):
        fetch("who/what")
    assert [path.name for path in (own_cache / "models").iterdir()] == [".who-what.partial"]
    with pytest.raises(MissingData, match="is not on this machine"):
        embedding("who/what")
    huggingface_hub.snapshot_download = served
    assert embedding(fetch("who/what")).dim == 32
    assert [path.name for path in (own_cache / "models").iterdir()] == ["who-what"]


def test_a_full_disk_is_told_as_such(hub_of, made, own_cache):
    import errno

    import huggingface_hub

    hub_of(made["hubert"])

    def full(*names, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    huggingface_hub.snapshot_download = full
    with pytest.raises(AffectBenchError, match="Could not write .*who-what: the disk is full"):
        fetch("who/what")


def test_a_model_without_weights_is_not_taken(hub_of, copied, own_cache):
    remote = copied()
    (remote / "model.safetensors").unlink()
    hub_of(remote)
    with pytest.raises(BadData, match="it has no weights"):
        fetch("who/what")
    assert not (own_cache / "models" / "who-what").exists()


def test_a_folder_needs_no_download(made, hub_of):
    with pytest.raises(AffectBenchError, match="is a folder. Nothing needs to be downloaded"):
        fetch(str(made["hubert"]))


# --- stand-ins ------------------------------------------------------------------------------


def test_a_stand_in_says_that_it_is_one(made):
    features = embedding(made["w2v2-msp-dim"])
    for told in (features.facts, features.identity()):
        assert told["stand_in"] == "random weights: a stand-in, its numbers mean nothing"
    assert features.facts["model"] == MODELS["w2v2-msp-dim"].id
    assert "stand-in for" in features.title
    assert features.licence == "none needed: random weights"
    assert features.dim == 32


def test_a_stand_in_is_made_of_its_seed(made, tmp_path):
    before = torch.get_rng_state()
    again = stand_in("hubert", tmp_path / "again")
    other = stand_in("hubert", tmp_path / "other", seed=1)
    assert torch.equal(before, torch.get_rng_state())
    assert embedding(again).identity() == embedding(made["hubert"]).identity()
    assert embedding(other).identity() != embedding(made["hubert"]).identity()


def test_a_stand_in_is_left_as_it_is_and_takes_nobody_elses_folder(tmp_path):
    folder = stand_in("wavlm", tmp_path / "one")
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert stand_in("wavlm", folder) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    with pytest.raises(AffectBenchError, match="holds something else"):
        stand_in("wavlm", folder, seed=1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(AffectBenchError, match="Nothing was written"):
        stand_in("wavlm", tmp_path / "mine")
    (tmp_path / "empty").mkdir()
    assert embedding(stand_in("wavlm", tmp_path / "empty")).dim == 32
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "mine", "one"]


def test_a_stand_in_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def killed(*names, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(transformers.Wav2Vec2FeatureExtractor, "save_pretrained", killed)
    with pytest.raises(KeyboardInterrupt):
        stand_in("wavlm", tmp_path / "one")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(AffectBenchError, match="dim is 30"):
        stand_in("wavlm", tmp_path / "one", dim=30)
    with pytest.raises(UnknownName, match="Did you mean 'wavlm-large'"):
        stand_in("wavlm-lage", tmp_path / "one")
