"""The index of MODULATE-STREAM: what is typed, matched, found wrong, kept and left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from affectbench import store
from affectbench.cli import stream as cli
from affectbench.corpora import modulate_stream
from affectbench.corpora.twin.stream import ODD, write_stream
from affectbench.errors import AffectBenchError, BadData, MissingData, ResultConflict
from affectbench.stream import Policy, StreamIndex, build, headers, opus, summarise, table
from affectbench.stream.index import COLUMNS, FAULTS
from affectbench.stream.opus import probe_bytes, probe_file
from stream_cases import SECRET, clip, corpus, for_each_here, joined, pages, row, write

ALL = Policy(include_children=True)


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr("affectbench.audio.pool.for_each", for_each_here)


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    root = tmp_path_factory.mktemp("twin") / "stream"
    write_stream(root, scale=1e-9, workers=1, mean_s=0.6)
    return build(root, headers=True, workers=2)  # in real processes


def faults_of(index: StreamIndex) -> dict[str, list[int | None]]:
    """Lines by kind of fault."""
    found: dict[str, list[int | None]] = {}
    for line, _, kind, _ in index.faults.iter_rows():
        found.setdefault(kind, []).append(line)
    return found


def test_the_twin_has_the_faults_that_it_states(twin):
    found = dict(twin.about["faults"])
    assert found.pop("no child probability") == 1
    assert found == ODD
    clips = twin.clips(ALL).collect()
    assert dict(clips.schema) == COLUMNS
    assert dict(twin.faults.schema) == FAULTS
    assert clips["there"].sum() == 16
    there = clips.filter("there")
    assert there["fault"].null_count() == 16
    assert ((there["duration_s"] - there["actual_s"]).abs() < 1e-9).all()
    assert there["bytes"].to_list() == [(twin.data / c).stat().st_size for c in there["clip"]]
    assert store.is_twin(twin.folder)


def test_it_agrees_with_the_reader_of_the_corpus(twin):
    read = modulate_stream.read(twin.data).clips
    clips = twin.clips(ALL).collect()
    for column in ("clip", "duration_s", "child_probability", "female_probability", "game"):
        assert clips[column].equals(read[column]), column
    assert (clips["child_risk"] >= 0.5).equals(read["child"], check_names=False)
    assert clips["there"].equals(read["path"].is_not_null(), check_names=False)


def test_transcripts_lie_apart_and_come_when_asked_for(tmp_path):
    index = build(corpus(tmp_path / "data"), tmp_path / "index")
    for path in tmp_path.joinpath("index").iterdir():
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()
    for name in ("clips", "faults"):
        told = pl.read_parquet(index.folder / f"{name}.parquet").write_json()
        assert SECRET not in told
    assert "transcript" not in index.clips().collect_schema()
    texts = index.clips(transcripts=True).select("clip", "transcript", "characters").collect()
    assert texts["transcript"].to_list() == [
        f'"{SECRET} {int(name[-8:-5])}' for name in texts["clip"]
    ]
    assert texts["transcript"].str.len_chars().equals(texts["characters"], check_names=False)


@pytest.mark.parametrize(
    ("bad", "kind", "what"),
    [
        (row("b.opus").replace(f"\t{SECRET}", SECRET), "wrong number of fields", "5 fields"),
        (row("b.opus", text=f"{SECRET}\n"), "wrong number of fields", "3 fields"),
        (row("b.opus", ms="-5"), "number out of range", "clip_duration_msec is '-5'"),
        (row("b.opus", child="1.2"), "number out of range", "is_child_probability is '1.2'"),
        (row("b.opus", female="x"), "not a number", "is_female_probability is text"),
        (row("a.opus"), "name appears twice", "line 3"),
        (row("/etc/b.opus"), "path leaves the folder", "clip_name"),
        (row("c.opus"), "label without audio", "line 3"),
    ],
)
def test_a_bad_row_has_its_line_and_reason(tmp_path, bad, kind, what):
    index = build(write(tmp_path, row(), bad, files={"a.opus": b"x", "b.opus": b"x"}))
    found = index.faults.filter((pl.col("kind") == kind) & (pl.col("line") == 3))
    assert what in found["what"].item()
    assert SECRET not in index.faults.write_json()
    assert index.clips(ALL).collect()["clip"][0] == "a.opus"


def test_a_cell_that_is_wrong_is_blank_and_the_row_kept(tmp_path):
    rows = [row(ms="-5"), row("b.opus", child="1.2"), row("c.opus", female="9")]
    clips = build(write(tmp_path, *rows)).clips(ALL).collect()
    assert clips["duration_s"].to_list() == [None, 1.0, 1.0]
    assert clips["child_probability"].to_list() == [0.1, None, 0.1]
    assert clips["child_risk"].to_list() == [0.1, 1.0, 0.1]
    assert clips["female_probability"].to_list() == [0.2, 0.2, None]


def test_the_policy_reads_the_highest_risk_of_a_name(tmp_path):
    rows = [row("a.opus", child="0.1"), row("b.opus"), row("a.opus", child="0.6")]
    index = build(write(tmp_path, *rows, row("c.opus", child="")))
    assert index.clips().collect()["clip"].to_list() == ["b.opus"]
    looser = index.clips(Policy(threshold=0.7)).collect()
    assert looser["clip"].to_list() == ["a.opus", "b.opus"]
    assert looser["child_probability"].to_list() == [0.1, 0.1]  # as its first row says
    assert len(index.clips(Policy(threshold=1)).collect()) == 2
    assert len(index.clips(ALL).collect()) == 3
    for wrong in (0, -1, 1.2, float("nan")):
        with pytest.raises(BadData, match="above 0 and up to 1"):
            Policy(threshold=wrong)
    for policy in (ALL, Policy(threshold=0.25)):
        assert Policy.of(json.loads(json.dumps(policy.json()))) == policy


def test_many_missing_files_are_counted_and_listed(tmp_path):
    names = [f"{number // 1000}/{number}.opus" for number in range(10_000)]
    there = {"0/7.opus": b"x", "x/extra.opus": b"x"}
    index = build(write(tmp_path, *(row(name) for name in names), files=there))
    missing = index.faults.filter(pl.col("kind") == "label without audio")
    assert missing["clip"].to_list() == [name for name in names if name != "0/7.opus"]
    assert missing["line"][0] == 2
    assert index.about["faults"] == {"label without audio": 9_999, "audio without label": 1}
    assert index.faults.filter(pl.col("line").is_null())["clip"].to_list() == ["x/extra.opus"]


def test_blocks_change_nothing(tmp_path, monkeypatch):
    root = corpus(tmp_path / "data", 30)
    whole = build(root, tmp_path / "whole")
    monkeypatch.setattr(modulate_stream, "BLOCK_BYTES", 200)
    pieces = build(root, tmp_path / "pieces")
    for read in (lambda i: i.clips(ALL, transcripts=True).collect(), lambda i: i.faults):
        assert read(pieces).equals(read(whole))
    assert len(list((pieces.folder / "transcripts").iterdir())) > 5


def test_a_table_that_was_read_is_matched_anew_but_not_read(tmp_path, monkeypatch, here):
    data = corpus(tmp_path / "data")
    first = build(data, tmp_path / "index", headers=True)
    before = first.clips(ALL).collect()
    monkeypatch.setattr("affectbench.stream.indexing.read_rows", lambda *_: 1 / 0)
    (data / "s0/v.1/000.opus").unlink()
    again = build(data, tmp_path / "index")
    assert again.about["faults"] == {"label without audio": 1}
    assert again.clips(ALL).collect()[1:].equals(before[1:])  # headers are kept
    gone = again.clips(ALL).collect().row(0, named=True)
    assert (gone["there"], gone["bytes"], gone["actual_s"]) == (False, None, None)
    (data / "stream.tsv").write_text((data / "stream.tsv").read_text() + row("z.opus") + "\n")
    with pytest.raises(ResultConflict, match="index of another table"):
        build(data, tmp_path / "index")


def test_a_killed_run_leaves_nothing_that_opens(tmp_path, monkeypatch):
    data = corpus(tmp_path / "data")
    whole = build(data, tmp_path / "whole")
    for victim in ("transcripts/00000.parquet", "clips.parquet", "faults.parquet", "index.json"):
        out = tmp_path / victim.replace("/", "-")
        with monkeypatch.context() as patched:
            real = store.write_atomic

            def kill(path: Path, write, victim=victim, real=real):
                if path.as_posix().endswith(victim):
                    raise KeyboardInterrupt
                real(path, write)

            patched.setattr(store, "write_atomic", kill)
            with pytest.raises(KeyboardInterrupt):
                build(data, out)
        with pytest.raises(MissingData, match="no whole index"):
            StreamIndex(out)
        assert build(data, out).clips(ALL).collect().equals(whole.clips(ALL).collect())
    (out / "clips.parquet").write_bytes(b"half")
    with pytest.raises(MissingData, match="no whole index"):
        StreamIndex(out)


def test_an_empty_table(tmp_path):
    index = build(write(tmp_path))
    assert len(index.clips(ALL, transcripts=True).collect()) == 0
    assert summarise(index)["kept"]["clips"] == 0


def test_draws_are_the_same_for_ever():
    found = table.draws(pl.Series(["a.opus", "clips/0000/0000001.opus"]))
    assert found.to_list() == [6751804829424025145, 8387920948589485297]


def test_the_summary_counts(tmp_path):
    rows = [
        row("a.opus", ms="500", child="0.9"),
        row("b.opus", ms="5000", game="Go", text=""),
        row("c.opus", ms="70000", game="", child="0.25"),
        row("d.opus", ms="", female="1"),
    ]
    index = build(write(tmp_path, *rows, files={"b.opus": b"x"}))
    told = json.loads(json.dumps(summarise(index)))
    assert told["in_all"] == {"clips": 4, "hours": 75.5 / 3600, "excluded": 1}
    kept = told["kept"]
    assert kept["clips"] == 3
    assert kept["hours"] == pytest.approx(75 / 3600)
    assert (kept["files"], kept["games"], kept["without_game"]) == (1, 2, 1)
    assert (kept["without_transcript"], kept["without_duration"]) == (1, 1)
    counts = {r["value"]: r["clips"] for r in told["duration_s"] if r["clips"]}
    assert counts == {"[5, 10)": 1, "60 or more": 1, None: 1}
    counts = {r["value"]: r["clips"] for r in told["child_probability"] if r["clips"]}
    assert counts == {"[0.1, 0.2)": 2, "[0.2, 0.3)": 1, "0.9 or more": 1}
    assert [r["value"] for r in told["largest_games"]] == ["Go", "Chess"]
    assert told["policy"]["from"] == 0.5
    assert summarise(index, ALL)["kept"]["clips"] == 4


# headers


def test_durations_are_those_of_a_decoder(tmp_path):
    import soundfile

    for number, seconds in enumerate((0.02, 0.11, 1.0, 2.5)):
        path = tmp_path / f"{number}.opus"
        path.write_bytes(clip(seconds, number))
        head, size = probe_file(path)
        info = soundfile.info(path)
        assert head.duration_s == pytest.approx(info.frames / info.samplerate, abs=1e-9)
        assert (head.fault, head.channels, head.rate_hz) == (None, 1, 16_000)
        assert size == path.stat().st_size
        assert probe_bytes(path.read_bytes()) == head


def test_a_clip_cut_out_of_a_longer_stream_keeps_its_duration():
    found = pages(clip(2.5))
    for page in found[2:]:
        granule = int.from_bytes(page[6:14], "little") + 480_000
        page[6:14] = granule.to_bytes(8, "little")
    assert probe_bytes(joined(found)).duration_s == pytest.approx(2.5)


@pytest.mark.parametrize(
    ("packet", "samples"),
    [(b"\x00", 480), (b"\x19", 5760), (b"\x60", 480), (b"\x83\x06", 720), (b"\xfc", 960)],
)
def test_samples_of_a_packet(packet, samples):
    assert opus.packet_samples(packet) == samples


def vorbis() -> bytes:
    import io

    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.zeros(4_000), 16_000, format="OGG", subtype="VORBIS")
    return file.getvalue()


def video() -> bytes:
    """Moving pictures in Matroska, by FFmpeg."""
    import io

    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        for _ in range(3):
            picture = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return file.getvalue()


def spoilt() -> dict[str, bytes]:
    """Files by what is wrong with them."""
    good = clip(2.5)
    unended = pages(good)
    unended[-1][5] &= ~4
    other = clip(0.3, serial=9)
    return {
        opus.EMPTY: b"",
        opus.NOT_OGG: np.random.default_rng(0).bytes(5_000),
        opus.NOT_OPUS: vorbis(),
        opus.CUT: good[:-7],
        opus.CORRUPT: good[:28] + b"\x55" + good[29:],
        opus.SEVERAL: good + other,
        opus.NO_END: joined(unended),
        opus.NO_SOUND: joined(pages(good)[:2]),
    }


def test_what_is_wrong_with_a_file():
    found = {kind: probe_bytes(data).fault for kind, data in spoilt().items()}
    assert found.pop(opus.CORRUPT) == opus.NOT_OPUS  # the flipped byte is in "OpusHead"
    assert found == {kind: kind for kind in found}
    assert probe_bytes(video()).fault == opus.NOT_OGG
    good = bytearray(clip(2.5))
    good[40] ^= 1  # in the rate of the first page
    assert probe_bytes(bytes(good)).fault == opus.CORRUPT


GOOD = clip(0.3)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(0, len(GOOD) - 1))
def test_no_bytes_break_the_probe(noise, at):
    for data in (noise, GOOD[:at], GOOD[:at] + noise):
        assert probe_bytes(data).fault is not None or data == GOOD
    probe_bytes(GOOD[:at] + noise + GOOD[at:])  # damage in the middle may pass


def test_faults_of_files_are_in_the_index(tmp_path, here):
    files = {f"{number}.opus": data for number, data in enumerate(spoilt().values())}
    files["good.opus"] = clip(1.0)
    files["long.opus"] = clip(1.2)
    root = write(tmp_path, *(row(name) for name in files), files=files)
    index = build(root, headers=True)
    clips = index.clips().collect()
    kinds = clips["fault"].to_list()
    assert kinds[:4] == [opus.EMPTY, opus.NOT_OGG, opus.NOT_OPUS, opus.CUT]
    assert kinds[-2:] == [None, None]
    found = faults_of(index)
    assert found[opus.EMPTY] == [2]
    assert found["duration differs"] == [len(files) + 1]
    what = index.faults.filter(pl.col("kind") == "duration differs")["what"].item()
    assert what == "1.0 s declared, 1.2 s there"
    assert (clips["channels"].null_count(), index.about["headers"]) == (4, True)


def test_a_killed_header_check_goes_on(tmp_path, monkeypatch, here):
    data = corpus(tmp_path / "data")
    monkeypatch.setattr(headers, "CHUNK", 5)
    whole = build(data, tmp_path / "whole", headers=True).clips(ALL).collect()
    real, calls = headers.probe_file, []

    def probe(path: Path):
        calls.append(path.name)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return real(path)

    monkeypatch.setattr(headers, "probe_file", probe)
    with pytest.raises(KeyboardInterrupt):
        build(data, tmp_path / "out", headers=True)
    index = build(data, tmp_path / "out", headers=True)
    assert calls[8:] == [f"{number:03d}.opus" for number in range(5, 12)]
    assert index.clips(ALL).collect().equals(whole)
    assert not (tmp_path / "out" / "headers.partial").exists()


# the command line


def run(*arguments: object):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def test_the_verb_tells_what_there_is(tmp_path, twin):
    told = run("index", "--data", twin.data)
    assert told.exit_code == 1
    assert "excluded" in told.output
    assert "name appears twice" in told.output
    assert run("index", "--data", twin.data, "--keep-going").exit_code == 0
    as_json = run("index", "--data", twin.data, "--json", "--include-children", "--keep-going")
    facts = json.loads(as_json.output)
    assert facts["in_all"]["clips"] == facts["kept"]["clips"] == 17
    assert facts["policy"]["is_child_probability"] == "included"
    clean = corpus(tmp_path / "clean")
    told = run("index", "--data", clean)
    assert told.exit_code == 0, told.output
    assert SECRET not in told.output
    strict = run("index", "--data", clean, "--child-threshold", "0.05", "--json")
    assert json.loads(strict.output)["kept"]["clips"] == 0


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path, monkeypatch):
    import errno

    def full(path, write):
        raise store.disk_error(OSError(errno.ENOSPC, "no"), path)

    data = corpus(tmp_path / "data")
    monkeypatch.setattr(store, "write_atomic", full)
    with pytest.raises(AffectBenchError, match="the disk is full"):
        build(data, tmp_path / "out")
