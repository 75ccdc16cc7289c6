"""Reading released layouts: what is read, and what every broken folder is told."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from affectbench.corpora import CORPORA, emogator
from affectbench.corpora import hume_vocalburst as hume
from affectbench.errors import BadData, MissingData


def edit(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def test_avb_is_read_by_name(avb):
    reading = hume.read(avb)
    clips = reading.clips
    assert reading.findings == ()
    assert len(clips) == 3 * 6 * 8
    assert clips["clip"][0] == "00000"
    assert clips["part"].value_counts(sort=True)["count"].to_list() == [48, 48, 48]
    assert set(hume.EMOTIONS + hume.CULTURE.columns + ("Voc_Type",)) <= set(clips.columns)
    assert clips.filter(pl.col("part") == "test")["Awe"].null_count() == 48
    assert clips.filter(pl.col("part") == "test")["speaker"].null_count() == 48
    assert clips["speaker"].drop_nulls().n_unique() == 12
    assert Path(clips["path"][5]).name == "00005.wav"


def test_the_order_of_columns_and_rows_does_not_matter(avb):
    before = hume.read(avb).clips.sort("clip")
    path = avb / "labels/high_info.csv"
    shuffled = pl.read_csv(path, infer_schema=False).sample(fraction=1, shuffle=True, seed=3)
    shuffled.select(reversed(shuffled.columns)).write_csv(path)
    after = hume.read(avb).clips.sort("clip").select(before.columns)
    assert after.equals(before)


def test_windows_line_ends_and_a_byte_order_mark_are_read(avb):
    before = hume.read(avb).clips
    for path in (avb / "labels").iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert hume.read(avb).clips.equals(before)


def test_no_speakers_is_said_and_not_pretended(avb):
    (avb / "labels/data_info.csv").unlink()
    reading = hume.read(avb)
    assert reading.clips["speaker"].null_count() == len(reading.clips)
    assert [finding.kind for finding in reading.findings] == ["speakers unknown"]


def test_countries_as_codes(avb):
    path = avb / "labels/data_info.csv"
    path.write_text(path.read_text().replace("United States", "2.0"))
    assert set(hume.read(avb).clips["country"].drop_nulls()) == {"United States"}


def test_only_one_label_file(avb):
    for name in ("high", "two", "culture"):
        (avb / f"labels/{name}_info.csv").unlink()
    clips = hume.read(avb).clips
    assert "Voc_Type" in clips.columns
    assert "Awe" not in clips.columns


def test_released_test_labels_are_read_where_they_are(avb, tmp_path):
    sealed = tmp_path / "sealed"
    sealed.mkdir()
    text = (avb / "labels/type_info.csv").read_text()
    (sealed / "type_info.csv").write_text(text.replace("Test,", "Test,Gasp"))
    clips = hume.read_labels(sealed)
    assert clips.filter(pl.col("part") == "test")["Voc_Type"].unique().to_list() == ["Gasp"]


HIGH, TYPE = "labels/high_info.csv", "labels/type_info.csv"
BREAKS = {
    "column missing": (HIGH, "Awkwardness", "Awkwardnes", MissingData, "Awkwardnes' meant"),
    "column doubled": (HIGH, "Awkwardness", "Awe", BadData, "Awe appears more than once"),
    "class misspelt": (TYPE, "Gasp", "Gaps", BadData, "row 3.*'Gaps' .did you mean 'Gasp'"),
    "class in another case": (TYPE, "Gasp", "gasp", BadData, "row 3.*'gasp' .did you mean 'Gasp'"),
    "unknown split": (HIGH, "Train", "Trian", BadData, "row 2.*'Trian'.*Train, Val, Test"),
    "id without zeros": (HIGH, "[00000]", "[0]", BadData, r"row 2.*'\[0\]'.*\[00123\]"),
    "id twice": (HIGH, "[00001]", "[00000]", BadData, "1 ids appear on more than one row: 00000"),
    "two releases": (TYPE, "[00004]", "[99999]", BadData, "not of one release.*00004"),
    "two splits": (TYPE, "[00004],Train", "[00004],Val", BadData, "different splits: 00004"),
    "unknown country": (
        "labels/data_info.csv",
        "United States",
        "Chile",
        BadData,
        "row 2.*'Chile'",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_label_file_is_told(avb, name):
    file, old, new, error, message = BREAKS[name]
    edit(avb / file, old, new)
    with pytest.raises(error, match=message) as told:
        hume.read(avb)
    assert Path(file).name in str(told.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("1.2", "row 2: Excitement is '1.2', expected a number from 0 to 1"),
        ("-0.1", "row 2: Excitement is '-0.1'"),
        ("much", "row 2: Excitement is 'much'"),
        ("nan", "row 2: Excitement is 'nan'"),
        ("", "row 2: Excitement is blank"),
    ],
)
def test_a_wrong_label_is_told_by_row_and_column(avb, value, message):
    path = avb / HIGH
    table = pl.read_csv(path, infer_schema=False)
    first = pl.int_range(pl.len()) == 0
    table.with_columns(
        Excitement=pl.when(first).then(pl.lit(value)).otherwise("Excitement")
    ).write_csv(path)
    with pytest.raises(BadData, match=message):
        hume.read(avb)


def test_all_wrong_labels_are_counted_in_one_message(avb):
    edit(avb / TYPE, "Gasp", "Gaps", count=5)
    with pytest.raises(BadData, match="5 wrong cells"):
        hume.read(avb)


def test_missing_folders_are_told(avb, tmp_path):
    (avb / "audio/wav").rename(avb / "audio/other")
    with pytest.raises(MissingData, match=r"audio/wav/<id>\.wav"):
        hume.read(avb)
    with pytest.raises(MissingData, match=r"high_info\.csv"):
        hume.read(tmp_path)
    with pytest.raises(MissingData, match="data/mp3"):
        emogator.read(tmp_path)


def test_text_that_is_not_utf8_is_told(avb):
    (avb / HIGH).write_bytes(b"File_ID,Split,Aw\xe9\n")
    with pytest.raises(BadData, match="not UTF-8"):
        hume.read(avb)


def test_ids_without_audio_and_audio_without_ids(avb):
    (avb / "audio/wav/00007.wav").rename(avb / "audio/wav/77777.wav")
    reading = hume.read(avb)
    told = {finding.kind: finding for finding in reading.findings}
    assert told["label without audio"].items == ("00007",)
    assert told["audio without label"].items == ("77777",)
    assert all(finding.fatal for finding in told.values())
    assert reading.clips.filter(pl.col("clip") == "00007")["path"].to_list() == [None]
    assert len(reading.clips) == 3 * 6 * 8


def empty_emogator(root: Path, names: list[str]) -> Path:
    """Files with the released names and nothing in them: reading looks at names alone."""
    folder = root / "data/mp3"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return root


def test_emogator_labels_stand_in_the_names(tmp_path):
    names = [f"{s:06d}-{e:02d}-{t}.mp3" for s in (1, 7) for e in range(1, 31) for t in (1, 2, 3)]
    reading = emogator.read(empty_emogator(tmp_path, names))
    assert reading.findings == ()
    assert len(reading.clips) == 180
    row = reading.clips.filter(pl.col("clip") == "000007-23-2").row(0, named=True)
    assert (row["speaker"], row["emotion"], row["take"]) == ("000007", "Romantic Love", 2)


def test_emogator_stray_and_missing_files_are_found(tmp_path):
    names = ["000001-01-1.mp3", "000001-31-1.mp3", "000001-00-1.mp3", "notes.txt"]
    reading = emogator.read(empty_emogator(tmp_path, names))
    told = {finding.kind: finding for finding in reading.findings}
    assert told["audio without label"].items == ("000001-00-1.mp3", "000001-31-1.mp3", "notes.txt")
    assert told["contributor not complete"].items == ("000001",)
    assert len(reading.clips) == 1


def test_real_emogator_is_complete(emogator):
    reading = CORPORA["emogator"].read(emogator)
    assert reading.findings == ()
    assert len(reading.clips) == reading.clips["speaker"].n_unique() * 30 * 3
    assert CORPORA["emogator"].published["clips"] == CORPORA["emogator"].published["speakers"] * 90
