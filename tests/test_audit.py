"""Planted leaks are found, by every kind and from every form of table; clean splits are clean."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from affectbench import store, tables
from affectbench.audit import audit, audit_corpus, audit_table
from affectbench.corpora import CORPORA
from affectbench.errors import BadData, MissingData
from affectbench.splits import by_group

SHARED = Path(__file__).parents[1] / "../shared"
HUME = CORPORA["hume-vocalburst"]
VALUES = [0.125, 0.5, 0.0, 1.0]


def table(**columns) -> pl.DataFrame:
    """Six clips, three train, one dev, two test, of different speakers."""
    rows = {
        "clip": list("abcdef"),
        "speaker": ["s1", "s1", "s2", "s3", "s4", "s5"],
        "part": ["train", "train", "train", "dev", "test", "test"],
    }
    return pl.DataFrame(rows | columns)


def only(found, kind):
    return next(check for check in found.checks if check.kind == kind)


def test_a_clean_split_is_clean():
    found = audit(table())
    assert found.leaks == ()
    assert found.verdict.startswith("clean: train, dev, test share no speaker.")
    assert "Not checked: session, sentence" in found.verdict
    assert list(found.parts.items()) == [("train", 3), ("dev", 1), ("test", 2)]


@pytest.mark.parametrize("kind", ["speaker", "session"])
def test_a_shared_name_is_a_leak_with_its_sizes(kind):
    found = audit(table(**{kind: ["x", "x", "y", "z", "x", None]}))
    check = only(found, kind)
    assert (check.groups, check.shared) == (3, 1)
    assert dict(check.clips) == {"train": 2, "test": 1}
    assert check.worst[0].name == "x"
    assert found.verdict.startswith(f"LEAK: 1 of 3 {kind} groups in more than one of train, dev")
    assert "touches 2 of 3 clips of train (66.7%)" in "\n".join(found.lines())


def test_sentences_are_compared_bare_and_never_told():
    found = audit(table(sentence=["Kids, talk!", "b", "c", "kids talk", " ", "e"]))
    check = only(found, "sentence")
    assert (check.groups, check.shared) == (4, 1)
    assert check.worst[0].name == "a = d"
    told = "\n".join([*found.lines(), json.dumps(store.plain(found.as_json()))])
    assert "talk" not in told.lower()
    assert audit(table(sentence=["x"] * 6), allow=["sentence"]).leaks == ()


def test_equal_label_vectors_are_seeds_and_never_told():
    one_hot, other = [0.0, 1.0, 0.0, 0.0], [0.1, 0.2, 0.3, 0.4]
    blank = [0.125, None, None, 1.0]  # two different values
    vectors = [VALUES, one_hot, blank, blank, VALUES, other]
    labels = {f"e{i}": [vector[i] for vector in vectors] for i in range(4)}
    found = audit(table(**labels), labels=list(labels))
    check = only(found, "label vector")
    assert (check.groups, check.shared) == (2, 1)
    assert check.worst[0].name == "a = e"
    assert "0.125" not in str(found)
    assert "0.125" not in json.dumps(store.plain(found.as_json()))
    assert dict(check.unknown) == {"train": 2, "dev": 1}
    assert "label vector" in audit(table(**labels), labels=["e0", "e1"]).skipped
    blanks = {name: pl.Series([None] * 6, dtype=pl.Float64) for name in labels}
    assert "none holds" in audit(table(**blanks), labels=list(labels)).skipped["label vector"]
    partly = {name: [*values[:4], values[0], None] for name, values in labels.items()}
    partly["e3"] = [None] * 6
    assert only(audit(table(**partly), labels=list(labels)), "label vector").shared == 1


def test_worst_offenders_come_first():
    rows = pl.DataFrame({"speaker": ["a"] * 2 + ["b"] * 5 + ["c"] * 3, "part": ["1", "2"] * 5})
    check = only(audit(rows), "speaker")
    assert [group.name for group in check.worst] == ["b", "c", "a"]
    assert dict(check.worst[0].clips) == {"1": 3, "2": 2}


def test_clips_without_a_part_are_counted():
    found = audit(table(part=["train", None, "", "dev", "test", "test"]))
    assert found.unassigned == 2
    assert "without a part: 2 clips, left out" in found.lines()


def test_what_cannot_be_audited_says_so():
    with pytest.raises(BadData, match="Expected two or more"):
        audit(table(part=["train"] * 6))
    with pytest.raises(MissingData, match="No column tells the part"):
        audit(table().drop("part"))
    with pytest.raises(MissingData, match="no column who"):
        audit(table(), columns={"speaker": "who"})
    with pytest.raises(BadData, match="Nothing is called sentences"):
        audit(table(), allow=["sentences"])


def plant(avb, source: str, to: str, gain: float = 1.0, trim: int = 0) -> None:
    wav = avb / "audio/wav"
    samples, rate_hz = soundfile.read(wav / f"{source}.wav", dtype="float32")
    soundfile.write(wav / f"{to}.wav", gain * samples[trim:], rate_hz, subtype="PCM_24")


def test_a_corpus_with_planted_duplicates(avb):
    clean = audit_corpus(HUME, avb)
    assert clean.leaks == ()
    assert {c.kind for c in clean.checks} >= {"speaker", "label vector", "exact audio"}
    plant(avb, "00003", "00100")  # train, test
    plant(avb, "00005", "00006")  # both train: no leak
    plant(avb, "00050", "00001", gain=0.2, trim=401)  # dev, train
    (avb / "audio/wav/00007.wav").write_bytes(b"")
    found = audit_corpus(HUME, avb)
    assert [check.kind for check in found.leaks] == ["exact audio", "near audio"]
    assert only(found, "exact audio").worst[0].name == "00003 = 00100"
    assert only(found, "near audio").worst[0].name == "00001 = 00050"
    assert found.unreadable == ("00007: the file is empty (0 bytes)",)
    assert found.verdict.endswith("1 clips could not be heard.")


def test_the_pair_that_ravdess_holds():
    names = [f"03-01-03-01-0{statement}-0{take}-07" for take in (1, 2) for statement in (1, 2)]
    folder = SHARED / "data/ravdess/Audio_Speech_Actors_01-24/Actor_07"
    if not folder.is_dir():
        pytest.skip("no real clips: ../shared/data/ravdess is not there")
    rows = {"clip": names, "path": [str(folder / f"{name}.flac") for name in names]}
    found = audit(pl.DataFrame(rows | {"part": ["train", "train", "test", "test"]}))
    assert [check.kind for check in found.leaks] == ["exact audio"]
    assert found.leaks[0].worst[0].name == "03-01-03-01-02-01-07 = 03-01-03-01-02-02-07"


def test_another_split_of_a_corpus(avb):
    mixed = by_group("test/by-clip", column="clip")
    found = audit_corpus(HUME, avb, split=mixed, audio=False)
    assert only(found, "speaker").shared == 12  # the speakers of the blind part are not told
    assert sum(only(found, "speaker").unknown.values()) == 48
    assert "Unknown: speaker of " in found.verdict
    assert "near audio" in found.skipped


def test_silences_are_not_duplicates(tmp_path):
    paths = [tmp_path / f"{name}.wav" for name in "abcdef"]
    for path in paths:
        soundfile.write(path, np.zeros(8_000), 16_000)
    found = audit(table(path=[str(path) for path in paths]))
    assert found.leaks == ()
    assert only(found, "exact audio").groups == 0
    assert dict(only(found, "near audio").unknown) == {"train": 3, "dev": 1, "test": 2}


def test_a_table_of_any_form_is_read_the_same(tmp_path):
    rows = pl.DataFrame(
        {
            "File": ["01.wav", "02.wav", "03.wav"],
            "Speaker ID": ["007", "08", "007"],
            "Split": ["Train", "devel", "Test"],
            "arousal": [0.5, 0.25, None],
            "votes": [3, 4, 5],
        }
    )
    rows.write_csv(tmp_path / "a.csv")
    rows.write_csv(tmp_path / "b.tsv", separator="\t")
    rows.write_parquet(tmp_path / "c.parquet")
    rows.write_ndjson(tmp_path / "d.jsonl")
    for name in ("a.csv", "b.tsv", "c.parquet", "d.jsonl"):
        read = tables.read_any(tmp_path / name)
        assert read.rows["speaker"].to_list() == ["007", "08", "007"]
        assert read.rows["part"].to_list() == ["train", "dev", "test"]
        assert read.rows["path"][0] == str(tmp_path / "01.wav")
        assert read.rows["votes"].to_list() == [3, 4, 5]
        assert read.labels == ("arousal",)
        assert read.columns["speaker"] == "Speaker ID"
        found = audit_table(read, audio=False)
        assert [check.kind for check in found.leaks] == ["speaker"]


def test_a_spreadsheet_with_semicolons_and_decimal_commas(tmp_path):
    text = "\ufefffile;speaker;set;valence;votes;code\r\na.wav;007;Train;0,5;1;01\r\n"
    (tmp_path / "x.csv").write_bytes(f"{text}b.wav;;Test;;2;02\r\n".encode())
    rows = tables.read_any(tmp_path / "x.csv").rows
    assert rows["speaker"].to_list() == ["007", None]
    assert rows["valence"].to_list() == [0.5, None]
    assert rows["votes"].to_list() == [1, 2]
    assert rows["code"].to_list() == ["01", "02"]


@pytest.mark.parametrize("data", [b"file,set\na\xfc.wav,train\n", b"", b"file,set\na,b,c,d\n"])
def test_a_broken_csv_says_so(tmp_path, data):
    (tmp_path / "x.csv").write_bytes(data)
    with pytest.raises(BadData, match=r"x\.csv could not be read as csv"):
        tables.read_any(tmp_path / "x.csv")


def test_emobox_lines_in_a_folder(tmp_path):
    fold = tmp_path / "fold_1"
    fold.mkdir()
    for part, keys in (("train", ["cafe-08-P-2-1", "cafe-09-P-2-1"]), ("test", ["cafe-08-D-1-1"])):
        lines = [json.dumps({"key": key, "wav": f"{key}.wav", "emo": "p"}) for key in keys]
        (fold / f"cafe_{part}_fold_1.jsonl").write_text("\n".join(lines))
    read = tables.read_any(fold, columns={"speaker": r"key~cafe-(\d+)"}, root=tmp_path)
    assert read.rows["speaker"].to_list() == ["08", "08", "09"]
    assert read.columns["clip"] == "key"
    assert read.rows["path"][0] == str(tmp_path / "cafe-08-D-1-1.wav")
    assert only(audit_table(read, audio=False), "speaker").shared == 1
    with pytest.raises(BadData, match="give the whole table, or the folder"):
        audit_table(tables.read_any(fold / "cafe_test_fold_1.jsonl"), audio=False)


def test_an_audformat_database_with_segments(tmp_path):
    audformat = pytest.importorskip("audformat")
    database = audformat.Database("db")
    database.schemes["who"] = audformat.Scheme("str", labels=["a", "b"])
    with tables.quiet_audformat():
        for number, part in enumerate(("train", "test")):
            database.splits[part] = audformat.Split(type=part)
            index = audformat.segmented_index(["x.wav", f"{part}.wav"], ["0s", "0s"], ["1s", "2s"])
            database[part] = audformat.Table(index, split_id=part)
            database[part]["speaker"] = audformat.Column(scheme_id="who")
            database[part]["speaker"].set(["a", "ab"[number]])
        database.save(str(tmp_path))
    read = tables.read_any(tmp_path)
    assert read.kind == "audformat"
    assert len(read.rows) == 4
    found = audit_table(read)
    assert only(found, "recording").worst[0].name.endswith("x.wav")
    assert only(found, "speaker").shared == 1
    assert "segments" in found.skipped["near audio"]


def test_a_hugging_face_dataset_with_embedded_audio(tmp_path):
    datasets = pytest.importorskip("datasets")
    soundfile.write(tmp_path / "x.wav", np.random.default_rng(0).normal(0, 0.1, 9_000), 16_000)
    datasets.disable_progress_bars()
    features = {"audio": datasets.Value("string"), "label": datasets.ClassLabel(names=["p", "q"])}
    one = datasets.Dataset.from_dict(
        {"audio": [str(tmp_path / "x.wav")], "label": [1]}, features=datasets.Features(features)
    ).cast_column("audio", datasets.Audio())
    datasets.DatasetDict({"train": one, "validation": one}).save_to_disk(str(tmp_path / "hf"))
    (tmp_path / "x.wav").unlink()
    read = tables.read_any(tmp_path / "hf")
    assert read.rows["part"].to_list() == ["train", "dev"]
    assert read.rows["label"].to_list() == ["q", "q"]
    assert {"exact audio", "recording"} == {check.kind for check in audit_table(read).leaks}


def test_what_is_not_a_table_says_so(tmp_path):
    with pytest.raises(MissingData, match="is not there"):
        tables.read_any(tmp_path / "x.csv")
    with pytest.raises(BadData, match="holds no table"):
        tables.read_any(tmp_path)
    (tmp_path / "x.xml").write_text("<x/>")
    with pytest.raises(BadData, match="of no known form"):
        tables.read_any(tmp_path / "x.xml")
    (tmp_path / "x.csv").write_text("file,split\na.wav,train\n")
    with pytest.raises(MissingData, match="there is no column 'who' for speaker"):
        tables.read_any(tmp_path / "x.csv", columns={"speaker": "who"})
    with pytest.raises(BadData, match="No role is called voice"):
        tables.read_any(tmp_path / "x.csv", columns={"voice": "file"})
