"""HUME-PROSODY: what is read, what is found odd, and what every broken folder is told."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from affectbench.corpora import hume_prosody as prosody
from affectbench.errors import BadData, MissingData
from affectbench.schema import check_clips

HEADER = ",".join(("filename", *prosody.EMOTIONS))
ONE = "1,0,0.5,0,0,0,0,0,0.25"
TWO = "0.1,1,0.5,0.333333333333333,0,0,0,0,0.25"
MASKED = ",".join("?" * 9)
LAB = {
    "train.csv": [f"1.wav,{ONE}", f"02.wav,{TWO}", f"3.wav,{ONE}"],
    "devel.csv": [f"4.wav,{TWO}", "5.wav,0,0,0,0,0,0,0,0,1"],
    "test.csv": [f"6.wav,{MASKED}", "7.wav" + "," * 9],
}


def write_prosody(root: Path) -> Path:
    """Seven empty files in the released layout: reading looks at names and labels alone."""
    (root / "lab").mkdir(parents=True)
    (root / "wav").mkdir()
    for name, lines in LAB.items():
        (root / "lab" / name).write_text("\n".join([HEADER, *lines]) + "\n")
        for line in lines:
            (root / "wav" / line.split(",")[0]).touch()
    return root


@pytest.fixture
def root(tmp_path):
    return write_prosody(tmp_path / "prosody")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def kinds(reading) -> list[str]:
    return [finding.kind for finding in reading.findings]


def test_the_released_layout_is_read(root):
    reading = prosody.read(root)
    clips = check_clips(reading.clips)
    assert kinds(reading) == ["speakers unknown", "seed in two parts"]
    assert not any(finding.fatal for finding in reading.findings)
    assert clips["clip"].to_list() == ["1.wav", "02.wav", *(f"{n}.wav" for n in range(3, 8))]
    assert clips["part"].to_list() == ["train"] * 3 + ["dev"] * 2 + ["test"] * 2
    assert clips["speaker"].null_count() == len(clips)
    assert clips.filter(pl.col("part") == "test")["Anger"].null_count() == 2
    assert clips["Tiredness"].to_list()[:5] == [0.25, 0.25, 0.25, 0.25, 1.0]
    assert clips["path"].to_list() == [str(root / "wav" / name) for name in clips["clip"]]


def test_clips_of_one_label_vector_share_a_seed(root):
    seed = prosody.read(root).clips["seed"].to_list()
    assert seed[0] == seed[2]
    assert seed[1] == seed[3]
    assert len(set(seed[:5])) == 3
    assert seed[5:] == [None, None]


def test_a_seed_has_the_same_id_whatever_else_is_read(root):
    before = prosody.read(root).clips["seed"].to_list()
    (root / "lab/test.unmasked.csv").write_text(f"{HEADER}\n6.wav,{ONE}\n7.wav,{TWO}\n")
    after = prosody.read(root).clips["seed"].to_list()
    assert after == [*before[:5], before[0], before[1]]


def test_the_root_may_be_the_folder_above(root, tmp_path):
    before = prosody.read(root).clips.drop("path")
    (tmp_path / "whole").mkdir()
    root.rename(tmp_path / "whole" / "data")
    assert prosody.read(tmp_path / "whole").clips.drop("path").equals(before)
    assert prosody.read(tmp_path / "whole" / "data").clips.drop("path").equals(before)


def test_unmasked_labels_are_read_where_they_are(root, tmp_path):
    truth = f"{HEADER}\n7.wav,{ONE}\n6.wav,{TWO}\n"
    (root / "lab/test.unmasked.csv").write_text(truth)
    clips = prosody.read(root).clips
    assert clips["Anger"].null_count() == 0
    assert clips.filter(pl.col("clip") == "6.wav")["Boredom"].to_list() == [1.0]
    (root / "lab/test.csv").unlink()
    assert len(prosody.read(root).clips) == 7
    (tmp_path / "sealed").mkdir()
    (tmp_path / "sealed/test.unmasked.csv").write_text(truth)
    assert prosody.read_labels(tmp_path / "sealed")["clip"].to_list() == ["7.wav", "6.wav"]


def test_unmasked_labels_of_another_release_are_refused(root):
    (root / "lab/test.unmasked.csv").write_text(f"{HEADER}\n6.wav,{ONE}\n9.wav,{TWO}\n")
    with pytest.raises(BadData, match=r"lacks 1 files of test\.csv: 7\.wav .*row 3"):
        prosody.read(root)


def test_columns_are_read_by_name_and_windows_files_too(root):
    before = prosody.read(root).clips
    for path in (root / "lab").iterdir():
        table = pl.read_csv(path, infer_schema=False)
        table.select(reversed(table.columns)).write_csv(path)
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert prosody.read(root).clips.equals(before)


def test_originals_are_read_where_there_is_nothing_else(root):
    (root / "raw").mkdir()
    (root / "wav").rename(root / "raw/wav")
    reading = prosody.read(root)
    assert "only raw audio" in kinds(reading)
    assert reading.clips["path"].null_count() == 0
    (root / "raw/wav").rename(root / "raw/other")
    with pytest.raises(MissingData, match=r"prosody/wav is not there"):
        prosody.read(root)


def test_a_highest_label_other_than_one_is_odd_but_read(root):
    edit(root / "lab/devel.csv", "5.wav,0,0,0,0,0,0,0,0,1", "5.wav,0,0,0,0,0,0,0,0,0.99999")
    odd = {f.kind: f for f in prosody.read(root).findings}["highest label is not 1"]
    assert odd.items == ("5.wav (devel.csv row 3)",)
    assert not odd.fatal
    edit(root / "lab/devel.csv", "0.99999", "0.9999999999")
    assert "highest label is not 1" not in kinds(prosody.read(root))


def test_ids_that_lost_their_zeros_are_hinted_at(root):
    (root / "wav/02.wav").rename(root / "wav/002.wav")
    told = {finding.kind: finding for finding in prosody.read(root).findings}
    assert told["label without audio"].items == ("02.wav",)
    assert "1 of them differ from a file in leading zeros" in told["label without audio"].advice
    assert told["audio without label"].items == ("002.wav",)


TRAIN = "lab/train.csv"
BREAKS = {
    "column missing": (TRAIN, "Calmness", "Calm", MissingData, "column Calmness is missing"),
    "too high": (TRAIN, ONE, "1.5,0,0,0,0,0,0,0,1", BadData, "row 2: Anger is '1.5'"),
    "negative": (TRAIN, ONE, "-0.5,0,0,0,0,0,0,0,1", BadData, "row 2: Anger is '-0.5'"),
    "not a number": (TRAIN, ONE, "x,0,0,0,0,0,0,0,1", BadData, "row 2: Anger is 'x'"),
    "masked in part": (
        TRAIN,
        ONE,
        "?,0,0,0,0,0,0,0,1",
        BadData,
        "1 rows are masked in part: row 2",
    ),
    "blank in part": (TRAIN, ONE, ",0,0,0,0,0,0,0,1", BadData, "masked in part: row 2"),
    "doubled": (TRAIN, "3.wav", "1.wav", BadData, "more than one row: 1.wav.*rows 2, 4"),
    "in two parts": (
        TRAIN,
        "3.wav",
        "5.wav",
        BadData,
        "5.wav.*row 4 of train.csv and row 3 of dev",
    ),
    "leaves the folder": (TRAIN, "3.wav", "../3.wav", BadData, r"row 4: filename is '\.\./3\.wav'"),
    "leaves by a backslash": (TRAIN, "3.wav", "..\\3.wav", BadData, "row 4: filename"),
    "is the folder": (TRAIN, "3.wav", "..", BadData, "row 4: filename is '..'"),
    "no name": (TRAIN, "3.wav", "", BadData, "row 4: filename is blank"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_label_file_is_told(root, name):
    file, old, new, error, message = BREAKS[name]
    edit(root / file, old, new)
    with pytest.raises(error, match=message) as told:
        prosody.read(root)
    assert Path(file).name in str(told.value)


def test_a_wrong_folder_is_told(root, tmp_path):
    with pytest.raises(MissingData, match=r"no lab/devel\.csv .*It holds prosody\..*one level"):
        prosody.read(tmp_path)
    (root / "lab/devel.csv").unlink()
    with pytest.raises(MissingData, match=r"lacks devel\.csv"):
        prosody.read(root)
    with pytest.raises(MissingData, match=r"no train\.csv or devel\.csv"):
        prosody.read_labels(tmp_path)


def test_facts_agree_with_each_other():
    facts = prosody.CORPUS.facts
    assert all(fact.source for fact in facts)
    assert all(fact.note for fact in facts if fact.status == "correction")
    published = {fact.what: fact.value for fact in facts if fact.status == "published"}
    corrected = {fact.what: fact.value for fact in facts if fact.status == "correction"}
    assert (published["train clips"], published["dev clips"]) == (30_133, 12_241)
    assert (corrected["dev clips"], corrected["test clips"]) == (9_925, 10_143)
    parts = ("train", "dev", "test")
    assert sum(corrected[f"{part} clips"] for part in parts) == prosody.CORPUS.published["clips"]
    assert sum(published[f"{part} speakers"] for part in parts) == published["speakers"]
    for part in parts[:2]:
        assert (
            published[f"female speakers of {part}"] + published[f"male speakers of {part}"]
            == (published[f"{part} speakers"])
        )
