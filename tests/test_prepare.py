"""A prepared folder reads as the released one, holds the waves that it says, and resumes."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from affectbench import preparation as module
from affectbench.audio import decode_file, pool, prepare
from affectbench.audio.official import encode, official_wave
from affectbench.corpora import CORPORA
from affectbench.errors import AffectBenchError, BadData, MissingData, ResultConflict
from affectbench.preparation import prepare_corpus, read_prepared
from conftest import write_avb

HUME = CORPORA["hume-vocalburst"]
PEAK = round(10 ** (-3 / 20) * 32768)


@pytest.fixture(autouse=True)
def one_process(request, monkeypatch):
    """Work in this process, which is faster, where a test is not of the workers themselves."""

    def for_each(function, tasks, *, workers, done):
        for task in tasks:
            done(function(task))

    if "workers" not in request.node.name:
        monkeypatch.setattr(pool, "for_each", for_each)


@pytest.fixture
def small(tmp_path):
    """Nine clips, the first of them at 48 kHz."""
    root = write_avb(tmp_path / "raw", speakers=1, clips=3)
    path = root / "audio/wav/00000.wav"
    samples, _ = soundfile.read(path)
    soundfile.write(path, np.repeat(samples, 3), 48_000)
    return root


def waves(folder, ending="wav"):
    files = sorted((folder / "audio/wav").glob(f"*.{ending}"))
    return {file.stem: soundfile.read(file, dtype="int16")[0] for file in files}


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_prepared_folder_reads_through_the_same_reader(small, tmp_path):
    told = []
    made = prepare_corpus(
        HUME, small, tmp_path / "out", workers=1, progress=lambda *now: told.append(now)
    )
    assert (made.clips, made.files, made.written, made.kept, made.tables) == (9, 9, 9, 0, 5)
    assert told[-1] == ("prepare", 9, 9)
    before, after = HUME.read(small).clips, HUME.read(tmp_path / "out").clips
    assert before.drop("path").equals(after.drop("path"))
    for path, wave in zip(before["path"], waves(tmp_path / "out").values(), strict=True):
        source = decode_file(Path(path))
        assert np.array_equal(wave, prepare(source.samples, source.rate_hz))
        assert abs(wave.astype(int)).max() == PEAK
    info = soundfile.info(tmp_path / "out/audio/wav/00000.wav")
    assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")


def test_preparing_what_is_prepared_changes_no_sample(small, tmp_path):
    prepare_corpus(HUME, small, tmp_path / "one", workers=1)
    prepare_corpus(HUME, tmp_path / "one", tmp_path / "two", workers=1)
    one, two = waves(tmp_path / "one"), waves(tmp_path / "two")
    assert all(np.array_equal(one[clip], two[clip]) for clip in one)


def test_flac_holds_the_same_waves_and_reads_through_the_clips_table(small, tmp_path):
    prepare_corpus(HUME, small, tmp_path / "wav", workers=1)
    prepare_corpus(HUME, small, tmp_path / "flac", form="flac", workers=1)
    wav, flac = waves(tmp_path / "wav"), waves(tmp_path / "flac", "flac")
    assert wav.keys() == flac.keys()
    assert all(np.array_equal(wav[clip], flac[clip]) for clip in wav)
    clips = read_prepared(tmp_path / "flac").clips
    assert clips.drop("path").equals(HUME.read(small).clips.drop("path"))
    assert clips["path"][0] == str(tmp_path / "flac/audio/wav/00000.flac")


def test_manifest_tells_what_went_in_and_came_out(small, tmp_path):
    prepare_corpus(HUME, small, tmp_path / "out", workers=1)
    with (tmp_path / "out/prepared.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == module.COLUMNS
    assert [row["clip"] for row in rows] == HUME.read(small).clips["clip"].to_list()
    for row in rows:
        source, written = small / row["source"], tmp_path / "out" / row["path"]
        assert row["source_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
        assert row["sha256"] == hashlib.sha256(written.read_bytes()).hexdigest()
        assert int(row["samples"]) == soundfile.info(written).frames


def test_official_arithmetic_by_hand():
    samples = np.array([0.5, -0.25, 0.1, 0.0, -0.3], np.float32)
    # 0.7079 / 0.5 = 1.4158; times 32,767: 23195.8, -11597.9, 4639.2, 0, -13917.5, cut toward zero
    assert official_wave(samples, 16_000).tolist() == [23195, -11597, 4639, 0, -13917]
    assert prepare(samples, 16_000).tolist() == [23198, -11599, 4640, 0, -13919]


def test_official_arithmetic_of_silence_and_length():
    assert official_wave(np.zeros(5, np.float32), 16_000).tolist() == [0] * 5
    for length in (47_999, 48_000, 48_001, 48_002):
        wave = official_wave(np.ones(length, np.float32), 48_000)
        assert len(wave) == -(-length // 3)
    with pytest.raises(BadData, match="no samples"):
        official_wave(np.zeros(0, np.float32), 16_000)


def test_official_folder(small, tmp_path):
    prepare_corpus(HUME, small, tmp_path / "out", arithmetic="official", workers=1)
    for path, wave in zip(
        HUME.read(small).clips["path"], waves(tmp_path / "out").values(), strict=True
    ):
        source = decode_file(Path(path))
        assert np.array_equal(wave, official_wave(source.samples, source.rate_hz))
        assert abs(wave.astype(int)).max() in (23194, 23195)


def test_two_workers_keep_what_one_has_written(small, tmp_path):
    prepare_corpus(HUME, small, tmp_path / "out", workers=1)
    before = content(tmp_path / "out")
    made = prepare_corpus(HUME, small, tmp_path / "out", workers=2)
    assert (made.written, made.kept) == (0, 9)
    assert content(tmp_path / "out") == before


def test_damaged_missing_and_changed_files_alone_are_made_anew(small, tmp_path):
    out = tmp_path / "out"
    prepare_corpus(HUME, small, out, workers=1)
    before = content(out)
    (out / "audio/wav/00001.wav").write_bytes(b"damaged")
    (out / "audio/wav/00002.wav").unlink()
    made = prepare_corpus(HUME, small, out, workers=1)
    assert (made.written, made.kept) == (2, 7)
    assert content(out) == before
    soundfile.write(small / "audio/wav/00003.wav", np.linspace(-0.2, 0.3, 4000), 16_000)
    made = prepare_corpus(HUME, small, out, workers=1)
    assert (made.written, made.kept) == (1, 8)


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(small, tmp_path, monkeypatch):
    prepare_corpus(HUME, small, tmp_path / "whole", workers=1)
    out = tmp_path / "out"
    finish = module._finish

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_finish", killed)
    with pytest.raises(KeyboardInterrupt):
        prepare_corpus(HUME, small, out, workers=1)
    assert not (out / "prepared.csv").exists()
    with pytest.raises(MissingData, match="prepared to the end"):
        read_prepared(out)
    journal = out / module.JOURNAL
    journal.write_bytes(journal.read_bytes()[:-20])  # torn while its last row was written
    (out / "audio/wav/.00004.wav.0a1b2c3d.partial").write_bytes(b"half")
    monkeypatch.setattr(module, "_finish", finish)
    made = prepare_corpus(HUME, small, out, workers=1)
    assert (made.written, made.kept) == (1, 8)
    assert content(out) == content(tmp_path / "whole")


def test_all_corrupt_sources_are_listed_before_any_is_written(small, tmp_path):
    (small / "audio/wav/00001.wav").write_bytes(b"")
    (small / "audio/wav/00004.wav").write_bytes(b"no audio" * 9)
    with pytest.raises(BadData, match=r"(?s)unreadable audio: 2 .*00001.wav: .*00004.wav: "):
        prepare_corpus(HUME, small, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()
    made = prepare_corpus(HUME, small, tmp_path / "out", workers=1, keep_going=True)
    assert (made.clips, made.files) == (9, 7)
    assert [finding.kind for finding in made.findings] == ["unreadable audio"]
    clips = read_prepared(tmp_path / "out").clips
    assert clips.filter(pl.col("path").is_null())["clip"].to_list() == ["00001", "00004"]


def test_missing_audio_stops(small, tmp_path):
    (small / "audio/wav/00001.wav").unlink()
    with pytest.raises(BadData, match=r"label without audio: 1 \(00001\)"):
        prepare_corpus(HUME, small, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_other_settings_do_not_mix(small, tmp_path):
    prepare_corpus(HUME, small, tmp_path / "out", workers=1)
    with pytest.raises(ResultConflict, match=r"prepared as wav with arithmetic 'round'"):
        prepare_corpus(HUME, small, tmp_path / "out", arithmetic="official", workers=1)


@pytest.mark.parametrize("inner", ["out", "audio/out", "."])
def test_the_data_are_not_written_into(small, inner):
    with pytest.raises(BadData, match="lie in each other"):
        prepare_corpus(HUME, small, small / inner)


def test_wrong_words_are_refused(small, tmp_path):
    with pytest.raises(BadData, match="form is 'mp3'"):
        prepare_corpus(HUME, small, tmp_path / "out", form="mp3")


def test_paths_that_leave_the_folder_are_refused(small, tmp_path):
    for away in ("/etc/hostname", str(small / "audio/../../x.wav")):

        def read(root, away=away):
            reading = HUME.read(root)
            return replace(reading, clips=reading.clips.with_columns(path=pl.lit(away)))

        with pytest.raises(BadData, match="9 clips lie outside"):
            prepare_corpus(replace(HUME, read=read), small, tmp_path / "out")


def test_two_files_of_one_name_are_refused(small, tmp_path):
    def read(root):
        reading = HUME.read(root)
        ending = pl.when(pl.col("clip") == "00001").then(pl.lit("00000.webm"))
        path = ending.otherwise(pl.col("clip") + ".wav")
        clips = reading.clips.with_columns(path=pl.lit(f"{root}/audio/wav/") + path)
        return replace(reading, clips=clips)

    with pytest.raises(BadData, match=r"share names when prepared: .*00000.wav, .*00000.webm"):
        prepare_corpus(replace(HUME, read=read), small, tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_said(small, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AffectBenchError, match="Could not write"):
        prepare_corpus(HUME, small, tmp_path / "file/out", workers=1)


def test_features_are_not_copied(small, tmp_path):
    (small / "features").mkdir()
    (small / "features/features.csv").write_text("a,b\n")
    prepare_corpus(HUME, small, tmp_path / "out", workers=1)
    assert not (tmp_path / "out/features").exists()


def test_a_manifest_of_the_release_is_kept(small, tmp_path):
    (small / "manifest.csv").write_text("clip,speaker\n")
    for _ in range(2):
        prepare_corpus(HUME, small, tmp_path / "out", workers=1)
        assert (tmp_path / "out/manifest.csv").read_text() == "clip,speaker\n"


def test_silence_stays_silent(small, tmp_path):
    soundfile.write(small / "audio/wav/00001.wav", np.zeros(4000), 16_000)
    prepare_corpus(HUME, small, tmp_path / "out", arithmetic="official", workers=1)
    assert not waves(tmp_path / "out")["00001"].any()


@pytest.mark.parametrize("form", ["wav", "flac"])
def test_equal_waves_give_equal_bytes(form):
    wave = np.arange(-500, 500, dtype=np.int16)
    assert encode(wave, form) == encode(wave, form)
