"""RAVDESS: names to labels, folds and splits, and what is odd about a folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from affectbench import splits
from affectbench.audio.decode import decode_file
from affectbench.corpora import ravdess
from affectbench.errors import MissingData
from affectbench.schema import check_clips

REAL = Path(__file__).parents[1] / "../shared/data/ravdess"


def names(actor: int) -> list[str]:
    return [
        f"03-01-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}"
        for emotion in range(1, 9)
        for intensity in range(1, 2 if emotion == 1 else 3)
        for statement in (1, 2)
        for repetition in (1, 2)
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Empty files under the released names: reading never opens them."""
    root = tmp_path_factory.mktemp("ravdess")
    for actor in range(1, 25):
        folder = root / ravdess.TREE / f"Actor_{actor:02d}"
        folder.mkdir(parents=True)
        for name in names(actor):
            (folder / f"{name}.wav").touch()
    return root


@pytest.fixture
def folder(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "ravdess"))


def kinds(reading) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.items for finding in reading.findings}


def test_the_name_is_the_label(whole):
    reading = ravdess.read(whole)
    clips = check_clips(reading.clips)
    assert len(clips) == ravdess.CORPUS.published["clips"] == 1440
    assert clips["speaker"].n_unique() == 24
    row = clips.filter(clip="03-01-06-02-01-02-12").row(0, named=True)
    assert row["emotion"] == "fearful"
    assert row["intensity"] == "strong"
    assert row["statement"] == "kids"
    assert row["repetition"] == 2
    assert row["speaker"] == "12"
    assert row["sex"] == "female"
    assert row["fold"] == 2
    assert Path(row["path"]).is_file()
    assert set(clips.filter(clips["emotion"] == "neutral")["intensity"]) == {"normal"}
    assert list(kinds(reading)) == ["known exact duplicate"]
    assert not any(finding.fatal for finding in reading.findings)


def test_actor_folders_directly_below_the_root(whole):
    below = ravdess.read(whole / ravdess.TREE)
    assert below.clips.equals(ravdess.read(whole).clips)


def test_folds_are_six_times_four_actors_and_splits_keep_actors_apart(whole):
    clips = ravdess.read(whole).clips
    assert sorted(actor for fold in ravdess.FOLDS for actor in fold) == list(range(1, 25))
    assert clips.group_by("fold").len()["len"].to_list() == [240] * 6
    for number, split in enumerate(ravdess.FOLD_SPLITS, 1):
        parts = splits.apply(split, clips)
        assert split.name == f"ravdess/fold-{number}"
        assert splits.audit(split, parts) == []
        assert set(parts.filter(parts["part"] == "test")["fold"]) == {number}
        assert set(parts.filter(parts["part"] == "dev")["fold"]) == {number % 6 + 1}
    assert ravdess.SIX_FOLDS.folds == ravdess.FOLD_SPLITS
    assert splits.audit(ravdess.SIX_FOLDS, splits.apply(ravdess.SIX_FOLDS, clips)) == []


def test_odd_files_are_named_and_left_out(folder):
    actor = folder / ravdess.TREE / "Actor_03"
    for name in (
        "01-01-01-01-01-01-03.wav",  # full audio-visual
        "03-02-01-01-01-01-03.wav",  # song
        "03-01-09-01-01-01-03.wav",  # no such emotion
        "03-01-01-02-01-01-03.wav",  # neutral is never strong
        "03-01-01-01-01-01-25.wav",  # no such actor
        "notes.flac",
    ):
        (actor / name).touch()
    (actor / "03-01-01-01-01-01-03.flac").touch()  # beside the wav
    moved = actor / "03-01-02-01-01-01-03.wav"
    moved.rename(actor.with_name("Actor_04") / moved.name)
    (actor / "03-01-02-01-01-02-03.wav").unlink()
    reading = ravdess.read(folder)
    found = kinds(reading)
    assert len(found["audio without label"]) == 4
    assert set(found["not audio-only speech"]) == {
        "Actor_03/01-01-01-01-01-01-03.wav",
        "Actor_03/03-02-01-01-01-01-03.wav",
    }
    assert found["one recording in two files"] == ("Actor_03/03-01-01-01-01-01-03.flac",)
    assert found[ravdess.SWAPPED] == ("Actor_04/03-01-02-01-01-01-03.wav",)
    assert found["actor not complete"] == ("03",)
    assert len(check_clips(reading.clips)) == 1439
    held = reading.clips.filter(reading.clips["clip"] == moved.stem)
    assert held["speaker"].to_list() == ["03"]


def test_a_folder_of_other_things(tmp_path):
    with pytest.raises(MissingData, match="Expected the released layout"):
        ravdess.read(tmp_path)
    (tmp_path / "Actor_01").mkdir()
    (tmp_path / "Actor_01" / "one.wav").touch()
    with pytest.raises(MissingData, match="1 audio files with other names"):
        ravdess.read(tmp_path)


def test_an_actor_that_is_missing_is_named(folder):
    shutil.rmtree(folder / ravdess.TREE / "Actor_24")
    assert kinds(ravdess.read(folder))["actor not complete"] == ("24",)


def test_the_real_clips():
    if not REAL.is_dir():
        pytest.skip("no real clips: ../shared/data/ravdess is not there")
    reading = ravdess.read(REAL)
    clips = check_clips(reading.clips)
    assert len(clips) == 1440
    assert list(kinds(reading)) == ["known exact duplicate"]


def test_the_known_duplicate_is_one_and_the_only_one_of_its_actor():
    if not REAL.is_dir():
        pytest.skip("no real clips: ../shared/data/ravdess is not there")
    clips = ravdess.read(REAL).clips.filter(speaker="07")
    samples = {
        name: decode_file(Path(path)).samples.tobytes()
        for name, path in clips.select("clip", "path").iter_rows()
    }
    one, two = ravdess.TWICE
    assert samples[one] == samples[two]
    assert len(set(samples.values())) == len(samples) - 1
