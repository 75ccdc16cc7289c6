"""MODULATE-SONATA: text dialects, blocks, faults by line, sample-exact cuts, the twin."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from affectbench import splits
from affectbench.audio.decode import decode_file
from affectbench.audio.mpeg import read_header
from affectbench.corpora import cut as cutting
from affectbench.corpora import modulate_sonata as sonata
from affectbench.corpora import sonata_text
from affectbench.corpora.cut import cut
from affectbench.corpora.sonata_script import (
    EMOTIONS,
    WORDS,
    emotion_named,
    key,
    published,
    script_of,
)
from affectbench.corpora.twin.sonata import write_sonata
from affectbench.errors import AffectBenchError, BadData, MissingData, ResultConflict
from affectbench.schema import check_clips

PAPER = Path(__file__).parents[1] / "../shared/spec/workshop-paper.txt"
RATE = 16_000
SCRIPT = "emotion,sentence\nfear,aa aa\nFear,bb bb\nanger,cc cc\nSurprise (positive),dd dd\n"
TABS = "0.5\t1.0\taa aa\n1.0\t1.5\tbb bb\n1.5\t2.25\tcc cc\n2.25\t3.0\tdd dd\n"


def write_recording(root: Path, text: str, name: str = "Ann_Pirate", seconds: float = 3.0) -> Path:
    """Noise as mp3, its text file, and the script of these tests."""
    root.mkdir(exist_ok=True)
    noise = np.random.default_rng(0).normal(0, 0.05, round(seconds * RATE))
    soundfile.write(root / f"{name}.mp3", noise, RATE)
    (root / f"{name}.txt").write_bytes(text.encode())
    (root / "script.csv").write_text(SCRIPT)
    return root


@pytest.fixture
def inline(monkeypatch):
    """Work in this process: starting another takes longer than the work."""

    def for_each(function, tasks, *, workers, done):
        for task in tasks:
            done(function(task))

    monkeypatch.setattr(cutting.pool, "for_each", for_each)


def faults(reading) -> dict[str, tuple[str, ...]]:
    expected = {"recordings not cut", "split not published", "recording without all classes"}
    return {f.kind: f.items for f in reading.findings if f.kind not in expected}


def spans(reading) -> list[tuple]:
    return reading.clips.select("emotion", "start_s", "end_s", "lines").rows()


BLOCKS = [("fear", 0.5, 1.5, 2), ("anger", 1.5, 2.25, 1), ("surprisepositive", 2.25, 3.0, 1)]


# the script


def test_script_has_the_published_shape():
    assert len(EMOTIONS) == 25
    assert sum(map(len, WORDS.values())) == 72
    assert sum(map(sum, WORDS.values())) == 1_062
    assert {len(lines) for lines in WORDS.values()} == {2, 3, 4, 5, 6}


def test_script_knows_the_sentences_of_the_paper():
    if not PAPER.is_file():
        pytest.skip("no paper: ../shared/spec/workshop-paper.txt is not there")
    appendix = PAPER.read_text().split("5.1 MODULATE-SONATA Script", 1)[1]
    paragraphs = [text.strip() for text in appendix.split("\n\n") if text.strip()]
    script = published()
    for name, text in zip(paragraphs[::2], paragraphs[1::2], strict=True):
        told = [script.get(key(sentence)) for sentence in re.findall('"([^"]*)"', text)]
        assert told == [emotion_named(name)] * len(told)


@pytest.mark.parametrize(
    ("written", "emotion"),
    [
        ("Seduction / Ecstasy", "seductionecstasy"),
        ("[Surprise (positive)]", "surprisepositive"),
        ("# Emotion: FEAR:", "fear"),
        ("negative surprise", "surprisenegative"),
        ("Joy", None),
        ("fear of it", None),
    ],
)
def test_class_names(written, emotion):
    assert emotion_named(written) == emotion


def test_key_ignores_case_punctuation_and_spaces():
    assert key("“Don’t — GO there!”") == key("dont go there")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("joy,x", "row 2: emotion is 'joy'"),
        ("fear,", "row 2: sentence is blank"),
        ("fear,x\nanger,X!", "row 3: its sentence belongs to another class"),
    ],
)
def test_script_file_faults(tmp_path, row, said):
    path = tmp_path / "script.csv"
    path.write_text(f"emotion,sentence\n{row}\n")
    with pytest.raises(BadData, match=re.escape(said)):
        script_of(path)


# dialects


@pytest.mark.parametrize(
    "text",
    [
        TABS,
        TABS.replace("\t", "  "),
        "\ufeff" + TABS.replace("\n", "\r\n"),
        "start\tend\ttext\n" + TABS,
        "Start_s Sentence\n0.5 AA aa!\n1.0 bb bb\n1.5s cc cc\n2.25 dd dd\n",
        "00:00:00.500\taa aa\n00:00:01.000\tbb bb\n0:01,500 cc cc\n00:00:02.25\tdd, dd\n",
        "[0:00.5 - 0:01] aa aa\n[0:01] --> [0:01.5] bb bb\n[0:01.5] cc cc\n[0:02.25]: dd dd\n",
        "Fear\n\n0.5\t?\n1.0\t??\nAnger:\n1.5\tword\n[surprise (positive)]\n2.25\tword\n",
        "0.5\t1.0\tFear\n1.0\t1.5\tfear\n1.5\t2.25\tAnger\n2.25\t3.0\tSurprise (positive)\n",
    ],
    ids=["tabs", "spaces", "bom", "columns", "start", "clock", "brackets", "headers", "labels"],
)
def test_dialects_give_the_same_blocks(tmp_path, text):
    reading = sonata.read(write_recording(tmp_path / "c", text))
    assert spans(reading) == BLOCKS
    assert faults(reading) == {}


def test_clips_table(tmp_path):
    clips = sonata.read(write_recording(tmp_path / "c", TABS)).clips
    check_clips(clips)
    first = clips.row(0, named=True)
    assert first["clip"] == "Ann_Pirate.fear"
    assert (first["speaker"], first["role"], first["part"]) == ("Ann", "Pirate", None)
    assert first["path"] == str(tmp_path / "c" / "Ann_Pirate.mp3")
    assert "aa aa" not in str(clips.rows())
    assert first["sentence"] == f"{key('aa aa')}-{key('bb bb')}"


def test_reading_by_line(tmp_path):
    clips = sonata.read(write_recording(tmp_path / "c", TABS), by="line").clips
    assert clips["clip"].to_list()[:3] == [
        "Ann_Pirate.fear.1",
        "Ann_Pirate.fear.2",
        "Ann_Pirate.anger.1",
    ]
    assert clips["lines"].to_list() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("text", "kind", "item"),
    [
        (TABS + "0.9\taa\n", sonata_text.BACKWARDS, "line 5"),
        (TABS.replace("1.5\t2.25", "1.5\t1.2"), sonata_text.BACKWARDS, "line 3"),
        (TABS.replace("3.0", "3.2"), sonata_text.PAST, "line 4"),
        (TABS + "4.0 aa aa\n", sonata_text.PAST, "line 5"),
    ],
)
def test_times_that_cannot_be_trusted_give_no_clip(tmp_path, text, kind, item):
    root = write_recording(tmp_path / "c", text)
    write_recording(root, TABS, "Bob_Nobility")
    reading = sonata.read(root)
    assert item in " ".join(faults(reading)[kind])
    assert set(reading.clips["speaker"]) == {"Bob"}
    assert next(f for f in reading.findings if f.kind == kind).fatal


def test_an_end_within_the_slack_is_the_end(tmp_path):
    reading = sonata.read(write_recording(tmp_path / "c", TABS.replace("3.0", "3.04")))
    assert spans(reading)[-1][2] == 3.0
    assert faults(reading) == {}


@pytest.mark.parametrize(
    ("text", "kind", "item"),
    [
        (TABS + "and so on\n", sonata_text.UNKNOWN, "line 5"),
        (TABS.replace("1.5\tbb", "1,5\tbb"), sonata_text.UNMATCHED, "line 2"),
        (TABS.replace("0:", "0:99:"), None, None),
        (TABS.replace("cc cc", "never heard"), sonata_text.UNMATCHED, "line 3"),
        ("Anger\n" + TABS, sonata_text.DISAGREES, "line 2"),
        (TABS.replace("\t1.0\t", "\t1.2\t"), sonata_text.OVERLAP, "line 1"),
        ("nothing here\n", sonata_text.EMPTY, "Ann_Pirate.txt"),
        ("0.5\taa aa\n1.0\tcc cc\n2.0\tbb bb\n", "class in two blocks", "Ann_Pirate.fear.2"),
    ],
)
def test_faults_are_listed_by_line_and_without_text(tmp_path, text, kind, item):
    reading = sonata.read(write_recording(tmp_path / "c", text))
    found = faults(reading)
    if kind is None:
        assert found == {}
        return
    assert found[kind][0].endswith(item)
    assert "never heard" not in str(reading.findings)


def test_an_unmatched_line_still_ends_the_line_before(tmp_path):
    text = "0.5 aa aa\n1.0 never heard\n2.0 dd dd\n"
    assert spans(sonata.read(write_recording(tmp_path / "c", text))) == [
        ("fear", 0.5, 1.0, 1),
        ("surprisepositive", 2.0, 3.0, 1),
    ]


def test_text_that_is_not_utf8(tmp_path):
    root = write_recording(tmp_path / "c", TABS)
    (root / "Ann_Pirate.txt").write_bytes(b"0.5 caf\xe9\n")
    assert faults(sonata.read(root))[sonata_text.NOT_UTF8] == ("Ann_Pirate.txt",)


@given(text=st.text(st.sampled_from("0123456789:.,-[]>\t\n\r aFearfe\u2028\ufeff"), max_size=80))
def test_no_line_is_passed_over_in_silence(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.txt"
    path.write_bytes(text.encode())
    lines, found = sonata_text.parse(path, {})
    told = {line.number for line in lines} | {number for _, number in found}
    for number, written in enumerate(path.read_text("utf-8-sig").split("\n"), start=1):
        assert number in told or not written.strip() or emotion_named(written)
    sonata_text.ended(lines, 10.0)


# names, pairs, split file


def test_names_that_do_not_tell_and_a_pattern_that_does(tmp_path):
    root = write_recording(tmp_path / "c", TABS, "pirate-07")
    assert faults(sonata.read(root))["name without speaker"] == ("pirate-07",)
    reading = sonata.read(root, pattern=r"(?P<role>[a-z]+)-(?P<speaker>\d+)")
    assert set(reading.clips["speaker"]) == {"07"}
    assert set(reading.clips["role"]) == {"Pirate"}
    for wrong in ("(", "no group"):
        with pytest.raises(BadData, match="pattern"):
            sonata.read(root, pattern=wrong)


def test_unpaired_doubled_and_broken_files(tmp_path):
    root = write_recording(tmp_path / "c", TABS)
    write_recording(root / "deep", TABS)
    write_recording(root, TABS, "Eve_Pirate")
    write_recording(root, TABS, "Dan_Pirate")
    (root / "Eve_Pirate.txt").unlink()
    (root / "Dan_Pirate.mp3").unlink()
    (root / "readme.txt").write_text("hello")
    write_recording(root, TABS, "Kim_Pirate")
    (root / "Kim_Pirate.mp3").write_bytes(b"not audio at all")
    found = faults(sonata.read(root))
    assert found[".mp3 files of one name"] == ("deep/Ann_Pirate.mp3",)
    assert found[".txt files of one name"] == ("deep/Ann_Pirate.txt",)
    assert found["audio without label"] == ("Eve_Pirate.mp3",)
    assert found["label without audio"] == ("Dan_Pirate.txt",)
    assert found["other text file"] == ("readme.txt",)
    assert found["recording not readable"] == ("Kim_Pirate.mp3",)


def test_links_in_a_circle_and_names_that_are_not_utf8(tmp_path):
    root = write_recording(tmp_path / "c", TABS)
    (root / "again").symlink_to(root, target_is_directory=True)
    (root / "Joe_Pirate.mp3").symlink_to(root / "Joe_Pirate.mp3")
    Path(os.fsdecode(os.fsencode(root) + b"/J\xe9_Pirate.mp3")).write_bytes(b"")
    reading = sonata.read(root)
    assert len(reading.clips) == 3
    assert faults(reading) == {
        "broken link": ("Joe_Pirate.mp3",),
        "file name not UTF-8": ("J\\udce9_Pirate.mp3",),
    }


def test_a_folder_of_something_else(tmp_path):
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(MissingData, match=r"notes\.md"):
        sonata.read(tmp_path)


def many(root: Path, split: str = "") -> pl.DataFrame:
    """Clips of 23 speakers, each with a path of its own, as they are once cut."""
    write_recording(root, TABS)
    if split:
        (root / "split.csv").write_text(split)
    one = sonata.read(root).clips.head(1)
    rows = [
        one.with_columns(
            pl.lit(f"S{i:02d}.{k}").alias("clip"),
            pl.lit(f"/S{i:02d}.{k}.wav").alias("path"),
            pl.lit(f"S{i:02d}").alias("speaker"),
        )
        for i in range(23)
        for k in range(2)
    ]
    return pl.concat(rows)


def test_seeded_split_is_disjoint_and_in_the_published_proportions(tmp_path):
    for split, counts in ((sonata.TABLE3, (16, 4, 3)), (sonata.TABLE4, (16, 3, 4))):
        clips = splits.apply(split, many(tmp_path / split.name.partition("/")[2]))
        assert splits.shared(clips, "speaker") == []
        speakers = clips.unique("speaker")["part"].to_list()
        assert tuple(speakers.count(part) for part in ("train", "dev", "test")) == counts


def test_uncut_recordings_cannot_be_split(tmp_path):
    clips = sonata.read(write_recording(tmp_path / "c", TABS)).clips
    with pytest.raises(BadData, match="affectbench cut modulate-sonata"):
        splits.apply(sonata.TABLE3, clips)


def test_split_file_is_used_and_the_other_partition_refused(tmp_path):
    root = write_recording(tmp_path / "c", TABS)
    (root / "split.csv").write_text("speaker,part\nAnn,dev\nZoe,test\n")
    reading = sonata.read(root)
    assert set(reading.clips["part"]) == {"dev"}
    assert faults(reading) == {"part without speaker": ("Zoe",)}
    (root / "split.csv").write_text("speaker,part\nZoe,test\n")
    assert faults(sonata.read(root))["speaker without part"] == ("Ann",)
    told = ["train"] * 16 + ["dev"] * 3 + ["test"] * 4
    part = pl.Series([told[i] for i in range(23) for _ in range(2)])
    clips = many(tmp_path / "d").with_columns(part=part)
    assert splits.apply(sonata.TABLE4, clips)["part"].to_list() == part.to_list()
    with pytest.raises(BadData, match="modulate-sonata/table4"):
        splits.apply(sonata.TABLE3, clips)


# cutting


@dataclass
class Folder:
    root: Path
    out: Path


@pytest.fixture
def folder(tmp_path):
    return Folder(write_recording(tmp_path / "c", TABS), tmp_path / "cut")


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_the_decoder_takes_the_encoder_delay_away(tmp_path, rate):
    clean = np.zeros(2 * rate)
    clean[rate : rate + 200] = np.random.default_rng(1).normal(0, 0.2, 200)
    path = tmp_path / "click.mp3"
    soundfile.write(path, clean, rate)
    decoded = decode_file(path).samples
    burst = clean[rate : rate + 200]
    assert len(decoded) == len(clean)
    assert np.argmax(np.correlate(decoded, burst, "valid")) == rate
    data = path.read_bytes()
    assert cutting._tells_delay(data)
    bare = data[read_header(data, 0).size :]
    assert not cutting._tells_delay(bare)
    path.write_bytes(bare)
    late = np.argmax(np.correlate(soundfile.read(path)[0], burst, "valid")) - rate
    assert late == 1_105  # without the tag: 576 samples of LAME, 529 of the decoder


@pytest.mark.usefixtures("inline")
def test_cut_is_sample_exact_and_reads_as_the_same_clips(folder):
    text = TABS.replace("1.5\t2.25", "1.50003\t2.25")
    (folder.root / "Ann_Pirate.txt").write_text(text)
    report = cut(folder.root, folder.out, workers=1)
    decoded = decode_file(folder.root / "Ann_Pirate.mp3").samples
    before, after = sonata.read(folder.root).clips, sonata.read(folder.out).clips
    assert after.drop("path").equals(before.drop("path"))
    for clip in after.iter_rows(named=True):
        samples, rate = soundfile.read(clip["path"], dtype="int16")
        first, last = (round(clip[edge] * RATE) for edge in ("start_s", "end_s"))
        expected = np.clip(np.rint(decoded[first:last] * 32768), -32768, 32767)
        assert rate == RATE
        np.testing.assert_array_equal(samples, expected)
    assert report.segments == 3
    assert report.mean_s == pytest.approx(2.5 / 3, abs=1e-4)
    assert report.untagged == ()
    said = "\n".join(report.lines())
    assert "clips: 3 here, 756 in" in said
    assert "29.52 in" in said


def test_cut_in_processes_resumes_and_keeps_the_bytes(folder):
    write_recording(folder.root, TABS, "Bob_Nobility")
    told = []
    report = cut(folder.root, folder.out, workers=2, progress=lambda *state: told.append(state))
    assert told[-1] == ("cut", 2, 2)
    assert report.kept == 0
    names = sorted(path.name for path in (folder.out / "wav").iterdir())
    whole = {name: (folder.out / "wav" / name).read_bytes() for name in names}
    manifest = (folder.out / "manifest.csv").read_bytes()
    (folder.out / "wav" / names[0]).unlink()
    (folder.out / "wav" / names[-1]).write_bytes(b"half")
    (folder.out / "manifest.csv").write_text(  # as after a kill: one recording was done
        "\n".join(manifest.decode().splitlines()[:4]) + "\n"
    )
    again = cut(folder.root, folder.out, workers=1)
    assert again.kept == 4
    assert (folder.out / "manifest.csv").read_bytes() == manifest
    assert {name: (folder.out / "wav" / name).read_bytes() for name in names} == whole


@pytest.mark.usefixtures("inline")
def test_cut_by_line_and_no_mixture_of_two_cuts(folder):
    report = cut(folder.root, folder.out, by="line", workers=1)
    assert report.segments == 4
    assert report.beside_published() == ()
    assert cut(folder.root, folder.out, by="line", workers=1).kept == 4
    assert sonata.read(folder.out).clips["lines"].to_list() == [1] * 4
    with pytest.raises(ResultConflict, match="none of this cut"):
        cut(folder.root, folder.out, workers=1)
    with pytest.raises(ResultConflict, match="recordings"):
        cut(folder.root, folder.root)
    with pytest.raises(BadData, match="cut already"):
        cut(folder.out, folder.root / "x")
    (folder.root / "other").mkdir()
    (folder.root / "other" / "manifest.csv").write_text("clip,path\n1,2\n")
    with pytest.raises(ResultConflict, match="its columns are clip, path"):
        cut(folder.root, folder.root / "other")
    with pytest.raises(AffectBenchError, match="'block' or 'line'"):
        cut(folder.root, folder.out, by="word")


@pytest.mark.usefixtures("inline")
def test_an_mp3_whose_header_lies_is_not_cut(folder):
    write_recording(folder.root, TABS, "Bob_Nobility")
    path = folder.root / "Ann_Pirate.mp3"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    report = cut(folder.root, folder.out, workers=1)
    assert list(report.bad) == ["Ann_Pirate.mp3"]
    assert "cut short" in report.bad["Ann_Pirate.mp3"]
    assert set(report.manifest["speaker"]) == {"Bob"}
    assert not report.fine
    assert any(line.startswith("not cut: Ann_Pirate.mp3") for line in report.lines())


@pytest.mark.usefixtures("inline")
def test_a_cut_folder_with_missing_or_stray_wavs(folder):
    cut(folder.root, folder.out, workers=1)
    wav = folder.out / "wav"
    (wav / "Ann_Pirate.fear.wav").rename(wav / "other.wav")
    found = faults(sonata.read(folder.out))
    assert found == {
        "label without audio": ("Ann_Pirate.fear",),
        "audio without label": ("other",),
    }


# the twin


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    root = tmp_path_factory.mktemp("twin") / "sonata"
    return write_sonata(root, scale=0.1, line_s=0.3, rate_hz=RATE, workers=1)


def test_twin_has_the_layout_and_leaks_its_class_through_the_words(twin):
    reading = sonata.read(twin)
    assert {f.kind for f in reading.findings} == {"recordings not cut", "split not published"}
    clips = reading.clips
    assert len(clips) == 5 * 25
    assert clips["speaker"].n_unique() == 5
    assert set(clips["emotion"]) == set(EMOTIONS)
    per_class = clips.group_by("emotion").agg(pl.col("lines").first(), pl.col("sentence").unique())
    assert all(len(keys) == 1 for keys in per_class["sentence"])  # same words for all actors
    assert dict(per_class.select("emotion", "lines").iter_rows()) == {
        name: len(words) for name, words in WORDS.items()
    }
    assert per_class["sentence"].explode().n_unique() == 25
    ceiling = json.loads((twin / "ceiling.json").read_text())
    assert ceiling["sonata-emotion"] == {"metric": "uar.truth", "dev": 1.0, "test": 1.0}
    assert "words" in ceiling["how"]


def test_twin_is_real_mp3_with_sound(twin):
    path = next(twin.glob("*.mp3"))
    assert soundfile.info(path).format == "MP3"
    decoded = decode_file(path)
    assert decoded.rate_hz == RATE
    assert np.std(decoded.samples) > 0.01


def test_twin_gives_the_same_bytes(twin, tmp_path):
    again = write_sonata(tmp_path / "t", scale=0.1, line_s=0.3, rate_hz=RATE, workers=2)
    files = {path.name: path.read_bytes() for path in twin.iterdir()}
    assert {path.name: path.read_bytes() for path in again.iterdir()} == files


@pytest.mark.parametrize(
    "wrong", [{"scale": 0}, {"scale": 1.1}, {"seed": -1}, {"line_s": 0.1}, {"rate_hz": 11_111}]
)
def test_twin_refuses_numbers_out_of_range(tmp_path, wrong):
    with pytest.raises(AffectBenchError, match="twin"):
        write_sonata(tmp_path / "t", **wrong)
    assert not list(tmp_path.iterdir())


def test_twin_refuses_a_folder_in_use(tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(AffectBenchError, match="not an empty folder"):
        write_sonata(tmp_path, scale=0.1)


# facts


def test_table_4_is_a_second_partition():
    facts = [fact for fact in sonata.CORPUS.facts if fact.what == "duration_s"]
    assert {fact.value for fact in facts} == {22_321}
    assert {fact.status for fact in facts} == {"published", "correction"}
    for status, clips in (("published", 756), ("correction", 753)):
        parts = ("train clips", "dev clips", "test clips")
        found = [f.value for f in sonata.CORPUS.facts if f.what in parts and f.status == status]
        assert sum(found) == clips
