"""From a folder to a stored result: one code path for every corpus, nothing stale served."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from affectbench import (
    FEATURES,
    SYSTEMS,
    TASKS,
    Scoring,
    from_sklearn,
    results,
    run,
    score_system,
    store,
)
from affectbench.errors import AffectBenchError, BadData, MissingData, ResultConflict
from affectbench.types import FeatureSet, System

FAST = Scoring(draws=200)


def open_levels():
    """A feature set of the test's own: level, duration and zero crossings of a wave."""

    def levels(wave):
        samples = wave.astype(np.float64)
        half = len(samples) // 2
        loud = [np.sqrt(np.mean(part**2)) for part in (samples[:half], samples[half:])]
        crossings = np.mean(np.diff(np.signbit(samples)) != 0)
        return np.array([*loud, len(samples) / 16_000, crossings], dtype=np.float32)

    return levels


LEVELS = FeatureSet(
    name="levels",
    title="loudness, duration, zero crossings",
    dim=4,
    names=lambda: ("first", "second", "duration_s", "crossings"),
    identity=lambda: {"version": "1"},
    open=open_levels,
    min_samples=2,
)


def logistic(name="logistic", **settings):
    return from_sklearn(
        name, LEVELS, make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, **settings))
    )


def go(avb, out, task="avb-type", system=None, **options):
    options = {"scoring": FAST, "workers": 1, **options}
    return run(TASKS[task], system or logistic(), data=avb, out=out, **options)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Everything that must not differ between equal runs."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.name != "run.json"}


def test_a_folder_becomes_a_stored_score(avb, tmp_path):
    result = go(avb, tmp_path / "out")
    assert result.folder == tmp_path / "out/avb-type/logistic"
    assert result.part == "dev"  # the labels of test are blind
    assert 0.3 < result.score.value <= 1  # pitch tells the class; chance is .125
    assert (result.score.clips, result.score.groups, result.score.group_by) == (48, 6, "speaker")
    assert result.score.low <= result.score.value <= result.score.high
    assert len(result.scores["dev"]["uar.truth"].per_output) == 8
    assert any("6 speakers" in note for note in result.notes)
    stored = json.loads((result.folder / "seed0/result.json").read_text())
    assert stored["data"]["parts"]["train"] == {"clips": 48, "readable": 48, "speakers": 6}
    assert stored["data"]["parts"]["test"]["speakers"] is None
    assert stored["scores"]["dev"]["uar.truth"]["value"] == result.score.value
    assert stored["versions"]["scikit-learn"]
    test = pl.read_parquet(result.folder / "seed0/test.parquet")
    assert len(test) == 48
    assert test["truth.Voc_Type"].null_count() == 48
    assert test["prediction.Voc_Type"].null_count() == 0


def test_the_result_is_the_users_own_pipeline(avb, tmp_path):
    result = go(avb, tmp_path / "out")
    material = []
    for path in sorted((avb / "audio/wav").iterdir()):
        samples, _ = soundfile.read(path, dtype="float64")
        scaled = np.rint(samples / abs(samples).max() * 10 ** (-3 / 20) * 32768)
        material.append(open_levels()(scaled.astype(np.int16)))
    labels = pl.read_csv(avb / "labels/type_info.csv")
    x = np.stack(material)
    train = (labels["Split"] == "Train").to_numpy()
    dev = (labels["Split"] == "Val").to_numpy()
    y = labels["Voc_Type"].to_numpy()
    own = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x[train], y[train])
    stored = pl.read_parquet(result.folder / "seed0/dev.parquet")
    agreement = np.mean(stored["prediction.Voc_Type"].to_numpy() == own.predict(x[dev]))
    assert agreement > 0.95  # rounding to int16 may move a clip at a border


def test_the_same_run_gives_the_same_bytes_and_is_served(avb, tmp_path):
    one = go(avb, tmp_path / "one")
    two = go(avb, tmp_path / "two")
    assert bytes_of(one.folder) == bytes_of(two.folder)
    before = (one.folder / "seed0/run.json").read_bytes()
    go(avb, tmp_path / "one")
    assert (one.folder / "seed0/run.json").read_bytes() == before


def change_audio(avb):
    path = avb / "audio/wav/00003.wav"
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples[::-1], rate)


def change_label(avb):
    path = avb / "labels/type_info.csv"
    path.write_text(path.read_text().replace("[00003],Train,Grunt", "[00003],Train,Laugh"))


def change_split(avb):
    for path in (avb / "labels").iterdir():
        text = path.read_text()
        path.write_text(text.replace("[00000],Train", "[00000],Val"))


def change_speaker(avb):
    path = avb / "labels/data_info.csv"
    path.write_text(path.read_text().replace("Speaker_Val0", "Speaker_Val1"))


@pytest.mark.parametrize("change", [change_audio, change_label, change_split, change_speaker])
def test_nothing_is_served_for_other_data(avb, tmp_path, change):
    out = tmp_path / "out"
    first = go(avb, out)
    before = bytes_of(first.folder)
    change(avb)
    keep = {"keep_going": change is change_split}  # the speaker is then in two parts
    with pytest.raises(ResultConflict, match="--overwrite"):
        go(avb, out, **keep)
    assert bytes_of(first.folder) == before
    go(avb, out, overwrite=True, **keep)
    assert bytes_of(first.folder) != before


def test_nothing_is_served_for_other_settings(avb, tmp_path):
    out = tmp_path / "out"
    go(avb, out, system=logistic(C=1.0))
    with pytest.raises(ResultConflict, match="settings"):
        go(avb, out, system=logistic(C=0.01))


def test_nothing_is_served_for_other_code_of_the_users_own(avb, tmp_path):
    class Constant:
        def __init__(self, answer):
            self.answer = answer

        def fit(self, train, dev):
            return self

        def predict(self, part):
            return np.eye(8)[[self.answer] * len(part.clips)]

        def report(self):
            return {}

    systems = [
        System(name="own", title="own", features=LEVELS, build=lambda *_, a=answer: Constant(a))
        for answer in (0, 0, 1)
    ]
    out = tmp_path / "out"
    values = [go(avb, out, system=system).score.value for system in systems[:2]]
    assert values == [1 / 8, 1 / 8]
    with pytest.raises(ResultConflict, match="code has changed"):
        go(avb, out, system=systems[2])
    go(avb, out, system=systems[2], overwrite=True)


def test_changed_predictions_are_noticed(avb, tmp_path):
    result = go(avb, tmp_path / "out")
    path = result.folder / "seed0/dev.parquet"
    table = pl.read_parquet(path)
    table.with_columns(pl.lit("Cry").alias("prediction.Voc_Type")).write_parquet(path)
    with pytest.raises(ResultConflict, match="changed after the run"):
        score_system(result.folder, TASKS["avb-type"], FAST)


def test_a_shared_speaker_stops_the_run(avb, tmp_path):
    path = avb / "labels/data_info.csv"
    path.write_text(path.read_text().replace("Speaker_Val0", "Speaker_Train0"))
    with pytest.raises(BadData, match=r"speaker in two parts: 1 \(Speaker_Train0\)"):
        go(avb, tmp_path / "out")
    result = go(avb, tmp_path / "out", keep_going=True)
    assert any("speaker in two parts: 1" in note for note in result.notes)


def test_a_recording_in_two_parts_stops_the_run(avb, tmp_path):
    shutil.copy(avb / "audio/wav/00001.wav", avb / "audio/wav/00060.wav")
    with pytest.raises(BadData, match=r"across parts: 1 \(00001 = 00060\)"):
        go(avb, tmp_path / "out")


def test_unreadable_clips_are_all_named_before_the_work(avb, tmp_path):
    wav = avb / "audio/wav"
    (wav / "00002.wav").write_bytes(b"")
    (wav / "00050.wav").write_bytes(b"not audio at all")
    whole = (wav / "00051.wav").read_bytes()
    (wav / "00051.wav").write_bytes(whole[: len(whole) // 2])
    (wav / "00100.wav").unlink()
    with pytest.raises(BadData, match=r"label without audio: 1 \(00100\)"):
        go(avb, tmp_path / "out")
    shutil.copy(wav / "00101.wav", wav / "00100.wav")
    with pytest.raises(BadData, match="unreadable audio: 3 .*00002.*00050.*00051"):
        go(avb, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("seed*"))


def test_with_keep_going_no_clip_is_lost(avb, tmp_path):
    wav = avb / "audio/wav"
    (wav / "00002.wav").write_bytes(b"")  # train
    (wav / "00050.wav").write_bytes(b"no")  # dev
    (wav / "00100.wav").unlink()  # test
    result = go(avb, tmp_path / "out", keep_going=True)
    assert result.score.clips == 47
    assert dict(result.unscored) == {"dev": 1, "test": 48}
    dev = pl.read_parquet(result.folder / "seed0/dev.parquet")
    assert dev.filter(pl.col("prediction.Voc_Type").is_null())["clip"].to_list() == ["00050"]
    test = pl.read_parquet(result.folder / "seed0/test.parquet")
    assert test.filter(pl.col("prediction.Voc_Type").is_null())["clip"].to_list() == ["00100"]
    stored = json.loads((result.folder / "seed0/result.json").read_text())
    counted = {finding["kind"]: finding["count"] for finding in stored["findings"]}
    assert counted == {"label without audio": 1, "unreadable audio": 2}


def test_silent_and_short_clips_are_used_and_told(avb, tmp_path):
    wav = avb / "audio/wav"
    soundfile.write(wav / "00002.wav", np.zeros(8000), 16_000)
    soundfile.write(wav / "00003.wav", 0.1 * np.ones(1), 16_000)
    result = go(avb, tmp_path / "out")
    told = " ".join(result.notes)
    assert "silent: 1" in told
    assert "shorter than the features need: 1" in told
    assert result.scores["dev"]["uar.truth"].score.clips == 48


def test_without_speakers_there_is_no_interval_unless_by_clip(avb, tmp_path):
    (avb / "labels/data_info.csv").unlink()
    result = go(avb, tmp_path / "out")
    assert np.isnan(result.score.low)
    assert result.score.groups == 0
    assert any("speakers are unknown" in note for note in result.notes)
    by_clip = go(avb, tmp_path / "out", scoring=Scoring(draws=200, group_by="clip"))
    assert (by_clip.score.groups, by_clip.score.group_by) == (48, "clip")
    assert by_clip.score.value == result.score.value


def test_blind_labels_can_be_scored_later(avb, tmp_path):
    result = go(avb, tmp_path / "out")
    predicted = pl.read_parquet(result.folder / "seed0/test.parquet")
    sealed = tmp_path / "sealed"
    sealed.mkdir()
    text = (avb / "labels/type_info.csv").read_text()
    (sealed / "type_info.csv").write_text(text.replace("Test,", "Test,Gasp"))
    results.unblind(result.folder, TASKS["avb-type"], sealed)
    scored = score_system(result.folder, TASKS["avb-type"], FAST)
    assert scored.part == "test"
    share = np.mean(predicted["prediction.Voc_Type"].to_numpy() == "Gasp")
    assert scored.score.value == pytest.approx(share)
    half = tmp_path / "half"
    half.mkdir()
    lines = (sealed / "type_info.csv").read_text().splitlines()
    (half / "type_info.csv").write_text("\n".join(lines[:-3]) + "\n")
    with pytest.raises(MissingData, match="no label for 3 of 48 test clips"):
        results.unblind(result.folder, TASKS["avb-type"], half)


def test_missing_labels_and_folders_are_told(avb, tmp_path):
    (avb / "labels/high_info.csv").unlink()
    with pytest.raises(MissingData, match="avb-high needs the label columns Awe"):
        go(avb, tmp_path / "out", task="avb-high")
    with pytest.raises(MissingData, match="is not a folder"):
        go(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(BadData, match="no mode 'official'"):
        go(avb, tmp_path / "out", mode="official")


def test_an_estimator_of_the_wrong_kind_is_told(avb, tmp_path):
    with pytest.raises(BadData, match="predicts classes; avb-high is a regression"):
        go(avb, tmp_path / "out", task="avb-high")


def test_a_class_without_train_clips_is_told(avb, tmp_path):
    path = avb / "labels/type_info.csv"
    path.write_text(path.read_text().replace("Train,Scream", "Train,Cry"))
    with pytest.raises(BadData, match="no train clip is of class Scream"):
        go(avb, tmp_path / "out")


def test_results_that_cannot_be_written_are_told_before_the_work(avb, tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be")
    with pytest.raises(AffectBenchError, match="Could not write"):
        go(avb, tmp_path / "out")


def test_a_full_disk_leaves_no_half_result(avb, tmp_path, monkeypatch):
    """A device that is always full stands behind the file that should be written."""

    def full(path, write):
        try:
            with Path("/dev/full").open("wb") as file:
                write(file)
        except OSError as error:
            raise store.disk_error(error, path) from error

    monkeypatch.setattr(results, "write_atomic", full)
    with pytest.raises(AffectBenchError, match="disk is full"):
        go(avb, tmp_path / "out")
    assert list((tmp_path / "out/avb-type/logistic").iterdir()) == []


def test_a_killed_run_leaves_no_half_result(avb, tmp_path, monkeypatch):
    def killed(path, value):
        raise KeyboardInterrupt

    monkeypatch.setattr(results, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        go(avb, tmp_path / "out")
    assert list((tmp_path / "out/avb-type/logistic").iterdir()) == []
    monkeypatch.undo()


@pytest.mark.parametrize("task", ["avb-high", "avb-two", "avb-culture"])
def test_regression_tasks_run_through_the_same_path(avb, tmp_path, task):
    result = go(avb, tmp_path / "out", task=task, system=SYSTEMS["egemaps-svm"])
    assert len(result.scores["dev"]["ccc.population"].per_output) == len(TASKS[task].target.columns)
    assert set(result.scores["dev"]) == {"ccc.population", "ccc.official", "ccc.sample"}


def test_blank_culture_labels_are_masked(avb, tmp_path):
    path = avb / "labels/culture_info.csv"
    table = pl.read_csv(path, infer_schema=False)
    foreign = [name for name in table.columns if name.startswith("China")]
    half = pl.int_range(pl.len()) % 2 == 0
    table.with_columns(pl.when(half).then(None).otherwise(pl.col(foreign)).name.keep()).write_csv(
        path
    )
    result = go(avb, tmp_path / "out", task="avb-culture", system=SYSTEMS["egemaps-svm"])
    assert np.isfinite(result.score.value)


def test_mlp_in_both_modes_with_several_seeds(avb, tmp_path):
    system = SYSTEMS["egemaps-mlp"]
    sound = go(avb, tmp_path / "out", system=system, seeds=(101, 102))
    official = go(avb, tmp_path / "out", system=system, seeds=(101,), mode="official")
    assert sound.folder.name == "egemaps-mlp"
    assert official.folder.name == "egemaps-mlp-official"
    assert len(sound.scores["dev"]["uar.truth"].per_seed) == 2
    assert sound.score.value == pytest.approx(np.mean(sound.scores["dev"]["uar.truth"].per_seed))
    more = go(avb, tmp_path / "out", system=system, seeds=(103,))
    assert len(more.scores["dev"]["uar.truth"].per_seed) == 3
    assert FEATURES["egemaps"].dim == 88


def test_real_clips_through_the_same_path(emogator, tmp_path):
    """A few real contributors, whole, from mp3 to UAR."""
    root = tmp_path / "emogator"
    (root / "data/mp3").mkdir(parents=True)
    clips = sorted((emogator / "data/mp3").iterdir())
    speakers = sorted({clip.name[:6] for clip in clips})[:5]
    for clip in clips:
        if clip.name[:6] in speakers:
            (root / "data/mp3" / clip.name).symlink_to(clip.resolve())
    result = go(root, tmp_path / "out", task="emogator-emotion")
    assert result.part == "test"
    assert 0 < result.score.value < 0.3  # chance is .033
    stored = json.loads((result.folder / "seed0/result.json").read_text())
    assert stored["data"]["split"]["released"] is False
    assert any("ours" in note for note in result.notes)
