"""Features that users already have: every layout, the join checked both ways, every bad cell."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affectbench.errors import AffectBenchError, BadData, MissingData
from affectbench.features import released, written
from affectbench.features.given import given as features_of

IDS = [f"{i:05d}" for i in range(7)]
NAMES = [f"audspec_sma_{i}" for i in range(5)]
VALUES = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)
GOLDEN = Path(__file__).parents[1] / "../shared/goldens/emotion-share/features/wav2vec"


def clips(ids: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"clip": ids, "part": ["train"] * len(ids), "Awe": [0.5] * len(ids)})


def line(*cells: object, by: str = ",") -> str:
    return by.join(str(cell) for cell in cells) + "\n"


def exvo(root: Path, form: str = "{}") -> Path:
    for clip, row in zip(IDS, VALUES, strict=True):
        text = line("name", *NAMES) + line(f"'{clip}'", *row)
        (root / f"{form.format(clip)}.csv").write_text(text)
    return root


def avb(root: Path) -> Path:
    for clip, row in zip(IDS, VALUES, strict=True):
        header = line("name", "frameTime", *NAMES, by=";")
        text = header + line("'unknown'", "0.000000", *row, by=";")
        (root / f"{clip}.csv").write_text(text)
    return root


def headless(root: Path) -> Path:
    for clip, row in zip(IDS, VALUES, strict=True):
        (root / f"{clip}.csv").write_text(line(*row))
    return root


def headless_with_name(root: Path) -> Path:
    for clip, row in zip(IDS, VALUES, strict=True):
        (root / f"{clip}.csv").write_text(line(clip, *row, by=";"))
    return root


def prosody(root: Path) -> Path:
    rows = zip(IDS, VALUES, strict=True)
    text = line("name", "frameTime", *NAMES, by=";")
    text += "".join(line(f"'{clip}.wav'", "0.000000", *row, by=";") for clip, row in rows)
    (root / "features.csv").write_text(text)
    return root


def table(root: Path, ids: list[str], name: str, by: str, head: str = "File_ID") -> Path:
    rows = zip(ids, VALUES, strict=True)
    text = line(head, *NAMES, by=by) + "".join(line(clip, *row, by=by) for clip, row in rows)
    (root / name).write_text(text)
    return root / name


def bracketed_tsv(root: Path) -> Path:
    return table(root, [f"[{clip}]" for clip in IDS], "my.tsv", "\t")


def counted_csv(root: Path) -> Path:
    text = line("", "filename", *range(5))
    for at, (clip, row) in enumerate(zip(IDS, VALUES, strict=True)):
        text += line(at, f"/audio/{clip}.mp3", *row)
    (root / "my.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    return root / "my.csv"


def quoted_csv(root: Path) -> Path:
    text = line("file", "start", "end", *NAMES)
    for clip, row in zip(IDS, VALUES, strict=True):
        cells = (f'"{cell}"' for cell in row)
        text += line(f'"a, b/{clip}.wav"', "0 days", "0 days 00:00:02.5", *cells)
    (root / "my.csv").write_text(text)
    return root / "my.csv"


def headless_csv(root: Path) -> Path:
    rows = zip(IDS, VALUES, strict=True)
    (root / "my.csv").write_text("".join(line(clip, *row) for clip, row in rows))
    return root / "my.csv"


def parquet(root: Path) -> Path:
    found = pl.DataFrame(VALUES.astype(np.float64), NAMES)
    found.with_columns(pl.Series("clip", IDS), frameTime=pl.lit(0.0)).write_parquet(
        root / "my.parquet"
    )
    return root / "my.parquet"


def npz(root: Path) -> Path:
    np.savez(root / "my.npz", clips=IDS, values=VALUES.astype(np.float64), names=NAMES)
    return root / "my.npz"


def npy(root: Path) -> Path:
    np.save(root / "my.npy", VALUES)
    (root / "my.clips.txt").write_text("\n".join(IDS) + "\n")
    return root / "my.npy"


def npy_with_csv(root: Path) -> Path:
    np.save(root / "my.npy", VALUES)
    (root / "my.csv").write_text("filename,Anger\n" + "".join(f"{clip}.wav,?\n" for clip in IDS))
    return root / "my.npy"


TEXTS = (exvo, avb, headless, headless_with_name, prosody, bracketed_tsv, counted_csv, quoted_csv)
LAYOUTS = (*TEXTS, headless_csv, parquet, npz, npy, npy_with_csv)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_rows_of_the_clips_in_their_order(tmp_path, layout):
    found = features_of(layout(tmp_path))
    assert found.dim == len(found.names()) == 5
    order = [4, 0, 6, 1]
    np.testing.assert_array_equal(found.of_clips(clips([IDS[i] for i in order])), VALUES[order])
    assert found.facts["rows_of_no_clip"] == 3
    np.testing.assert_array_equal(found.of_clips(clips(IDS)), VALUES)
    assert found.facts["rows_of_no_clip"] == 0
    again = features_of(layout(tmp_path))
    assert again.identity() == found.identity()
    np.testing.assert_array_equal(again.of_clips(clips(IDS)), VALUES)
    named = (avb, exvo, prosody, bracketed_tsv, quoted_csv, parquet, npz)
    assert (list(found.names()) == NAMES) == (layout in named)


@pytest.mark.parametrize("layout", TEXTS)
def test_text_is_parsed_once_and_found_by_content(tmp_path, layout, monkeypatch):
    path = layout(tmp_path)
    first = features_of(path)
    monkeypatch.setattr(released, "parse", None)
    again = features_of(path)
    np.testing.assert_array_equal(again.of_clips(clips(IDS)), VALUES)
    assert again.identity() == first.identity()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_content_is_another_identity(tmp_path, layout):
    path = layout(tmp_path)
    first = features_of(path).identity()
    VALUES[3, 2] += 1
    try:
        other = features_of(layout(tmp_path))
        assert other.identity() != first
        np.testing.assert_array_equal(other.of_clips(clips(IDS)), VALUES)
    finally:
        VALUES[3, 2] -= 1


def test_a_damaged_cache_is_made_anew(tmp_path, own_cache):
    path = exvo(tmp_path)
    features_of(path)
    (shard,) = own_cache.rglob("*.npz")
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    for broken in (bytes(data), b""):
        shard.write_bytes(broken)
        np.testing.assert_array_equal(features_of(path).of_clips(clips(IDS)), VALUES)


def test_many_blocks_and_threads_keep_the_order(tmp_path, monkeypatch):
    monkeypatch.setattr(released, "FILES", 2)
    monkeypatch.setattr(released, "BYTES", 70)
    told = []
    found = features_of(
        exvo(tmp_path), workers=3, progress=lambda *state: told.append(state)
    ).of_clips(clips(IDS))
    np.testing.assert_array_equal(found, VALUES)
    assert told == [("read features", i + 1, 4) for i in range(4)]
    path = table(tmp_path, IDS, "my.csv", ",")
    np.testing.assert_array_equal(features_of(path, workers=3).of_clips(clips(IDS)), VALUES)


def test_names(tmp_path):
    assert features_of(exvo(tmp_path)).name == "given-" + re.sub(
        "[^a-z0-9]+", "-", tmp_path.name.casefold()
    ).strip("-")
    (tmp_path / "wav2vec 2.0").mkdir()
    assert features_of(prosody(tmp_path / "wav2vec 2.0")).name == "given-wav2vec-2-0"
    odd = npz(tmp_path).rename(tmp_path / "声.npz")
    assert re.fullmatch(r"given-[0-9a-f]{8}", features_of(odd).name)
    assert features_of(prosody(tmp_path)).facts["columns_left_out"] == ["frameTime"]


CELL = st.one_of(
    st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**9), 10**9).map(str),
    st.floats(-1e30, 1e30).map("{:e}".format),
)


@settings(deadline=None, max_examples=30, suppress_health_check=[*HealthCheck])
@given(
    st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6),
    st.sampled_from(",;\t"),
    st.booleans(),
)
def test_any_number_is_the_float_of_its_text(tmp_path_factory, cells, by, quoted):
    path = tmp_path_factory.mktemp("any") / "my.csv"
    text = line("clip", *"abc", by=by)
    for at, row in enumerate(cells):
        text += line(f"c{at}", *(f'"{c}"' if quoted else c for c in row), by=by)
    path.write_text(text)
    found = features_of(path).of_clips(clips([f"c{at}" for at in range(len(cells))]))
    expected = np.array([[float(c) for c in row] for row in cells]).astype(np.float32)
    np.testing.assert_array_max_ulp(found, expected, 1)


# the join


def test_clips_without_a_row_stop_the_run_and_are_counted(tmp_path):
    found = features_of(exvo(tmp_path))
    with pytest.raises(MissingData, match=r"no row for 2 of 9 clips: x, y\. Its ids are as 00000"):
        found.of_clips(clips([*IDS, "x", "y"]))
    assert "rows_of_no_clip" not in found.facts


def test_ids_of_the_corpus_may_have_endings_and_dots(tmp_path):
    wavs = [f"{clip}.wav" for clip in IDS]
    np.testing.assert_array_equal(features_of(npz(tmp_path)).of_clips(clips(wavs)), VALUES)
    lines = [f"Ann_Pirate.fear.{i}" for i in range(7)]
    path = table(tmp_path, lines, "my.csv", ",")
    np.testing.assert_array_equal(features_of(path).of_clips(clips(lines)), VALUES)


def test_folders_count_where_names_repeat(tmp_path):
    ids = ["a/1.wav", "b/1.wav", *(f"c/{i}" for i in range(2, 7))]
    found = features_of(table(tmp_path, ids, "my.csv", ","))
    np.testing.assert_array_equal(found.of_clips(clips(["b/1", "c/2"])), VALUES[[1, 2]])
    np.testing.assert_array_equal(found.of_clips(clips(["2", "3"])), VALUES[[2, 3]])
    with pytest.raises(BadData, match="several rows that fit one clip, for 1 clips: 1"):
        found.of_clips(clips(["1", "2"]))


def test_a_clip_on_two_rows_is_refused(tmp_path):
    path = table(tmp_path, ["a", *IDS[1:6], "[a]"], "my.csv", ",")
    with pytest.raises(BadData, match="1 clips on more than one row: a"):
        features_of(path)


def test_a_label_among_the_features_is_refused(tmp_path):
    np.savez(tmp_path / "my.npz", clips=IDS, values=VALUES, names=[*NAMES[:4], "Awe"])
    with pytest.raises(BadData, match="named as labels or facts of the corpus: Awe"):
        features_of(tmp_path / "my.npz").of_clips(clips(IDS))


# what cannot be used


def broken(root: Path, old: str, new: str) -> Path:
    path = root / "00003.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return root


LAST = str(VALUES[3, 4])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (LAST, "nan", "00003: audspec_sma_4 is nan"),
        (LAST, "-Inf", "00003: audspec_sma_4 is -Inf"),
        (LAST, "", "00003: audspec_sma_4 is blank"),
        (LAST, "1e39", "00003: audspec_sma_4 is 1e39"),
        (LAST, "secret words", "00003: audspec_sma_4 is text"),
        (LAST, "0x1", "00003: audspec_sma_4 is text"),
        (LAST, "1,1", "00003: 7 columns, expected 6"),
        (f",{LAST}", "", "00003: 5 columns, expected 6"),
        ("sma_1", "sma_9", "00003.csv has another header than 00000.csv"),
        (LAST, f"{LAST}\n00004,1,2,3,4,5", "00003.csv has 2 rows"),
        ("'00003'", "'00004'", "00003.csv does not begin with its name, as 00000.csv does"),
    ],
)
def test_the_file_the_clip_and_the_column_are_named(tmp_path, old, new, said):
    folder = broken(exvo(tmp_path), old, new)
    with pytest.raises(BadData, match="1 faults in the features: " + re.escape(said)) as error:
        features_of(folder)
    assert "secret" not in str(error.value)


def test_all_faults_are_told_in_one_message(tmp_path, monkeypatch):
    monkeypatch.setattr(released, "FILES", 2)
    exvo(tmp_path)
    (tmp_path / "00001.csv").write_text(line("name", *NAMES))
    broken(tmp_path, line("'00003'", *VALUES[3]), line("'00003'", *["nan"] * 5))
    said = r"2 faults .*: 00001\.csv has 0 rows, 00003: audspec_sma_0 is nan, and 4 columns more\."
    with pytest.raises(BadData, match=said):
        features_of(tmp_path)


def test_one_file_of_another_kind(tmp_path):
    path = table(tmp_path, IDS, "my.csv", ",")
    text = path.read_text()
    path.write_text(text.replace(LAST, "NaN"))
    with pytest.raises(BadData, match="00003: audspec_sma_4 is NaN"):
        features_of(path)
    path.write_text(text.replace(f",{LAST}", ""))
    with pytest.raises(BadData, match="00003: 5 columns, expected 6"):
        features_of(path)
    for content, said in (
        (b"", "is empty"),
        (b"clip,a,b\n", "has a header and no row"),
        (b"clip,a,b\n1,2\n", "3 columns in the header and 2 in the first row"),
        (b"clip,speaker\na,Ann\n", "no column of numbers after clip, speaker"),
        (b"clip,a\n\xff,1\n", "not UTF-8"),
        (b"clip,a\nx,1\n\xff,1\n", "an id that is not UTF-8"),
        (b"clip,a\nx,1\n\xff,'\n", "not UTF-8"),
        (b"clip,a\n'x," + b"1" * 200_000, "no table of numbers"),
    ):
        path.write_bytes(content)
        with pytest.raises(BadData, match=said):
            features_of(path)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"clips": IDS}, "lacks values; it holds clips"),
        ({"clips": IDS[:6], "values": VALUES}, "7 rows and 6 ids"),
        ({"clips": IDS, "values": VALUES[:, 0]}, r"shape \(7,\)"),
        ({"clips": IDS, "values": np.array([["a"]] * 7)}, "holds <U1"),
        ({"clips": IDS, "values": VALUES, "names": ["a"]}, "5 columns and 1 names"),
        ({"clips": IDS, "values": np.where(np.eye(7, 5), np.nan, VALUES)}, "5 clips .* f0 is nan"),
        ({"clips": IDS, "values": VALUES * np.float64(1e39)}, "7 clips have features"),
        ({"clips": np.array(IDS, object), "values": VALUES}, "without objects"),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path, arrays, said):
    np.savez(tmp_path / "my.npz", **arrays)
    with pytest.raises(AffectBenchError, match=said):
        features_of(tmp_path / "my.npz")


def test_an_array_without_ids_is_not_joined_by_order(tmp_path):
    path = npy(tmp_path)
    (tmp_path / "my.clips.txt").unlink()
    with pytest.raises(MissingData, match=r"order is no join\. Write .* to my\.clips\.txt"):
        features_of(path)
    (tmp_path / "my.txt").write_bytes(b"\xff\n")
    with pytest.raises(BadData, match="not UTF-8"):
        features_of(path)
    path.write_bytes(path.read_bytes()[:99])
    (tmp_path / "my.txt").write_text("\n".join(IDS))
    with pytest.raises(BadData, match="cannot be read as numbers"):
        features_of(path)


def test_parquet_that_cannot_be_used(tmp_path):
    path = tmp_path / "my.parquet"
    words = pl.DataFrame({"file": ["a"], "x": [1.0], "emotion": ["Awe"]})
    for frame, said in (
        (words, "emotion holds no numbers"),
        (words.select("file"), "no such column"),
        (words.select("file", x=pl.lit(None, pl.Float64)), "a: x is nan"),
    ):
        frame.write_parquet(path)
        with pytest.raises(BadData, match=said):
            features_of(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(BadData, match="cannot be read as Parquet"):
        features_of(path)


def test_what_is_not_there(tmp_path):
    with pytest.raises(MissingData, match="is not there"):
        features_of(tmp_path / "no.csv")
    with pytest.raises(BadData, match=r"no kind of features"):
        features_of(tmp_path.joinpath("my.arff").touch() or tmp_path / "my.arff")
    (tmp_path / "ComParE").mkdir()
    with pytest.raises(MissingData, match=r"no \.csv file.*It has the folders ComParE"):
        features_of(tmp_path)


def test_a_golden_file_of_the_organisers_layout():
    if not GOLDEN.is_dir():
        pytest.skip("no goldens: ../shared/goldens is not there")
    found = features_of(GOLDEN)
    text = pl.read_csv(GOLDEN / "features.csv")
    assert found.name == "given-wav2vec"
    assert list(found.names()) == text.columns[1:]
    values = found.of_clips(clips(text["file"].to_list()))
    np.testing.assert_array_equal(values, text[:, 1:].to_numpy().astype(np.float32))


def test_a_leading_column_is_left_out_only_where_it_is_no_feature(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadData, match="2.csv does not begin with its name, as 1.csv does"):
        features_of(tmp_path)  # the first file looked as if it told its name
    (tmp_path / "1.csv").write_text("a,b\n3,2\n")
    assert features_of(tmp_path).names() == ("a", "b")


def test_ids_are_freed_from_what_tools_put_around_them():
    for told in ("[00123]", "'00123.wav'", ' "00123" ', "['00123.MP3']"):
        assert written.without_ending(told) == "00123"
