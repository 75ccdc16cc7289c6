"""The twin of HUME-VOCALBURST: layout, bytes, sizes, sound, ceiling, and no half folder."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.io import wavfile
from scipy.stats import spearmanr

from affectbench import TASKS, s_mtl
from affectbench.audio.decode import decode_file
from affectbench.audio.prepare import prepare
from affectbench.corpora import hume_vocalburst as hume
from affectbench.corpora.exvo import EMOTIONS
from affectbench.corpora.twin import formats, vocalburst, write_vocalburst
from affectbench.corpora.twin.cast import (
    CLIPS,
    COUNTRY_CLIPS,
    COUNTRY_SPEAKERS,
    LEAST_SPEAKERS,
    SPEAKERS,
    TYPES,
    apportion,
    draw_cast,
    sizes,
)
from affectbench.corpora.twin.ceiling import ccc, expectation, mean_recall, oracle
from affectbench.corpora.twin.latent import (
    CONTROLS,
    Latent,
    Ratings,
    draw_latent,
    draw_types,
)
from affectbench.corpora.twin.voice import PEAK, RATE_HZ, Throat, burst
from affectbench.errors import AffectBenchError, MissingExtra
from affectbench.metrics import METRICS
from affectbench.types import PARTS

TINY = 0.001  # the least of everything: 64 clips and 12 speakers a part
TABLES = ("high", "two", "culture", "type", "data")


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    return write_vocalburst(tmp_path_factory.mktemp("twin") / "avb", scale=TINY, workers=1)


def table(root: Path, name: str, folder: str = "labels") -> pl.DataFrame:
    return pl.read_csv(root / folder / f"{name}_info.csv")


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


# layout


@pytest.mark.parametrize("name", ["high", "two", "culture", "type"])
def test_columns_are_the_released_ones(twin, name):
    assert table(twin, name).columns == ["File_ID", "Split", *hume.FILES[name].columns]


def test_raw_lines_have_brackets_zeros_four_decimals_and_blank_tests(twin):
    lines = (twin / "labels" / "high_info.csv").read_text().splitlines()
    assert lines[0] == "File_ID,Split," + ",".join(EMOTIONS)
    assert [line.split(",")[0] for line in lines[1:]] == [f"[{n:05d}]" for n in range(192)]
    cells = [line.split(",")[1:] for line in lines[1:]]
    assert all(set(row[1:]) == {""} for row in cells if row[0] == "Test")
    shown = [value for row in cells if row[0] != "Test" for value in row[1:]]
    assert len(shown) == 2 * 64 * 10
    assert all(len(value) == 6 and 0 <= float(value) <= 1 for value in shown)


@pytest.mark.parametrize("name", TABLES)
def test_labels_are_the_sealed_ones_but_for_the_test_part(twin, name):
    shown, sealed = table(twin, name), table(twin, name, "sealed")
    assert sealed.null_count().sum_horizontal().item() == 0
    is_test = shown["Split"] == "Test"
    blank = shown.filter(is_test).drop("File_ID", "Split")
    assert blank.null_count().sum_horizontal().item() == blank.width * blank.height
    assert shown.filter(~is_test).equals(sealed.filter(~is_test))


def test_splits_are_capitalised_and_ids_alternate(twin):
    split = table(twin, "high")["Split"]
    assert dict(split.value_counts().iter_rows()) == {"Train": 64, "Val": 64, "Test": 64}
    changes = (split != split.shift(1)).sum()
    assert changes > 64  # three blocks would change twice


def test_every_clip_has_one_file_and_the_note_says_synthetic(twin):
    ids = {name.strip("[]") for name in table(twin, "high")["File_ID"]}
    assert {path.name for path in (twin / "audio/wav").iterdir()} == {f"{i}.wav" for i in ids}
    note = (twin / "TWIN.md").read_text()
    assert "synthetic" in note
    assert "seed 0" in note
    assert f"scale {TINY}" in note


def test_the_strongest_emotion_is_exactly_one(twin):
    for folder, rows in (("labels", 128), ("sealed", 192)):
        high = table(twin, "high", folder).drop_nulls().select(EMOTIONS).to_numpy()
        assert high.shape == (rows, 10)
        assert (high.max(axis=1) == 1.0).all()
    culture = table(twin, "culture", "sealed")
    for country in ("China", "United States", "South Africa", "Venezuela"):
        block = culture.select(f"{country}_{emotion}" for emotion in EMOTIONS).to_numpy()
        assert (block.max(axis=1) == 1.0).all()
        assert (block.min(axis=1) < 1.0).all()


def test_the_reader_of_the_real_corpus_reads_it(twin):
    clips = hume.CORPUS.read(twin).clips
    assert clips["part"].value_counts().sort("part")["count"].to_list() == [64, 64, 64]
    assert clips.filter(pl.col("part") == "train")["speaker"].null_count() == 0


# the layout of ExVo beside it


def test_the_same_clips_in_the_layout_of_exvo(twin, tmp_path):
    assert (twin / "wav").is_symlink()
    assert not (twin / "wav").readlink().is_absolute()
    info, sealed = pl.read_csv(twin / "data_info.csv"), table(twin, "data", "sealed")
    assert info["File_ID"].to_list() == sealed["File_ID"].to_list()
    assert info["Subject_ID"].to_list() == sealed["Subject_ID"].to_list()
    names = info["Country"].replace_strict(hume.COUNTRY_CODES, return_dtype=pl.String)
    seen = info["Split"] != "Test"
    assert names.filter(seen).to_list() == sealed["Country"].filter(seen).to_list()
    assert info.filter(~seen).select("Country", "Age").null_count().row(0) == (64, 64)
    given = info.filter(~seen).drop_nulls("Awe")
    assert given["Subject_ID"].value_counts()["count"].to_list() == [2] * LEAST_SPEAKERS
    alone = tmp_path / "exvo"
    alone.mkdir()
    (alone / "data_info.csv").symlink_to(twin / "data_info.csv")
    (alone / "wav").symlink_to(twin / "wav")
    clips, whole = hume.CORPUS.read(alone).clips, hume.CORPUS.read(twin).clips
    assert clips.drop("path").equals(whole.select(clips.columns).drop("path"))
    assert (
        clips.filter("support")["clip"].to_list()
        == given["File_ID"].str.strip_chars("[]").to_list()
    )
    assert clips.filter(pl.col("part") == "test")["Awe"].null_count() == 64


def test_originals_and_webm_of_some_clips(tmp_path):
    pytest.importorskip("av")
    roots = [
        write_vocalburst(
            tmp_path / name, scale=TINY, workers=1, raw=0.02, webm=0.01, raw_folder="o"
        )
        for name in "ab"
    ]
    assert tree(roots[0]) == tree(roots[1])
    raws, webms = (sorted((roots[0] / name).iterdir()) for name in ("o", "webm"))
    assert (len(raws), len(webms)) == (4, 2)
    for path in (*raws, *webms):
        rate_hz, wave = wavfile.read(roots[0] / "wav" / f"{path.stem}.wav")
        found = decode_file(path)
        assert found.rate_hz == 3 * rate_hz
        assert len(found.samples) == pytest.approx(3 * len(wave), abs=960)
        if path in raws:
            assert np.corrcoef(prepare(found.samples, found.rate_hz), wave)[0, 1] > 0.99


def test_webm_without_pyav_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"affectbench\[webm\]"):
        write_vocalburst(tmp_path / "twin", scale=TINY, webm=0.5)
    with pytest.raises(AffectBenchError, match="share 'raw'"):
        write_vocalburst(tmp_path / "twin", scale=TINY, raw=1.5)
    assert list(tmp_path.iterdir()) == []


# people


def test_no_speaker_is_in_two_parts_and_both_sexes_and_all_countries_are_in_each(twin):
    data = table(twin, "data", "sealed")
    parts = data.group_by("Subject_ID").agg(pl.col("Split").n_unique())
    assert parts["Split"].to_list() == [1] * (3 * LEAST_SPEAKERS)
    speakers = pl.read_csv(twin / "sealed" / "speakers.csv")
    assert set(speakers["Subject_ID"]) == set(data["Subject_ID"])
    each = speakers.group_by("Split").agg(
        pl.len(), pl.col("Gender").n_unique(), pl.col("Country").n_unique()
    )
    assert set(each.select("len", "Gender", "Country").iter_rows()) == {(LEAST_SPEAKERS, 2, 4)}
    assert speakers["Age"].is_between(20.5, 39.5).all()
    assert set(data["Country"]) == {"China", "South Africa", "United States", "Venezuela"}


def test_full_scale_has_the_published_sizes():
    full = sizes(1.0)
    for part in PARTS:
        assert sum(full[part].clips) == CLIPS[part]
        assert sum(full[part].speakers) == SPEAKERS[part]
    for part, counts in COUNTRY_CLIPS.items():
        assert full[part].clips == counts
        assert full[part].speakers == COUNTRY_SPEAKERS[part]
    assert (full["train"].females, full["dev"].females) == (305, 324)
    cast = draw_cast(1.0, np.random.default_rng(0))
    assert np.bincount(cast.part[cast.speaker]).tolist() == list(CLIPS.values())
    assert np.bincount(cast.speaker).min() >= 1
    assert cast.female[cast.part == 0].sum() == 305


@pytest.mark.parametrize("scale", [1e-6, 0.003, 0.02, 0.37])
def test_small_scales_keep_every_country_and_every_clip(scale):
    for part, size in sizes(scale).items():
        assert sum(size.clips) == max(64, int(CLIPS[part] * scale + 0.5))
        assert sum(size.speakers) == max(LEAST_SPEAKERS, int(SPEAKERS[part] * scale + 0.5))
        assert min(size.speakers) >= 2
        assert all(c >= s for c, s in zip(size.clips, size.speakers, strict=True))
        assert 0 < size.females < sum(size.speakers)


def test_apportion_rounds_the_largest_remainders_up():
    assert apportion(10, [1, 1, 1], 0).tolist() == [4, 3, 3]
    assert apportion(8, [79, 206, 244, 42], 2).tolist() == [2, 2, 2, 2]
    assert apportion(571, COUNTRY_SPEAKERS["train"], 2).tolist() == [79, 206, 244, 42]


@pytest.mark.parametrize("scale", [0, -1, 1.01, float("nan")])
def test_a_scale_out_of_range_is_refused(tmp_path, scale):
    with pytest.raises(AffectBenchError, match="scale"):
        write_vocalburst(tmp_path / "twin", scale=scale)
    assert list(tmp_path.iterdir()) == []


# bytes


def test_bytes_do_not_depend_on_the_workers(twin, tmp_path):
    assert tree(write_vocalburst(tmp_path / "again", scale=TINY, workers=2)) == tree(twin)


def test_another_seed_gives_other_sound_and_labels(twin, tmp_path):
    other = tree(write_vocalburst(tmp_path / "other", scale=TINY, seed=1, workers=1))
    this = tree(twin)
    for name in ("audio/wav/00000.wav", "labels/high_info.csv", "sealed/speakers.csv"):
        assert other[name] != this[name]


# sound


def test_clips_are_16_khz_mono_with_their_peak_at_minus_3_db(twin):
    seconds = []
    for path in (twin / "audio" / "wav").iterdir():
        rate_hz, wave = wavfile.read(path)
        assert (rate_hz, wave.dtype, wave.ndim) == (RATE_HZ, np.int16, 1)
        assert abs(wave.astype(int)).max() == PEAK
        seconds.append(len(wave) / rate_hz)
    assert 20 * np.log10(PEAK / 2**15) == pytest.approx(-3, abs=0.001)
    assert min(seconds) > 0.3
    assert max(seconds) < 9.96
    assert np.mean(seconds) == pytest.approx(2.24, abs=0.4)  # published mean


def example(kind: str, seed: int, **control: float) -> np.ndarray:
    how = np.array([control.get(name, 0.0) for name in CONTROLS], dtype=np.float32)
    wave = burst(kind, how, Throat(200.0, 14.7, 30.0), np.random.default_rng(seed))
    return wave / PEAK


def centroid(wave: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(wave)) ** 2
    return float((power * np.fft.rfftfreq(len(wave), 1 / RATE_HZ)).sum() / power.sum())


def strongest_hz(wave: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(wave))
    return float(np.argmax(power) / len(wave) * RATE_HZ)


def test_kinds_differ_as_their_names_say():
    def middle(measure, kind):
        return np.median([measure(example(kind, seed)) for seed in range(9)])

    length = {kind: middle(len, kind) for kind in TYPES}
    bright = {kind: middle(centroid, kind) for kind in TYPES}
    assert length["Grunt"] < length["Gasp"] < length["Groan"] < length["Cry"]
    assert bright["Grunt"] < bright["Cry"] < bright["Scream"] < bright["Pant"]
    assert middle(strongest_hz, "Groan") < middle(strongest_hz, "Scream")


def test_effort_brightens_and_smiling_raises_the_formants():
    for name in ("effort", "smile"):
        low = np.mean([centroid(example("Pant", seed, **{name: -2.0})) for seed in range(5)])
        high = np.mean([centroid(example("Pant", seed, **{name: 2.0})) for seed in range(5)])
        assert high > low


# ceiling


@pytest.fixture(scope="module")
def planted() -> tuple[Latent, np.random.Generator]:
    rng = np.random.default_rng(5)
    return draw_latent(draw_cast(0.1, rng), rng), rng


def test_ceilings_lie_where_the_tasks_are_learnable(twin):
    found = json.loads((twin / "ceiling.json").read_text())
    tasks = {"avb-high", "avb-two", "avb-culture", "avb-type", "exvo-fewshot", "exvo-multitask"}
    assert set(found) == {*tasks, "how"}
    for task in tasks:
        row = found[task]
        assert row["metric"] == TASKS[task].metric.key
        assert 0.5 < row["dev"] < TASKS[task].metric.high
        assert 0.5 < row["test"] < TASKS[task].metric.high
    for part in ("dev", "test"):
        assert found["exvo-fewshot"][part] == found["avb-high"][part]
        known = s_mtl(found["avb-high"][part], 1.0, 0.0)  # CCC, UAR and MAE of the oracle
        assert found["exvo-multitask"][part] == pytest.approx(known, abs=1e-6)


@pytest.mark.parametrize("name", ["high", "two", "culture"])
def test_no_other_function_of_the_latents_beats_the_oracle(planted, name):
    latent, rng = planted
    ratings = latent.ratings[name].rows(np.arange(2000))
    truth = ratings.draw(rng).astype(float)
    best = oracle(ratings, rng)
    mean, _ = expectation(ratings, rng)
    score = ccc(truth, best).mean()
    assert score < 0.95
    assert score > ccc(truth, mean).mean() > 0.5  # a shrunk prediction is not the best CCC
    assert score > ccc(truth, mean.mean(axis=0) + 2 * (best - best.mean(axis=0))).mean()
    assert np.allclose(ccc(truth, np.tile(truth.mean(axis=0), (2000, 1))), 0)


def test_expectation_is_the_mean_over_the_rating_noise():
    logit = np.array([[[0.0]], [[1.0]]], dtype=np.float32)
    ratings = Ratings(logit, np.full((2, 1), 0.8, dtype=np.float32), relative=False)
    mean, variance = expectation(ratings, np.random.default_rng(0))
    x, weight = np.polynomial.hermite_e.hermegauss(40)
    value = 1 / (1 + np.exp(-(logit[:, 0] + 0.8 * x)))
    exact = value @ weight / weight.sum()
    spread = value**2 @ weight / weight.sum() - exact**2
    assert mean[:, 0] == pytest.approx(exact, abs=4 * np.sqrt(spread.max() / 200))
    assert variance[:, 0] == pytest.approx(spread, rel=0.4)


def test_the_type_oracle_weighs_rare_types_up(planted):
    latent, rng = planted
    label = draw_types(latent, rng)
    prior = latent.type_chance.mean(axis=0)
    weighed = mean_recall(label, np.argmax(latent.type_chance / prior, axis=1))
    plain = mean_recall(label, np.argmax(latent.type_chance, axis=1))
    assert weighed > plain > mean_recall(label, np.full(len(label), 1))
    assert mean_recall(label, np.full(len(label), 1)) == 1 / 8


def test_ceiling_scores_agree_with_the_metrics(planted):
    latent, rng = planted
    truth = latent.ratings["two"].draw(rng).astype(float)
    guess = truth + rng.normal(0, 0.2, truth.shape)
    assert ccc(truth, guess) == pytest.approx(METRICS["ccc.population"].compute(truth, guess, 2))
    label, other = draw_types(latent, rng), draw_types(latent, rng)
    uar = METRICS["uar.truth"]
    assert mean_recall(label, other) == pytest.approx(
        float(uar.combine(uar.compute(label, other, 8)))
    )


def test_types_have_the_published_imbalance(planted):
    latent, rng = planted
    share = np.bincount(draw_types(latent, rng), minlength=8) / len(latent.kind)
    published = np.array([1845, 7104, 1366, 1347, 4940, 1348, 467, 1573]) / 19_990
    assert share == pytest.approx(published, abs=0.02)


def test_raters_of_the_own_country_hear_best(planted):
    noise = planted[0].ratings["culture"].noise
    assert ((noise == noise.min()).sum(axis=1) == 1).all()


def test_dominant_emotions_come_in_the_published_order(planted):
    latent, rng = planted
    strongest = np.argmax(latent.ratings["high"].draw(rng), axis=1)
    count = dict(zip(EMOTIONS, np.bincount(strongest, minlength=10), strict=True))
    order = "Amusement Surprise Fear Sadness Distress Excitement Awe Horror Awkwardness Triumph"
    rank = spearmanr([count[name] for name in order.split()], np.arange(10, 0, -1)).statistic
    assert rank > 0.95


# failures


def test_a_folder_in_use_is_refused_and_an_empty_one_is_taken(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(AffectBenchError, match="not an empty folder"):
        write_vocalburst(tmp_path, scale=TINY, workers=1)
    with pytest.raises(AffectBenchError, match="not an empty folder"):
        write_vocalburst(tmp_path / "mine.txt", scale=TINY, workers=1)
    assert tree(tmp_path) == {"mine.txt": b"mine"}
    (tmp_path / "empty").mkdir()
    assert (write_vocalburst(tmp_path / "empty", scale=TINY, workers=1) / "TWIN.md").exists()


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ENOSPC, "no space"), AffectBenchError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_nothing_is_left_after_a_failure_midway(tmp_path, monkeypatch, error, raised):
    made = []

    def fail_at_the_tenth(*args):
        made.append(args)
        if len(made) == 10:
            raise error
        return burst(*args)

    monkeypatch.setattr(vocalburst, "burst", fail_at_the_tenth)
    with pytest.raises(raised) as caught:
        write_vocalburst(tmp_path / "twin", scale=TINY, workers=1)
    assert len(made) == 10
    assert list(tmp_path.iterdir()) == []
    if raised is AffectBenchError:
        assert "the disk is full" in str(caught.value)


def test_progress_counts_every_clip_once(tmp_path):
    seen = []
    write_vocalburst(
        tmp_path / "twin", scale=TINY, workers=1, progress=lambda *step: seen.append(step)
    )
    assert [done for done, _ in seen] == [64, 128, 192]
    assert {total for _, total in seen} == {192}


def test_an_interrupt_among_processes_leaves_nothing_and_warns_of_nothing(tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_vocalburst(tmp_path / "twin", scale=0.01, workers=2, progress=interrupt)
    assert list(tmp_path.iterdir()) == []
