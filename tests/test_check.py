"""A whole folder is odd at most; every way that one is broken is found, named, and told as such."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import soundfile

from affectbench import census
from affectbench.audio import pool
from affectbench.audio.listen import listen_all
from affectbench.check import check, looks_like
from affectbench.corpora import CORPORA
from affectbench.errors import MissingData
from affectbench.types import Fact

HUME = CORPORA["hume-vocalburst"]


@pytest.fixture(scope="module")
def whole(whole_avb):
    """The check of a folder with nothing wrong."""
    return check(HUME, whole_avb, workers=1)


@pytest.fixture(autouse=True)
def one_process(request, monkeypatch):
    """Work in this process, which is faster, where a test is not of the workers themselves."""

    def for_each(function, tasks, *, workers, done):
        for task in tasks:
            done(function(task))

    if "workers" not in request.node.name:
        monkeypatch.setattr(pool, "for_each", for_each)


def wav(root, clip):
    return root / "audio" / "wav" / f"{clip}.wav"


def kinds(found):
    return {finding.kind: finding for finding in found.findings}


def test_a_whole_folder_is_counted_and_only_odd(whole):
    assert not whole.wrong
    assert whole.odd  # it has 144 clips, not 59,201
    parts = {part.part: part for part in whole.parts}
    assert [part.clips for part in whole.parts] == [144, 48, 48, 48]
    assert (parts["train"].speakers, parts["test"].speakers) == (6, None)
    assert parts["all"].timed == 144
    assert parts["all"].duration_s == pytest.approx(sum(parts[p].duration_s for p in census.PARTS))
    assert parts["all"].mean_s == pytest.approx(parts["all"].duration_s / 144)
    assert 0.3 <= parts["all"].min_s <= parts["all"].max_s <= 0.5
    assert whole.forms == {"16,000 Hz, 1 channel": 144}
    assert "labels/high_info.csv" in whole.layout


def test_labels_are_counted(whole):
    labels = {target.target: target for target in whole.labels}
    awe = labels["emotions"].columns[0]
    assert (awe.column, awe.labelled, awe.blank, awe.blank_outside_test) == ("Awe", 96, 48, 0)
    assert 0 <= awe.low < awe.high <= 1
    assert labels["emotions"].maximum_is_one == 0
    assert labels["burst type"].classes["Cry"] == {"all": 12, "train": 6, "dev": 6}
    assert kinds(whole)["class empty"].items == (
        "country China",
        "country South Africa",
        "country Venezuela",
    )


def test_json_is_whole_and_plain(whole):
    told = json.loads(json.dumps(whole.json(), allow_nan=False))
    assert told["verdict"] == "odd"
    assert told["parts"][0]["clips"] == 144
    first = told["comparisons"][0]
    assert (first["what"], first["found"], first["verdict"]) == ("clips", 144, "odd")
    assert [fact["status"] for fact in first["published"]] == ["published", "correction"]


def test_the_terminal_tells_counts_beside_published_ones(whole):
    text = "\n".join(whole.lines())
    assert "published 59,299, corrected 59,201, found 144, 0.2 % of it (odd)" in text
    assert "59,299 stands in the abstract" in text
    assert "train   48 clips; 6 speakers" in text
    assert "Nothing is wrong" in text


def test_without_audio_no_file_is_opened(avb):
    wav(avb, "00000").write_bytes(b"")
    found = check(HUME, avb, audio=False)
    assert not found.wrong
    assert found.forms == {}
    assert found.parts[0].duration_s is None


def test_every_kind_of_broken_file_is_listed_at_once(avb):
    samples, rate_hz = soundfile.read(wav(avb, "00000"))
    wav(avb, "00001").write_bytes(b"")
    soundfile.write(wav(avb, "00002"), np.zeros(0), rate_hz)
    wav(avb, "00003").write_bytes(wav(avb, "00003").read_bytes()[:-1000])
    wav(avb, "00004").write_bytes(b"no audio at all" * 20)
    soundfile.write(wav(avb, "00005"), np.zeros(4000), rate_hz)
    soundfile.write(wav(avb, "00006"), samples * 1e-4, rate_hz)
    soundfile.write(wav(avb, "00007"), np.clip(samples * 4, -1, 1), rate_hz)
    soundfile.write(wav(avb, "00008"), samples, rate_hz)
    soundfile.write(wav(avb, "00060"), samples, rate_hz)
    added = wav(avb, "00009").read_bytes()
    wav(avb, "00009").write_bytes(added + b"\0" * 400)
    wav(avb, "00010").unlink()
    found = check(HUME, avb, workers=1)
    assert found.wrong
    told = kinds(found)
    assert [item[:5] for item in told["zero length"].items] == ["00001", "00002"]
    assert [item[:5] for item in told["shorter than declared"].items] == ["00003"]
    assert "declared" in told["shorter than declared"].items[0]
    assert [item[:5] for item in told["unreadable audio"].items] == ["00004"]
    assert told["silent"].items == ("00005",)
    assert told["nearly silent"].items == ("00006",)
    assert told["clipped"].items == ("00007",)
    assert told["exact duplicates across parts"].items == ("00000 = 00008 = 00060",)
    assert [item[:5] for item in told["length not as its header declares"].items] == ["00009"]
    assert told["label without audio"].items == ("00010",)
    wrong = {kind for kind, finding in told.items() if finding.fatal}
    assert wrong == {
        "zero length",
        "shorter than declared",
        "unreadable audio",
        "exact duplicates across parts",
        "label without audio",
    }
    assert found.parts[0].timed == 144 - 5  # four cannot be decoded, one is not there
    assert "Something is wrong" in found.lines()[-1]


def test_duplicates_within_a_part_are_only_odd(avb):
    shutil.copy(wav(avb, "00000"), wav(avb, "00001"))
    found = check(HUME, avb, workers=1)
    assert kinds(found)["exact duplicates within a part"].items == ("00000 = 00001",)
    assert not found.wrong


def test_a_speaker_in_two_parts_is_wrong(avb):
    info = avb / "labels" / "data_info.csv"
    info.write_text(info.read_text().replace("Speaker_Val0", "Speaker_Train0"))
    found = check(HUME, avb, audio=False)
    assert kinds(found)["speaker in two parts"].items == ("Speaker_Train0",)
    assert found.wrong


def test_label_files_that_cannot_be_used_are_wrong(avb):
    path = avb / "labels" / "two_info.csv"
    path.write_text(path.read_text().replace("[00001]", "[1]", 1))
    found = check(HUME, avb)
    assert found.wrong
    told = kinds(found)["label files cannot be used"]
    assert "two_info.csv" in told.items[0]
    assert found.parts == ()
    assert found.json()["verdict"] == "wrong"


def test_a_folder_without_its_audio_is_wrong(avb):
    shutil.rmtree(avb / "audio")
    told = kinds(check(HUME, avb))["folder not complete"]
    assert "audio" in told.items[0]


def test_another_corpus_is_recognised(avb):
    with pytest.raises(MissingData, match=r"looks like .*Vocal Bursts.*labels/high_info.csv") as no:
        check(CORPORA["emogator"], avb)
    assert f"affectbench check hume-vocalburst --data {avb}" in str(no.value)
    assert looks_like(avb)[0].corpus == HUME.name


def test_the_folder_above_is_recognised(avb):
    like = looks_like(avb.parent)[0]
    assert (like.corpus, like.folder) == (HUME.name, avb)
    with pytest.raises(MissingData, match=f"--data {avb}"):
        check(HUME, avb.parent)


def test_a_folder_of_nothing_is_no_corpus(tmp_path):
    assert looks_like(tmp_path) == []
    with pytest.raises(MissingData, match="No file in it tells of any other corpus"):
        check(HUME, tmp_path)
    with pytest.raises(MissingData, match="is not a folder"):
        check(HUME, tmp_path / "absent")


def test_workers_give_the_same_table(whole_avb):
    paths = pl.Series([str(path) for path in sorted((whole_avb / "audio/wav").iterdir())])
    told = []
    one = listen_all(paths, workers=1)
    two = listen_all(
        pl.concat([paths, paths]), workers=2, progress=lambda *now: told.append(now), stage="check"
    )
    assert one.equals(two)
    assert told[-1] == ("check", 144, 144)
    assert one["path"].equals(paths.alias("path"))


def test_a_declared_duration_is_compared(whole_avb):
    def declared(root):
        reading = HUME.read(root)
        seconds = pl.when(pl.col("clip") == "00000").then(9.0).otherwise(0.4)
        return replace(reading, clips=reading.clips.with_columns(duration_s=seconds))

    found = check(replace(HUME, read=declared), whole_avb, workers=1)
    (item,) = kinds(found)["length not as the table declares"].items
    assert item.startswith("00000: ")
    assert item.endswith("9.0 s declared")


@pytest.fixture
def clips():
    """Six clips of three speakers."""
    return pl.DataFrame(
        {
            "clip": list("abcdef"),
            "speaker": ["1", "1", "2", "3", "3", None],
            "sex": ["female", "female", "male", "female", "female", None],
            "age": [20.5, 20.5, 31.0, 39.5, 39.5, None],
            "country": [None] * 6,
            "part": ["train"] * 3 + ["dev"] * 3,
            "kind": ["X Y", "Z", "Z", "Z", "X Y", "Z"],
            "seconds": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        },
        schema_overrides={"country": pl.String},
    )


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("clips", 6),
        ("train clips", 3),
        ("test clips", 0),
        ("clips of dev", 3),
        ("speakers", 3),
        ("train speakers", 2),
        ("female speakers", 2),
        ("female speakers of train", 1),
        ("train clips of kind X Y", 1),
        ("kinds", 2),
        ("duration_s", 21),
        ("dev duration_s", 15),
        ("age from", 20.5),
        ("age to", 39.5),
        ("clips of country China", None),
        ("clips of colour red", None),
        ("hours of sleep", None),
        ("emoji ratings per clip", None),
    ],
)
def test_facts_are_counted_by_their_words(clips, what, expected):
    assert census.count(what, clips) == expected


def test_what_the_folder_cannot_tell_is_not_zero(clips):
    blind = clips.with_columns(
        pl.lit(None, pl.String).alias("part"), pl.lit(None, pl.String).alias("speaker")
    ).drop("seconds")
    for what in ("train clips", "speakers", "duration_s", "train speakers"):
        assert census.count(what, blind) is None


def test_comparisons(clips):
    def fact(what, value, **more):
        return Fact(what=what, value=value, source="a table", **more)

    facts = (
        fact("clips", 7),
        fact("clips", 6, status="correction", note="one was counted twice"),
        fact("duration_s", 21.9),
        fact("dev duration_s", 16),
        fact("age to", 39.5),
        fact("speakers", 30),
        fact("sentences", 5),
    )
    corpus = replace(HUME, facts=facts, published={"clips": 7, "train": 3})
    lines = {c.what: (c.verdict, c.line) for c in census.compare(corpus, clips)}
    assert lines["clips"] == ("ok", "clips: published 7, corrected 6, found 6 (ok)")
    assert lines["duration_s"][0] == "odd"  # published to the tenth
    assert lines["dev duration_s"][0] == "ok"  # published to the second
    assert lines["age to"] == ("ok", "age to: published 39.5, found 39.5 (ok)")
    assert lines["speakers"][1] == "speakers: published 30, found 3, 10.0 % of it (odd)"
    assert lines["sentences"][1] == "sentences: published 5, cannot be told from this folder"
    assert lines["train clips"][0] == "ok"


def test_the_range_of_few_labels_is_not_told(whole_avb):
    clips = HUME.read(whole_avb).clips
    few = clips.filter(pl.col("part") == "train")[: census.ENOUGH - 1]
    column = census.count_labels(HUME, few)[0].columns[0]
    assert (column.labelled, column.low, column.high) == (census.ENOUGH - 1, None, None)


def test_a_row_whose_maximum_is_one_counts(whole_avb):
    clips = HUME.read(whole_avb).clips.filter(pl.col("part") == "train")
    one = pl.when(pl.int_range(pl.len()) < 12).then(1.0).otherwise(pl.col("Awe")).alias("Awe")
    assert census.count_labels(HUME, clips.with_columns(one))[0].maximum_is_one == 12 / 48


def test_impossible_labels_are_wrong(whole_avb):
    def read(root):
        reading = HUME.read(root)
        worse = pl.when(pl.col("clip") == "00000").then(1.5).otherwise("Awe").alias("Awe")
        return replace(reading, clips=reading.clips.with_columns(worse))

    found = check(replace(HUME, read=read), whole_avb, audio=False)
    assert kinds(found)["label outside"].items == ("Awe (1)",)
    assert found.wrong


def test_a_streamed_header_is_odd(avb):
    data = bytearray(wav(avb, "00000").read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff\xff\xff\xff"
    wav(avb, "00000").write_bytes(data)
    found = check(HUME, avb, workers=1)
    (item,) = kinds(found)["length not as its header declares"].items
    assert "declares no length" in item
    assert not found.wrong


def test_real_clips(emogator):
    found = check(CORPORA["emogator"], emogator, audio=False)
    assert not found.wrong
    line = {c.what: c.line for c in found.comparisons}["clips"]
    assert line == "clips: published 32,130, found 6,480, 20.2 % of it (odd)"
