"""Exports, read back by ``tables.read_any`` and by the packages that the forms belong to."""

from __future__ import annotations

import dataclasses
import sys

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from affectbench import tables
from affectbench.corpora import CORPORA
from affectbench.errors import BadData, MissingExtra, ResultConflict, UnknownName
from affectbench.export import WRITERS, export
from affectbench.types import Reading

HUME = CORPORA["hume-vocalburst"]
PACKAGE = {"audformat": "audformat", "hf": "datasets"}


def odd(clips: pl.DataFrame) -> pl.DataFrame:
    """The clips with what is easily lost: empty text, NaN, integers, a clip without audio."""
    first = pl.int_range(pl.len()) == 0
    return clips.with_columns(
        sex=pl.when(first).then(pl.lit('f, "x"\nü')).otherwise(pl.col("sex")),
        take=pl.when(first).then(None).otherwise(pl.int_range(pl.len())),
        native=pl.when(first).then(None).otherwise(pl.int_range(pl.len()) % 2 == 0),
        tiny=pl.int_range(pl.len()) * 0.1 + 1e-17,
    )


def changed(avb, change):
    """The corpus as if its folder held the changed clips."""
    clips = change(HUME.read(avb).clips)
    return dataclasses.replace(HUME, read=lambda root: Reading(clips)), clips


@pytest.mark.parametrize("to", list(WRITERS))
@pytest.mark.parametrize("kind", ["odd", "no part", "some without audio"])
def test_round_trip_loses_nothing(avb, tmp_path, to, kind):
    if to in PACKAGE:
        pytest.importorskip(PACKAGE[to])
    change = {
        "odd": odd,
        "no part": lambda clips: clips.with_columns(part=pl.lit(None, pl.String)),
        "some without audio": lambda clips: clips.with_columns(
            path=pl.when(pl.int_range(pl.len()) % 9 > 0).then("path"),
            part=pl.when(pl.int_range(pl.len()) % 7 > 0).then("part"),
        ),
    }[kind]
    corpus, clips = changed(avb, change)
    out = export(corpus, avb, tmp_path / "out", to)
    back = tables.read_any(out, root=avb)
    assert_frame_equal(back.rows.select(clips.columns).sort("clip"), clips.sort("clip"))
    assert set(back.rows.columns) == set(clips.columns)
    assert back.columns["part"] == "part"
    assert list(tmp_path.iterdir()) != []
    assert not list(tmp_path.glob(".*"))


def test_audformat_itself_reads_it(avb, tmp_path):
    audformat = pytest.importorskip("audformat")
    export(HUME, avb, tmp_path / "out", "audformat")
    with tables.quiet_audformat():
        database = audformat.Database.load(str(tmp_path / "out"), load_data=True)
    clips = HUME.read(avb).clips
    train = clips.filter(pl.col("part") == "train")
    table = database["clips.train"].df
    assert table.index[0] == f"audio/wav/{train['clip'][0]}.wav"
    assert table["Voc_Type"].tolist() == train["Voc_Type"].to_list()
    assert database["clips.train"].split_id == "train"
    assert database.schemes["Awe"].maximum == 1.0
    assert database["clips.test"].df["Awe"].isna().all()


def test_datasets_itself_reads_it(avb, tmp_path):
    datasets = pytest.importorskip("datasets")
    export(HUME, avb, tmp_path / "out", "hf")
    loaded = datasets.load_from_disk(str(tmp_path / "out"))
    clips = HUME.read(avb).clips
    assert set(loaded) == {"train", "dev", "test"}
    assert loaded["dev"]["Awe"][:] == clips.filter(pl.col("part") == "dev")["Awe"].to_list()
    assert set(loaded["test"]["Awe"][:]) == {None}


def test_ids_keep_their_zeros_for_pandas(avb, tmp_path):
    pandas = pytest.importorskip("pandas")
    export(HUME, avb, tmp_path / "out", "csv")
    frame = pandas.read_csv(tmp_path / "out/clips.csv", dtype={"clip": str, "speaker": str})
    assert frame["clip"][0] == "00000"
    assert frame["path"][0] == "audio/wav/00000.wav"


def test_nothing_is_overwritten_or_left_half_done(avb, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(ResultConflict, match="is there already"):
        export(HUME, avb, out, "csv")
    with pytest.raises(UnknownName, match="audformat, csv, parquet, hf"):
        export(HUME, avb, tmp_path / "new", "xml")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"affectbench\[hf\]"):
        export(HUME, avb, tmp_path / "new", "hf")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["avb", "out"]


def test_what_cannot_be_kept_is_refused(avb, tmp_path):
    corpus, _ = changed(avb, lambda clips: clips.with_columns(path=pl.lit("/elsewhere/x.wav")))
    with pytest.raises(BadData, match="lie outside"):
        export(corpus, avb, tmp_path / "out", "csv")
    corpus, _ = changed(avb, lambda clips: clips.with_columns(votes=pl.lit([1, 2])))
    with pytest.raises(BadData, match="votes"):
        export(corpus, avb, tmp_path / "out", "csv")
