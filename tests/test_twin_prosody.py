"""The twin of HUME-PROSODY: layout, seeds, sizes, bytes, sound, ceiling."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.io import wavfile

from affectbench.corpora import hume_prosody
from affectbench.corpora.twin import prosody_model as model
from affectbench.corpora.twin import write_prosody
from affectbench.corpora.twin.formats import RAW_HZ
from affectbench.corpora.twin.latent import CONTROLS
from affectbench.corpora.twin.sentence import draw_sentence, speak
from affectbench.corpora.twin.voice import PEAK, RATE_HZ, Throat
from affectbench.errors import AffectBenchError
from affectbench.types import PARTS

TINY = 0.001  # the least of everything: 64 clips and 6 speakers a part
FILES = {"train": "train.csv", "dev": "devel.csv", "test": "test.csv"}


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    root = tmp_path_factory.mktemp("twin") / "prosody"
    return write_prosody(root, scale=TINY, workers=1, raw=0.02)


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(5)
    seeds, clips = model.draw_clips(0.1, model.draw_speakers(0.1, rng), rng)
    return seeds, clips, rng


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


# layout


def test_the_reader_of_the_real_corpus_reads_it(twin):
    reading = hume_prosody.read(twin)
    assert model.EMOTIONS == hume_prosody.EMOTIONS
    assert [f.kind for f in reading.findings] == ["speakers unknown", "seed in two parts"]
    assert reading.clips["part"].to_list() == ["train"] * 64 + ["dev"] * 64 + ["test"] * 64
    assert reading.clips["path"].null_count() == 0
    shown = reading.clips.filter(pl.col("part") != "test").select(model.EMOTIONS).to_numpy()
    assert (shown.max(axis=1) == 1.0).all()
    assert (shown.min(axis=1) >= 0.0).all()


def test_test_labels_are_masked_and_sealed(twin):
    masked = pl.read_csv(twin / "lab/test.csv")
    assert set(masked.drop("filename").unique().row(0)) == {"?"}
    sealed = hume_prosody.read_labels(twin / "sealed")
    assert sealed["clip"].to_list() == masked["filename"].to_list()
    assert sealed["seed"].null_count() == 0


def test_labels_are_those_of_the_seed_and_speakers_are_in_one_part(twin):
    who = pl.read_csv(twin / "sealed/speakers.csv")
    truth = pl.concat(
        pl.read_csv(twin / folder / name)
        for folder, name in (
            ("lab", "train.csv"),
            ("lab", "devel.csv"),
            ("sealed", "test.unmasked.csv"),
        )
    )
    assert who["filename"].to_list() == truth["filename"].to_list()
    labels = who.join(truth, on="filename")
    each = labels.group_by("Seed").agg(pl.struct(model.EMOTIONS).n_unique().alias("vectors"))
    assert set(each["vectors"]) == {1}
    assert labels.select(model.EMOTIONS).n_unique() == labels["Seed"].n_unique()
    assert labels.group_by("Seed").agg(pl.col("Split").n_unique())["Split"].max() == 3
    assert who.group_by("Speaker").agg(pl.col("Split").n_unique())["Split"].to_list() == [1] * 18
    assert set(who["Gender"]) == {"Female", "Male"}
    assert who["Age"].is_between(20, 66).all()


def test_files_are_numbered_through_as_released():
    from affectbench.corpora.twin.prosody import _name

    assert _name(model.CLIPS["train"]) == "31746.wav"
    assert _name(sum(model.CLIPS.values()) - 1) == "51813.wav"


def test_note_and_originals(twin):
    note = (twin / "TWIN.md").read_text()
    assert "synthetic" in note
    assert f"seed 0, scale {TINY}" in note
    raws = sorted((twin / "raw/wav").iterdir())
    assert len(raws) == 4
    rate_hz, wave = wavfile.read(raws[0])
    _, prepared = wavfile.read(twin / "wav" / raws[0].name)
    assert rate_hz == RAW_HZ
    assert len(wave) == 3 * len(prepared)
    assert np.corrcoef(wave[::3], prepared)[0, 1] > 0.99


# sizes and labels


def test_full_scale_has_the_known_sizes():
    people = model.draw_speakers(1.0, np.random.default_rng(0))
    assert np.bincount(people.part).tolist() == [600, 202, 202]
    assert [people.female[people.part == part].sum() for part in (0, 1)] == [379, 117]
    seeds, clips = model.draw_clips(1.0, people, np.random.default_rng(0))
    assert np.bincount(clips.part).tolist() == [31_745, 9_925, 10_143]
    labels = seeds.labels[clips.seed]
    zeros = (labels == 0).mean(axis=0)
    assert ((zeros > 0.05) & (zeros < 0.11)).all()
    assert (labels.max(axis=1) == 1).all()
    assert len(np.unique(seeds.labels, axis=0)) == len(seeds.labels)
    distinct, times = np.unique(clips.seed[clips.part == 1], return_counts=True)
    assert len(distinct) == pytest.approx(3_477, rel=0.02)  # of the released dev labels
    assert (times == 1).sum() == pytest.approx(1_246, rel=0.1)
    share = dict(zip(model.EMOTIONS, (labels == 1).mean(axis=0), strict=True))
    assert max(share, key=share.get) == "Calmness"
    assert min(share, key=share.get) == "Concentration"


@pytest.mark.parametrize("scale", [1e-6, 0.003, 0.02, 0.37])
def test_small_scales(scale):
    for part, (clips, speakers, females) in model.sizes(scale).items():
        assert clips == max(64, int(model.CLIPS[part] * scale + 0.5))
        assert speakers == max(6, int(model.SPEAKERS[part] * scale + 0.5))
        assert 0 < females < speakers


@pytest.mark.parametrize(
    ("name", "value"), [("scale", 0), ("scale", 1.01), ("seed", -1), ("raw", 2)]
)
def test_numbers_out_of_range_are_refused(tmp_path, name, value):
    with pytest.raises(AffectBenchError, match=name):
        write_prosody(tmp_path / "twin", **{name: value})
    assert list(tmp_path.iterdir()) == []


def test_a_row_of_ratings_that_are_all_below_the_cut_keeps_its_strongest():
    shares = model._shares(np.array([[0.1, 0.2, 0.05], [0.6, 0.9, 0.2]]), np.full(3, 0.3))
    assert shares.tolist() == [[0, 1, 0], [pytest.approx(0.5), 1, 0]]


# bytes


def test_bytes_do_not_depend_on_the_workers(twin, tmp_path):
    again = write_prosody(tmp_path / "again", scale=TINY, workers=2, raw=0.02)
    assert tree(again) == tree(twin)


# sound


def test_clips_are_16_khz_mono_with_their_peak_at_minus_3_db(twin):
    seconds = []
    for path in (twin / "wav").iterdir():
        rate_hz, wave = wavfile.read(path)
        assert (rate_hz, wave.dtype, wave.ndim) == (RATE_HZ, np.int16, 1)
        assert abs(wave.astype(int)).max() == PEAK
        seconds.append(len(wave) / rate_hz)
    assert np.mean(seconds) == pytest.approx(150_535 / 51_813, abs=0.4)  # known duration and files
    assert min(seconds) > 0.5


def reading(seed: int, **control: float) -> np.ndarray:
    how = np.array([control.get(name, 0.0) for name in CONTROLS], dtype=np.float32)
    sentence = draw_sentence(np.random.default_rng(3))
    return speak(sentence, how, Throat(120.0, 17.0, 30.0), np.random.default_rng(seed)) / PEAK


def loudness(wave: np.ndarray) -> np.ndarray:
    """Mean power of every 20 ms."""
    size = RATE_HZ // 50
    return (wave[: len(wave) // size * size].reshape(-1, size) ** 2).mean(axis=1)


def centroid(wave: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(wave)) ** 2
    return float((power * np.fft.rfftfreq(len(wave), 1 / RATE_HZ)).sum() / power.sum())


def pitch_hz(wave: np.ndarray) -> float:
    """Median lag of the highest autocorrelation, 70 to 400 Hz, over loud frames of 40 ms."""
    size, found = RATE_HZ // 25, []
    for frame in wave[: len(wave) // size * size].reshape(-1, size):
        if (frame**2).mean() > 0.2 * (wave**2).mean():
            same = np.correlate(frame, frame, "full")[size - 1 :]
            lag = RATE_HZ // 400 + np.argmax(same[RATE_HZ // 400 : RATE_HZ // 70])
            found.append(RATE_HZ / lag)
    return float(np.median(found))


def test_controls_are_heard():
    def mean(measure, **control):
        return np.mean([measure(reading(seed, **control)) for seed in range(4)])

    assert mean(pitch_hz, pitch=2.0) > 1.3 * mean(pitch_hz, pitch=-2.0)
    assert mean(len, rate=2.0) < mean(len, rate=-2.0)
    assert mean(centroid, effort=2.0) > mean(centroid, effort=-2.0)


def test_readings_of_one_sentence_are_alike_and_not_the_same():
    one, two = loudness(reading(1)), loudness(reading(2))
    other = draw_sentence(np.random.default_rng(4))
    assert not np.array_equal(one, two)
    assert len(one) == pytest.approx(len(two), rel=0.35)
    assert len(other.vowel) != len(draw_sentence(np.random.default_rng(3)).vowel)


# ceiling


def test_ceilings_lie_where_the_task_is_learnable(twin):
    found = json.loads((twin / "ceiling.json").read_text())
    assert set(found) == {"emotion-share", "how"}
    row = found["emotion-share"]
    for part in PARTS[1:]:
        assert 0.5 < row[part] < 0.95
        assert row[part] <= row["recognised"][part] <= 1


def test_the_oracle_beats_the_mean_and_the_noiseless_label(planted):
    seeds, clips, rng = planted
    own = clips.seed[clips.part == 0]
    truth = seeds.labels[own]
    best = model.mean_spearman(truth, model.expected_ranks(seeds, clips.seed, rng)[own])
    noiseless = model._shares(1 / (1 + np.exp(-seeds.logit)), seeds.cut)[own]
    another = model._shares(model._rating(seeds.logit, rng), seeds.cut)[own]
    assert best > model.mean_spearman(truth, noiseless)
    assert best > model.mean_spearman(truth, another) + 0.05
    assert model.mean_spearman(truth, truth) == pytest.approx(1)


def test_ranks_are_shares_of_the_reference():
    reference = np.array([[0.0], [0.0], [0.5], [1.0]])
    assert model.rank_of(np.array([[0.0], [0.5], [2.0]]), reference)[:, 0].tolist() == [
        0.25,
        0.625,
        1.0,
    ]
