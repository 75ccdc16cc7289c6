"""Generated clips that are handed in: counts, names, audio, and archives that mean harm."""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from affectbench.corpora.exvo import EMOTIONS
from affectbench.errors import AffectBenchError, MissingData, ResultConflict
from affectbench.submission import Bundle, Refused, archive, bundle, read_bundle, write_bundle


def wav(seed=0, *, rate=16_000, samples=800, channels=1, subtype="PCM_16", scale=0.3):
    """The bytes of a wav of noise."""
    noise = scale * np.random.default_rng(seed).standard_normal((samples, channels)).clip(-3, 3)
    file = io.BytesIO()
    soundfile.write(file, noise, rate, format="WAV", subtype=subtype)
    return file.getvalue()


@pytest.fixture
def clips(tmp_path):
    """Two clips for each emotion, as ``Awe/Awe_000.wav``."""
    root = tmp_path / "clips"
    for number, emotion in enumerate(EMOTIONS):
        (root / emotion).mkdir(parents=True)
        for place in range(2):
            (root / emotion / f"{emotion}_{place:03d}.wav").write_bytes(wav(2 * number + place))
    return root


def zipped(path, members):
    """A zip of names (or ``ZipInfo``) and bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def of_folder(root):
    return [(str(f.relative_to(root)), f.read_bytes()) for f in sorted(root.rglob("*.wav"))]


def problems(path, per_emotion=2):
    with pytest.raises(Refused) as error:
        read_bundle(path, per_emotion=per_emotion)
    return "\n".join(error.value.problems)


def test_a_folder_and_a_zip_of_it_are_the_same(clips, tmp_path):
    found = read_bundle(clips, per_emotion=2)
    assert found.emotions == EMOTIONS
    assert found.notes == ()
    assert len(found.clips) == 20
    assert found.clips["name"].to_list()[:3] == [
        "Awe/Awe_000.wav", "Awe/Awe_001.wav", "Excitement/Excitement_000.wav",
    ]  # fmt: skip
    assert found.clips.row(0)[-2:] == (800, 16_000)
    packed = zipped(tmp_path / "b.zip", of_folder(clips))
    assert read_bundle(packed, per_emotion=2).clips.equals(found.clips)
    waves = found.waves("Fear")
    assert [len(wave.samples) for wave in waves] == [800, 800]
    assert not np.array_equal(waves[0].samples, waves[1].samples)


@pytest.mark.parametrize(
    ("name", "emotion"),
    [
        ("Awe_000.wav", "Awe"),
        ("awe-12.wav", "Awe"),
        ("Awkwardness1.wav", "Awkwardness"),
        ("run/Fear/00001.wav", "Fear"),
        ("FEAR/fear.wav", "Fear"),
        ("Fear/Awe_1.wav", None),
        ("Awesome_1.wav", None),
        ("00001.wav", None),
        ("Joy/1.wav", None),
    ],
)
def test_the_emotion_of_a_name(name, emotion):
    assert bundle.emotion_of(name) == emotion


def test_one_emotion_alone_and_flat_names(clips, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for file in clips.glob("Awe/*.wav"):
        (flat / file.name.lower()).write_bytes(file.read_bytes())
    (flat / ".DS_Store").write_bytes(b"x")
    (flat / "README.txt").write_text("x")
    found = read_bundle(flat, per_emotion=2)
    assert found.emotions == ("Awe",)
    assert found.clips["origin"].to_list() == ["awe_000.wav", "awe_001.wav"]
    assert found.notes == ("1 file left out: 'README.txt'.",)


def test_wrong_counts_and_names(clips, tmp_path):
    (clips / "Awe/Awe_001.wav").rename(clips / "x.wav")
    (clips / "Awe/Awe_001.mp3").write_bytes(b"x")
    told = problems(clips)
    assert "1 file of audio that is not wav: 'Awe/Awe_001.mp3'" in told
    assert "1 clip of no emotion, or of two: 'x.wav'" in told
    assert "Awe 1, Excitement 2" in told
    for folder in ("Awe", "Fear"):
        (tmp_path / "two" / folder).mkdir(parents=True)
        for file in clips.glob("Fear/*.wav"):
            (tmp_path / "two" / folder / f"{file.stem[-3:]}.wav").write_bytes(file.read_bytes())
    assert "Expected 2 for each of the ten, or 2 for one emotion" in problems(tmp_path / "two")
    assert "Awe 0" in problems(tmp_path / "two/Awe")
    (tmp_path / "empty").mkdir()
    assert "Awe 0" in problems(tmp_path / "empty")


def nan_wav():
    file = io.BytesIO()
    soundfile.write(file, np.array([0.1, np.nan]), 16_000, format="WAV", subtype="FLOAT")
    return file.getvalue()


def flac():
    file = io.BytesIO()
    soundfile.write(file, np.ones(100) / 2, 16_000, format="FLAC")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no wav"),
        (b"RIFF", "is no wav"),
        (flac(), "is no wav, whatever its name says"),
        (wav()[:60], "cut short"),
        (b"RIFF\x00\x00\x00\x00WAVE" + b"x" * 50, "is broken"),
        (nan_wav(), "NaN or infinite"),
        (wav(scale=0), "is silent"),
        (wav(samples=0), "no samples"),
        (wav(samples=31 * 16_000), "is 31 s long, at most 30 s"),
        (wav(rate=1_000), "has 1,000 samples a second"),
    ],
)
def test_clips_that_cannot_be_used(clips, data, message):
    (clips / "Fear/Fear_001.wav").write_bytes(data)
    told = problems(clips)
    assert "1 clip that cannot be used: 'Fear/Fear_001.wav'" in told
    assert message in told


def test_what_is_unusual_is_noted(clips):
    (clips / "Awe/Awe_000.wav").write_bytes(wav(50, rate=48_000, channels=2, subtype="FLOAT"))
    (clips / "Awe/Awe_001.wav").write_bytes((clips / "Fear/Fear_000.wav").read_bytes())
    found = read_bundle(clips, per_emotion=2)
    assert found.notes == (
        "1 clip not at 16,000 Hz.",
        "1 clip not mono.",
        "1 clip not of 16 bit.",
        "1 sound in more than one clip: 'Awe/Awe_001.wav' = 'Fear/Fear_000.wav'.",
    )


def test_the_bundle_that_is_written(clips, tmp_path):
    (clips / "Awe/Awe_000.wav").rename(clips / "Awe/first.wav")
    path, _ = write_bundle(clips, tmp_path / "out", "Team A", 1, per_emotion=2)
    assert path.name == "ExVo-Generate_Team A_1.zip"
    found = read_bundle(path, per_emotion=2)
    assert found.clips["origin"].to_list() == found.clips["name"].to_list()
    with zipfile.ZipFile(path) as file:
        told = json.loads(file.read("manifest.json"))
        names = file.namelist()
    assert names == ["manifest.json", *found.clips["name"]]
    assert told["names"] == "ours: none were published"
    assert told["files"][0].keys() == {"name", "emotion", "sha256", "samples", "rate_hz"}
    before = path.read_bytes()
    assert write_bundle(clips, tmp_path / "out", "Team A", 1, per_emotion=2)[0] == path
    other, _ = write_bundle(path, tmp_path / "other", "Team A", 1, per_emotion=2)
    assert other.read_bytes() == before
    (clips / "Fear/Fear_000.wav").write_bytes(wav(99))
    with pytest.raises(ResultConflict, match="with other clips"):
        write_bundle(clips, tmp_path / "out", "Team A", 1, per_emotion=2)
    assert path.read_bytes() == before


def test_a_bundle_that_was_changed_after_packing(clips, tmp_path):
    path, _ = write_bundle(clips, tmp_path, "x", 1, per_emotion=2)
    root = tmp_path / "unpacked" / "deeper"
    with zipfile.ZipFile(path) as file:
        file.extractall(root)
    assert len(read_bundle(root.parent, per_emotion=2).clips) == 20
    (root / "Fear/Fear_000.wav").write_bytes(wav(99))
    assert "1 file not as manifest.json lists them: 'Fear/Fear_000.wav'" in problems(root.parent)
    for foreign in ("{", "[]", '{"files": 1}', "[" * 100_000):
        (root / "manifest.json").write_text(foreign)
        assert "no manifest of ours" in read_bundle(root.parent, per_emotion=2).notes[0]


def link():
    info = zipfile.ZipInfo("Awe/Awe_000.wav")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../Awe/Awe_000.wav", "leads out of the bundle"),
        ("/Awe/Awe_000.wav", "leads out of the bundle"),
        ("Awe\\..\\Awe_000.wav", "leads out of the bundle"),
        ("C:/Awe/Awe_000.wav", "leads out of the bundle"),
        ("Awe/\u202eAwe_000.wav", "is no plain name"),
        ("a/b/c/d/e/Awe_000.wav", "lies too deep"),
        (link(), "is a link or a device"),
    ],
)
def test_members_that_mean_harm(tmp_path, name, message):
    told = problems(zipped(tmp_path / "b.zip", [(name, wav())]))
    assert message in told
    assert told.isascii()


def test_archives_that_mean_harm(clips, tmp_path, monkeypatch):
    bomb = zipped(tmp_path / "bomb.zip", [("Awe/Awe_000.wav", bytes(archive.MAX_FILE_BYTES + 1))])
    assert bomb.stat().st_size < 100_000
    assert "has 16,000,001 bytes; at most 16,000,000" in problems(bomb)
    liar = bytearray(bomb.read_bytes())
    at = liar.rfind(b"PK\x01\x02")
    struct.pack_into("<L", liar, at + 24, 1_000)
    struct.pack_into("<L", liar, 22, 1_000)
    (tmp_path / "liar.zip").write_bytes(liar)
    assert "'Awe/Awe_000.wav'" in problems(tmp_path / "liar.zip", 1)
    twice = tmp_path / "twice.zip"
    with pytest.warns(UserWarning, match="Duplicate name"):
        zipped(twice, [("Awe/a.wav", wav()), ("Awe/a.wav", wav())])
    assert "'Awe/a.wav' is in it twice" in problems(twice)
    locked = bytearray(zipped(tmp_path / "locked.zip", [("Awe/a.wav", wav())]).read_bytes())
    locked[6] |= 1
    locked[locked.rfind(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    assert "is encrypted" in problems(tmp_path / "locked.zip")
    monkeypatch.setattr(archive, "MAX_FILES", 10)
    packed = zipped(tmp_path / "many.zip", of_folder(clips))
    assert "more than 10 files" in problems(packed)
    assert "more than 10 files" in problems(clips)
    monkeypatch.setattr(archive, "MAX_BYTES", 10)
    assert "at most 10 are taken. Not opened" in problems(packed)


def test_a_zip64_and_what_is_no_zip(tmp_path):
    path = tmp_path / "b.zip"
    data = zipped(path, [("Awe/a.wav", wav())]).read_bytes()
    end = data.rfind(b"PK\x05\x06")
    path.write_bytes(data[:end] + b"PK\x06\x07" + bytes(16) + data[end:])
    assert "zip64" in problems(path)
    for broken in (b"", b"PK\x05\x06", data[:-1], data[: len(data) // 2], wav()):
        path.write_bytes(broken)
        assert "zip" in problems(path)
    with pytest.raises(MissingData):
        read_bundle(tmp_path / "nowhere")


def test_links_and_pipes_in_a_folder(clips, tmp_path):
    (clips / "Awe/Awe_001.wav").unlink()
    (clips / "Awe/Awe_001.wav").symlink_to(clips / "Fear/Fear_000.wav")
    assert "'Awe/Awe_001.wav' is a link" in problems(clips)
    (clips / "Awe/Awe_001.wav").unlink()
    (clips / "loop").symlink_to(clips)
    assert "'loop' is a link" in problems(clips)
    (clips / "loop").unlink()
    os.mkfifo(clips / "pipe.wav")
    assert "is no plain file" in problems(clips)
    assert "device or a pipe" in problems(clips / "pipe.wav")
    (clips / "pipe.wav").unlink()
    if os.getuid():  # root may enter every folder
        (clips / "Awe").chmod(0)
        assert "cannot be read (Permission denied)" in problems(clips)
        (clips / "Awe").chmod(0o700)
    deep = tmp_path / "deep" / "a/b/c/d/e"
    deep.mkdir(parents=True)
    assert "lies too deep" in problems(tmp_path / "deep")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A zip of one clip, and a place to write its mutations."""
    path = tmp_path_factory.mktemp("fuzz") / "b.zip"
    return zipped(path, [("Awe/Awe_000.wav", wav(samples=40))]).read_bytes(), path


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_bytes_end_in_a_verdict(small, data):
    whole, path = small
    raw = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    Path(path).write_bytes(raw)
    try:
        assert isinstance(read_bundle(path, per_emotion=1), Bundle)
    except AffectBenchError as error:
        assert str(error).isascii()
