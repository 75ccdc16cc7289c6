"""HUME-VOCALBURST with data_info.csv: ExVo alone, beside A-VB, mixed releases, odd folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import polars as pl
import pytest

from affectbench.corpora import hume_vocalburst as hume
from affectbench.corpora import labels
from affectbench.errors import BadData, MissingData
from affectbench.schema import check_clips

EMOTIONS = list(hume.EMOTIONS)
PEOPLE = {"Train": ("Speaker_1", "2"), "Val": ("Speaker_2", "0.0"), "Test": ("Speaker_3", "")}
CLIPS = 12


def rows(number: int, split: str) -> list[str]:
    speaker, country = PEOPLE[split]
    shown = split != "Test" or number == 8  # one support clip
    rating = ["1" if e == "Awe" else "0.25" for e in EMOTIONS] if shown else [""] * 10
    age = "" if split == "Test" else "25.5"
    return [f"[{number:05d}]", split, speaker, country, age, *rating]


def write_exvo(root: Path) -> Path:
    """Twelve empty files in the ExVo layout: reading looks at names and labels alone."""
    table = [["File_ID", "Split", "Subject_ID", "Country", "Age", *EMOTIONS]]
    table += [rows(n, ("Train", "Val", "Test")[n // 4]) for n in range(CLIPS)]
    (root / "wav").mkdir(parents=True)
    (root / "data_info.csv").write_text("".join(",".join(row) + "\n" for row in table))
    for number in range(CLIPS):
        (root / f"wav/{number:05d}.wav").touch()
    return root


@pytest.fixture
def exvo(tmp_path):
    return write_exvo(tmp_path / "exvo")


@pytest.fixture
def both(avb):
    """A-VB with the data_info.csv of the same release at the root."""
    info = pl.read_csv(avb / "labels/data_info.csv", infer_schema=False)
    who = pl.concat_str(pl.lit("Speaker_"), "Split", pl.int_range(pl.len()) % 6)
    info.with_columns(Subject_ID=pl.coalesce("Subject_ID", who)).write_csv(avb / "data_info.csv")
    return avb


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# ExVo alone


def test_exvo_is_read_by_name(exvo):
    reading = hume.read(exvo)
    clips = check_clips(reading.clips)
    assert [finding.kind for finding in reading.findings] == ["support clips"]
    assert clips["part"].to_list() == ["train"] * 4 + ["dev"] * 4 + ["test"] * 4
    assert clips["speaker"].unique(maintain_order=True).to_list() == [p[0] for p in PEOPLE.values()]
    assert clips["country"].to_list() == ["United States"] * 4 + ["China"] * 4 + [None] * 4
    assert clips["age"].to_list() == [25.5] * 8 + [None] * 4
    assert clips["Awe"].to_list() == [1.0] * 8 + [None] * 4
    assert set(clips["country"].drop_nulls()) <= set(hume.COUNTRY.classes)


def test_the_order_of_columns_does_not_matter(exvo):
    before = hume.read(exvo).clips
    path = exvo / "data_info.csv"
    table = pl.read_csv(path, infer_schema=False)
    table.insert_column(2, pl.Series("Country_string", ["x"] * CLIPS)).select(
        reversed([*table.columns])
    ).write_csv(path)
    assert hume.read(exvo).clips.equals(before)


def test_support_clips_are_set_apart_and_stay_blind(exvo):
    clips = hume.read(exvo).clips
    chosen = clips.filter("support")
    assert chosen["clip"].to_list() == ["00008"]
    assert chosen["support.Awe"].to_list() == [1.0]
    assert chosen["Awe"].to_list() == [None]
    assert clips.filter(~pl.col("support"))["support.Awe"].null_count() == CLIPS - 1


def test_a_test_part_that_is_labelled_throughout_is_read_as_it_is(exvo):
    path = exvo / "data_info.csv"
    table = pl.read_csv(path, infer_schema=False)
    table.with_columns(pl.col(EMOTIONS).fill_null("1")).write_csv(path)
    clips = hume.read_labels(exvo)
    assert clips["Awe"].null_count() == 0
    assert "support" not in clips.columns


def test_webm_is_read_where_there_is_no_wav(exvo):
    (exvo / "webm").mkdir()
    for number in (3, 5):
        (exvo / f"webm/{number:05d}.webm").touch()
    (exvo / "wav/00003.wav").unlink()
    reading = hume.read(exvo)
    names = [Path(path).name for path in reading.clips["path"]]
    assert names[3] == "00003.webm"
    assert names[5] == "00005.wav"
    shutil.rmtree(exvo / "wav")
    told = {finding.kind: finding.items for finding in hume.read(exvo).findings}
    assert len(told["label without audio"]) == CLIPS - 2


def test_only_speakers_and_no_emotions_is_no_corpus(exvo):
    path = exvo / "data_info.csv"
    pl.read_csv(path, infer_schema=False).drop("Awe", "Split").write_csv(path)
    with pytest.raises(MissingData, match=r"data_info\.csv: column Split, Awe is missing"):
        hume.read(exvo)


# both releases in one folder


def test_labels_of_avb_and_speakers_of_exvo(both):
    reading = hume.read(both)
    assert reading.findings == ()
    assert reading.clips["speaker"].null_count() == 0
    assert reading.clips.filter(pl.col("part") == "test")["Awe"].null_count() == 48
    assert "Voc_Type" in reading.clips.columns


def test_emotions_of_exvo_where_avb_has_other_labels_alone(both):
    high = pl.read_csv(both / "labels/high_info.csv", infer_schema=False)
    info = pl.read_csv(both / "data_info.csv", infer_schema=False)
    info.join(high.drop("Split"), on="File_ID").write_csv(both / "data_info.csv")
    before = hume.read(both).clips
    (both / "labels/high_info.csv").unlink()
    after = hume.read(both).clips
    assert after["Awe"].to_list() == before["Awe"].to_list()


MIXTURES = {
    "another clip": ("[00005],", "[99999],", "not of one release.*row 7"),
    "another split": ("[00005],Train", "[00005],Val", "different splits: 00005 .*row 7 of"),
    "another speaker": ("Speaker_Train0", "Speaker_9", "row 2 .*row 2 .*another speaker"),
    "another age": ("25.5", "31", "another age for clip 00000"),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_a_mixture_of_two_releases_is_refused_with_file_and_row(both, name):
    old, new, message = MIXTURES[name]
    edit(both / "data_info.csv", old, new)
    with pytest.raises(BadData, match=message) as told:
        hume.read(both)
    assert "data_info.csv" in str(told.value)


# label files that a spreadsheet or a wrong program wrote


def test_a_file_with_semicolons_is_told(exvo):
    path = exvo / "data_info.csv"
    path.write_text(path.read_text().replace(",", ";").replace("0.25", "0,25"))
    with pytest.raises(BadData, match=r"separated by semicolons.*0\.5, not 0,5"):
        hume.read(exvo)
    path.write_text(path.read_text().replace(";", "\t"))
    with pytest.raises(BadData, match="separated by tabs"):
        hume.read(exvo)


def test_quoted_decimal_commas_are_told_by_row(exvo):
    edit(exvo / "data_info.csv", "0.25", '"0,25"')
    message = r"row 2: Excitement is '0,25', expected a number from 0 to 1 with a point"
    with pytest.raises(BadData, match=message):
        hume.read(exvo)
    edit(exvo / "data_info.csv", '"0,25"', "0,25")
    with pytest.raises(BadData, match="A decimal comma that is not in quotes"):
        hume.read(exvo)


def test_ids_that_lost_their_zeros_are_named_and_never_repaired(exvo):
    edit(exvo / "data_info.csv", "[00003]", "3")
    with pytest.raises(BadData, match=r"row 5: File_ID is '3', expected five digits.*zeros"):
        hume.read(exvo)


@pytest.mark.parametrize("name", ["../x", "[../../etc/passwd]", "/00003", "[00003]/..", ""])
def test_an_id_that_leaves_the_folder_is_refused(exvo, name):
    edit(exvo / "data_info.csv", "[00003]", name)
    with pytest.raises(BadData, match="row 5: File_ID is"):
        hume.read(exvo)


def test_a_label_file_in_another_encoding_is_told(exvo):
    path = exvo / "data_info.csv"
    path.write_bytes(path.read_bytes().replace(b"Speaker_1", b"Sp\xe9aker", 1))
    with pytest.raises(BadData, match=r"data_info\.csv"):
        hume.read(exvo)
    path.write_bytes("File_ID,Split\n".encode("utf-16"))
    with pytest.raises(BadData, match="not UTF-8"):
        hume.read(exvo)


def test_doubled_ids_are_told_with_their_rows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id\na\nb\na\n")
    with pytest.raises(BadData, match="1 ids appear on more than one row: a. .*rows 2, 4"):
        labels.one_row_each(path, labels.read_csv(path, ["id"]), "id")


# odd folders


def test_an_audio_name_that_is_not_utf8_is_found(exvo):
    try:
        Path(os.fsdecode(bytes(exvo / "wav") + b"/\xff\xfe.wav")).touch()
    except OSError:
        pytest.skip("the file system takes UTF-8 names alone")
    reading = hume.read(exvo)
    odd = next(f for f in reading.findings if f.kind == "file name not UTF-8")
    assert odd.fatal
    odd.items[0].encode()
    assert len(reading.clips) == CLIPS


def test_links_in_a_circle_are_told(exvo):
    (exvo / "wav/00003.wav").unlink()
    (exvo / "wav/00003.wav").symlink_to("00003.wav")
    told = {finding.kind: finding for finding in hume.read(exvo).findings}
    assert told["broken link"].items == ("00003.wav",)
    assert told["label without audio"].items == ("00003",)
    shutil.rmtree(exvo / "wav")
    (exvo / "wav").symlink_to("wav")
    with pytest.raises(MissingData, match="wav is a link to nowhere or in a circle"):
        hume.read(exvo)
    (exvo / "data_info.csv").unlink()
    (exvo / "data_info.csv").symlink_to("data_info.csv")
    with pytest.raises(MissingData, match="data_info.csv is a link to nowhere or in a circle"):
        hume.read(exvo)


def test_a_wrong_folder_is_told_by_what_it_holds(exvo, tmp_path):
    with pytest.raises(MissingData, match=r"It holds exvo\. .*data_info\.csv is one level deeper"):
        hume.read(tmp_path)
    with pytest.raises(MissingData, match="It is empty or not there"):
        hume.read(tmp_path / "nowhere")
    (exvo / "data_info.csv").rename(exvo / "info.csv")
    with pytest.raises(MissingData, match=r"no labels/high_info\.csv or .*It holds info\.csv, wav"):
        hume.read(exvo)


# facts


def test_facts_agree_with_each_other():
    facts = hume.CORPUS.facts
    assert all(fact.source for fact in facts)
    value = {fact.what: fact.value for fact in facts}
    clips = [fact for fact in facts if fact.what == "clips"]
    assert [(fact.value, fact.status) for fact in clips] == [
        (59_299, "published"),
        (59_201, "correction"),
    ]
    parts = ("train", "dev", "test")
    assert sum(value[f"{part} clips"] for part in parts) == value["clips"]
    assert sum(value[f"{part} speakers"] for part in parts) == value["speakers"]
    for part in parts[:2]:
        assert (
            value[f"female speakers of {part}"] + value[f"male speakers of {part}"]
            == (value[f"{part} speakers"])
        )
        for column, names in (("country", hume.COUNTRIES), ("Voc_Type", hume.TYPE.classes)):
            counts = [value[f"{part} clips of {column} {name}"] for name in names]
            assert sum(counts) == value[f"{part} clips"]
