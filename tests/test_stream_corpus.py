"""MODULATE-STREAM: the table read past its transcripts, matched with files, and its twin."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectbench.audio.decode import decode, decode_file
from affectbench.corpora import modulate_stream as stream
from affectbench.corpora.twin import stream as twin
from affectbench.errors import AffectBenchError, BadData, MissingData
from affectbench.schema import check_clips

HEADER = "\t".join(stream.COLUMNS)
SECRET = "zyzzyva"


def row(name="a.opus", ms="1000", child="0.1", female="0.2", game="Chess", text=SECRET) -> str:
    return "\t".join((name, ms, text, child, female, game))


def write(root: Path, *rows: str, files=("a.opus",), end="\n", head=HEADER) -> Path:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / "stream.tsv").write_bytes((end.join([head, *rows]) + end).encode())
    return root


def kinds(reading) -> dict[str, tuple[str, ...]]:
    """Findings without the two that every table has; no transcript in any of them."""
    assert SECRET not in repr(reading)
    assert SECRET not in reading.clips.write_json()
    found = {finding.kind: finding.items for finding in reading.findings}
    assert found.pop("speakers unknown") == ()
    return found


def test_a_good_row(tmp_path):
    reading = stream.read(
        write(tmp_path, row(), row("b/c.opus", text='"'), files=["a.opus", "b/c.opus"])
    )
    clips = check_clips(reading.clips)
    assert kinds(reading) == {}
    assert clips["clip"].to_list() == ["a.opus", "b/c.opus"]
    assert all(Path(path).is_file() for path in clips["path"])
    first = clips.row(0, named=True)
    assert (first["duration_s"], first["child_probability"]) == (1.0, 0.1)
    assert (first["female_probability"], first["game"], first["child"]) == (0.2, "Chess", False)
    assert clips["speaker"].null_count() == 2
    assert "transcript" not in clips.columns


def test_windows_ends_a_mark_and_no_last_line_end(tmp_path):
    write(tmp_path, row(), row("b.opus", game=""), files=["a.opus", "b.opus"], end="\r\n")
    path = tmp_path / "stream.tsv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().removesuffix(b"\r\n"))
    reading = stream.read(tmp_path)
    assert kinds(reading) == {}
    assert reading.clips["game"].to_list() == ["Chess", None]


@pytest.mark.parametrize(
    ("bad", "kind", "item"),
    [
        (row() + "\tmore", "wrong number of fields", "line 3: 7 fields"),
        (SECRET, "wrong number of fields", "line 3: 1 fields"),
        ("", "wrong number of fields", "line 3: 1 fields"),
        (row("b.opus", ms="0"), "number out of range", "line 3: clip_duration_msec is '0'"),
        (row("b.opus", ms=""), "not a number", "line 3: clip_duration_msec is blank"),
        (row("b.opus", ms=SECRET), "not a number", "line 3: clip_duration_msec is text"),
        (row("b.opus", ms="inf"), "not a number", "line 3: clip_duration_msec is text"),
        (row("b.opus", child="1.01"), "number out of range", "is_child_probability is '1.01'"),
        (row("b.opus", female="-1"), "number out of range", "is_female_probability is '-1'"),
        (row("b.opus", female="0,5"), "not a number", "is_female_probability is '0,5'"),
        (row("b.opus", child="nan"), "not a number", "is_child_probability is text"),
        (row("../a.opus"), "path leaves the folder", "line 3: clip_name"),
        (row("b/../../a.opus"), "path leaves the folder", "line 3"),
        (row("/a.opus"), "path leaves the folder", "line 3"),
        (row("C:\\a.opus"), "path leaves the folder", "line 3"),
        (row("..\\a.opus"), "path leaves the folder", "line 3"),
        (row(""), "path leaves the folder", "line 3"),
        (row("a.opus"), "name appears twice", "line 3: a.opus"),
        (row("./a.opus"), "name appears twice", "line 3: a.opus"),
        (row("c.opus"), "label without audio", "line 3: c.opus"),
        (row(SECRET), "label without audio", "line 3"),
    ],
)
def test_a_bad_row_is_reported_by_its_line(tmp_path, bad, kind, item):
    files = ["a.opus", "b.opus"]
    reading = stream.read(write(tmp_path, row(), bad, row("b.opus"), files=files))
    if bad.startswith("b.opus"):  # then the good row of that name is the second one
        assert len(kinds_of(reading, "name appears twice")) == 1
    if SECRET not in bad.split("\t")[0]:
        kinds(reading)
    (found,) = kinds_of(reading, kind)
    assert item in found
    assert SECRET not in found
    assert next(f for f in reading.findings if f.kind == kind).fatal
    check_clips(reading.clips)


def kinds_of(reading, kind) -> tuple[str, ...]:
    return next(finding.items for finding in reading.findings if finding.kind == kind)


def test_files_without_a_row(tmp_path):
    reading = stream.read(write(tmp_path, row(), files=["a.opus", "x/b.opus", "x/notes.txt"]))
    assert kinds(reading) == {"audio without label": ("x/b.opus",)}


def test_the_policy_excludes_children_and_the_unknown(tmp_path):
    rows = [row(f"{i}.opus", child=p) for i, p in enumerate(("0.49", "0.5", "", "x", "1"))]
    # A second row that says child wins over a first that does not.
    reading = stream.read(write(tmp_path, *rows, row("0.opus", child="0.9"), files=()))
    assert reading.clips["child"].to_list() == [True, True, True, True, True]
    assert stream.read(write(tmp_path, rows[0], files=())).clips["child"].to_list() == [False]
    assert kinds_of(reading, "no child probability") == ("line 4: 2.opus", "line 5: 3.opus")


def test_counts_are_of_all_and_items_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "LISTED", 3)
    rows = [row(f"{number}.opus") for number in range(9)]
    reading = stream.read(write(tmp_path, *rows, files=()))
    (finding,) = (f for f in reading.findings if f.kind == "label without audio")
    assert finding.items == ("line 2: 0.opus", "line 3: 1.opus", "line 4: 2.opus")
    assert finding.advice.startswith("9 in all, the first 3 are listed")


def test_blocks_change_nothing(tmp_path, monkeypatch):
    rows = [row(f"{number}.opus", child="2" if number % 7 == 0 else "0") for number in range(99)]
    write(tmp_path, *rows, "one\ttwo", *rows[:3], files=["5.opus"])
    whole = stream.read(tmp_path)
    for size in (1, 50, 1000):
        monkeypatch.setattr(stream, "BLOCK_BYTES", max(size, len(HEADER) + 1))
        monkeypatch.setattr(stream, "BATCH", 1)
        pieces = stream.read(tmp_path)
        assert pieces.clips.equals(whole.clips)
        assert pieces.findings == whole.findings


def test_the_table_must_be_one_with_its_header(tmp_path):
    with pytest.raises(MissingData, match="Expected MODULATE-STREAM"):
        stream.read(tmp_path)
    write(tmp_path, row(), head=row())
    with pytest.raises(BadData, match="not the header") as error:
        stream.read(tmp_path)
    assert SECRET not in str(error.value)
    write(tmp_path, row())
    (tmp_path / "more.tsv").touch()
    with pytest.raises(BadData, match=r"2 \.tsv files: more.tsv, stream.tsv"):
        stream.read(tmp_path)


def test_an_empty_table(tmp_path):
    reading = stream.read(write(tmp_path, files=["a.opus"]))
    assert len(check_clips(reading.clips)) == 0
    assert kinds(reading) == {"audio without label": ("a.opus",)}


def test_links_are_followed_once_and_names_need_utf8(tmp_path):
    data = tmp_path / "disk"
    write(data, row("x/a.opus"), files=["x/a.opus"])
    (data / "x" / "loop").symlink_to(data, target_is_directory=True)
    (data / "x" / "self.opus").symlink_to("self.opus")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "x").symlink_to(data / "x", target_is_directory=True)
    (data / "stream.tsv").rename(corpus / "stream.tsv")
    reading = stream.read(corpus)
    assert reading.clips["path"].null_count() == 0
    Path(os.fsdecode(os.fsencode(data / "x") + b"/\xff.opus")).touch()
    (item,) = kinds_of(stream.read(corpus), "file name not UTF-8")
    assert item == r"'x/\udcff.opus'"


def test_bytes_that_are_no_text(tmp_path):
    write(tmp_path, row())
    path = tmp_path / "stream.tsv"
    more = [b"\xff.opus\t1000\tx\t0\t0\t", b"b.opus\t1000\t\xff\t0\t0\tG"]
    path.write_bytes(path.read_bytes() + b"\n".join(more) + b"\n")
    (tmp_path / "b.opus").touch()
    assert kinds(stream.read(tmp_path)) == {"path leaves the folder": ("line 3: clip_name",)}


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=40)))
def test_any_lines_give_rows_or_findings(tmp_path_factory, lines):
    root = tmp_path_factory.mktemp("any")
    reading = stream.read(write(root, *lines, files=()))
    wrong = {"wrong number of fields", "path leaves the folder", "name appears twice"}
    left_out = sum(len(f.items) for f in reading.findings if f.kind in wrong)
    assert len(check_clips(reading.clips)) + left_out == len(lines)


# the twin


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("twin") / "stream"
    calls = []
    twin.write_stream(
        root, scale=1e-9, workers=1, mean_s=0.8, progress=lambda *call: calls.append(call)
    )
    assert calls[-1] == (17, 17)
    return root


def test_the_twin_has_the_faults_that_it_states(made):
    reading = stream.read(made)
    clips = check_clips(reading.clips)
    found = {finding.kind: len(finding.items) for finding in reading.findings if finding.fatal}
    assert found == twin.ODD
    note = (made / "TWIN.md").read_text()
    assert {k: int(n) for k, n in re.findall(r"^  - (.+): (\d+)$", note, re.M)} == twin.ODD
    assert clips["path"].null_count() == 1
    assert '\t"' in (made / "stream.tsv").read_text()
    for path, duration_s in clips.drop_nulls("path").select("path", "duration_s").iter_rows():
        clip = decode_file(Path(path))
        assert clip.rate_hz == 16_000
        assert len(clip.samples) == round(duration_s * clip.rate_hz)
        assert np.abs(clip.samples).max() > 0.1


def test_the_same_seed_gives_the_same_bytes(made, tmp_path):
    again = twin.write_stream(tmp_path / "again", scale=1e-9, workers=1, mean_s=0.8)
    for path in made.rglob("*"):
        if path.is_file():
            assert (again / path.relative_to(made)).read_bytes() == path.read_bytes(), path
    one, two = (twin.draw_stream(16, 4, 0.8, seed) for seed in (0, 1))
    assert not np.array_equal(one.duration_ms, two.duration_ms)


def test_a_twin_is_never_written_over_files_nor_half(made, tmp_path, monkeypatch):
    with pytest.raises(AffectBenchError, match="not an empty folder"):
        twin.write_stream(made, scale=1e-9)
    for wrong in ({"scale": 0}, {"scale": 2}, {"seed": -1}, {"mean_s": 0}):
        with pytest.raises(AffectBenchError, match="Expected a scale"):
            twin.write_stream(tmp_path / "new", **wrong)
    monkeypatch.setattr(twin, "run_jobs", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        twin.write_stream(tmp_path / "new", scale=1e-9)
    assert list(tmp_path.iterdir()) == []


def test_ogg_pages_with_another_serial_still_check(made):
    data = next(made.rglob("*.opus")).read_bytes()
    other = twin.restamp(data, 7)
    assert other != data
    assert other[14:18] == b"\x07\0\0\0"
    assert np.array_equal(decode(other).samples, decode(data).samples)
    broken = bytearray(other)
    broken[22] ^= 1  # a bit of the first checksum
    with pytest.raises(BadData):
        decode(bytes(broken))


def test_sizes_grow_with_scale():
    drawn = twin.draw_stream(100_000, 110, twin.MEAN_S, 0)
    assert drawn.duration_ms.mean() / 1000 == pytest.approx(twin.MEAN_S, rel=0.01)
    assert pl.Series(drawn.game).n_unique() == 111
