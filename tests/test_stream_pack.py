"""Packing: what lies in a shard, what never does, and that a kill changes no byte."""

from __future__ import annotations

import errno
import json
import re
import resource
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from affectbench import store
from affectbench.cli import stream as cli
from affectbench.errors import AffectBenchError, BadData, MissingData, ResultConflict
from affectbench.stream import Form, Policy, Shards, StreamIndex, build, layout, pack, select
from affectbench.stream.filling import Job, fill_elsewhere
from affectbench.stream.opus import EMPTY, GONE, NOT_OGG
from affectbench.stream.packing import OFFSETS
from affectbench.stream.threads import for_each
from stream_cases import SECRET, clip, corpus, for_each_here, row, write

ALL = Policy(include_children=True)
SMALL = Form(shard_mb=0.012)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    root = tmp_path_factory.mktemp("pack")
    return build(corpus(root / "data", 16), root / "index")


@pytest.fixture(scope="module")
def whole(index, tmp_path_factory):
    """Three shards or more."""
    made = pack(index, select(index), tmp_path_factory.mktemp("whole"), form=SMALL)
    assert len(made.about["shards"]) >= 3
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_shard_holds_the_files_as_they_are(index, whole):
    clips = index.clips().collect()
    found = []
    for told in whole.about["shards"]:
        with tarfile.open(whole.folder / told["shard"]) as tar:
            members = tar.getmembers()
            assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {
                (0, 0, 0, "", "", 0o644)
            }
            for sound, text in zip(members[::2], members[1::2], strict=True):
                row = json.loads(tar.extractfile(text).read())
                found.append(row)
                assert sound.name == layout.key(row["clip"]) + ".opus"
                assert text.name == layout.key(row["clip"]) + ".json"
                data = tar.extractfile(sound).read()
                assert data == (index.data / row["clip"]).read_bytes()
    columns = [*list(found[0])]
    assert found == clips.select(columns).to_dicts()
    assert "transcript" not in columns
    assert whole.about["clips"] == len(clips) == 12
    assert whole.about["hours"] == pytest.approx(clips["duration_s"].sum() / 3600)


@pytest.mark.filterwarnings("ignore")  # what it warns of is not ours
def test_webdataset_reads_them(index, whole):
    wds = pytest.importorskip("webdataset")
    urls = [str(whole.folder / told["shard"]) for told in whole.about["shards"]]
    samples = list(wds.WebDataset(urls, shardshuffle=False))
    clips = index.clips().collect()["clip"].to_list()
    assert [sample["__key__"] for sample in samples] == [layout.key(name) for name in clips]
    for name, sample in zip(clips, samples, strict=True):
        assert sample["opus"] == (index.data / name).read_bytes()
        assert json.loads(sample["json"])["clip"] == name


# How WebDataset takes a name apart, and which it skips.
SAMPLE = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")
SKIPPED = re.compile(r"__[^/]*__($|/)")
stems = st.text(st.sampled_from("a._%/5F2E"), min_size=1, max_size=8)


@given(st.lists(stems, unique=True, max_size=20))
def test_each_clip_has_a_key_of_its_own_that_webdataset_keeps(names):
    clips = [f"{name}.opus" for name in names]
    keys = [layout.key(name) for name in clips]
    assert len(set(keys)) == len(keys)
    for key in keys:
        assert SAMPLE.match(key + ".opus").groups() == (key, "opus")
        assert not SKIPPED.match(key)
    assert layout.key("a/b.1/c-2.opus") == "a/b.1/c-2"


def test_names_of_any_kind_are_packed(tmp_path):
    names = ["é/ü 1.opus", "a/v.1.2.opus", "x/.opus", "__m__/a.opus", "d" * 120 + "/n.opus"]
    data = write(tmp_path, *(row(name) for name in names), files={n: clip() for n in names})
    index = build(data)
    made = pack(index, select(index), tmp_path / "out")
    with tarfile.open(made.folder / "stream-000000.tar") as tar:
        assert [m.name for m in tar][::2] == [layout.key(name) + ".opus" for name in names]
    shards = Shards(made.folder)
    assert shards.index["clip"].to_list() == names
    assert [shards.read(n) for n in range(5)] == [clip()] * 5


def test_offsets_lie_beside_each_shard(whole):
    for told in whole.about["shards"]:
        path = (whole.folder / told["shard"]).with_suffix(".parquet")
        table = pl.read_parquet(path)
        assert dict(table.schema) == OFFSETS
        data = (whole.folder / told["shard"]).read_bytes()
        for at in table.iter_rows(named=True):
            sound = data[at["offset"] : at["offset"] + at["size"]]
            assert layout.digest(sound) == at["digest"]
            text = data[at["told_offset"] : at["told_offset"] + at["told_size"]]
            assert json.loads(text)["clip"] == at["clip"]


def test_the_policy_is_in_everything_and_children_are_in_nothing(index, whole):
    children = set(index.clips(ALL).collect()["clip"]) - set(index.clips().collect()["clip"])
    assert len(children) == 4
    files = contents(whole.folder)
    for name, data in files.items():
        assert not any(child.encode() in data for child in children), name
        assert str(index.data).encode() not in data, name  # nor where it was packed
    assert whole.about["policy"] == Policy().json()
    for told in whole.about["shards"]:
        with tarfile.open(whole.folder / told["shard"]) as tar:
            assert json.loads(tar.pax_headers["comment"])["policy"] == Policy().json()
        offsets = (whole.folder / told["shard"]).with_suffix(".parquet")
        assert json.loads(pl.read_parquet_metadata(offsets)["policy"]) == Policy().json()


def test_who_opts_in_gets_children_and_the_next_reader_must_again(index, tmp_path):
    made = pack(index, select(index, policy=ALL), tmp_path)
    assert made.about["clips"] == 16
    assert made.about["policy"]["is_child_probability"] == "included"
    assert len(Shards(tmp_path)) == 12
    assert len(Shards(tmp_path, policy=ALL)) == 16
    assert len(Shards(tmp_path, policy=Policy(threshold=0.05))) == 0


def test_transcripts_are_packed_when_asked_for(index, whole, tmp_path):
    assert not any(SECRET.encode() in data for data in contents(whole.folder).values())
    form = Form(transcripts=True)
    pack(index, select(index), tmp_path, form=form)
    shards = Shards(tmp_path)
    assert shards.told(0)["transcript"] == f'"{SECRET} 1'
    assert shards.about["form"]["transcripts"]


def test_more_workers_give_the_same_bytes(index, whole, tmp_path):
    pack(index, select(index), tmp_path, form=SMALL, workers=2)
    assert contents(tmp_path) == contents(whole.folder)
    with pytest.raises(AffectBenchError, match="at least one"):
        pack(index, select(index), tmp_path / "new", workers=0)


def test_what_a_worker_meets_is_told(spoilt, tmp_path, monkeypatch):
    there = select(spoilt, "there AND clip <> 'bad/zero.opus'")
    with pytest.raises(BadData, match=r"not Ogg: 2 \(bad/noise.opus, bad/video.opus\)"):
        pack(spoilt, there, tmp_path / "out", workers=2)
    monkeypatch.setattr("affectbench.stream.filling.sys.executable", "/bin/false")
    with pytest.raises(AffectBenchError, match="ended with 1: it was killed"):
        pack(spoilt, there, tmp_path / "out", workers=2)
    assert not list((tmp_path / "out").glob("*stream*"))


def test_a_worker_is_killed_when_all_is_to_stop(tmp_path, monkeypatch):
    script = tmp_path / "sleeps"
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    script.chmod(0o755)
    monkeypatch.setattr("affectbench.stream.filling.sys.executable", str(script))

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_elsewhere(Job("", tmp_path / "x.tar", [], b"", False), stop)


def test_a_failure_stops_the_other_workers_at_their_next_clip():
    started, gone_on = threading.Event(), []

    def work(task, go_on):
        if task == "fails":
            started.wait(10)
            raise BadData("no")
        started.set()
        for _ in range(10_000):
            go_on()
            time.sleep(0.001)
        gone_on.append(task)

    with pytest.raises(BadData, match="no"):
        for_each(work, ["fails", "runs", "never"], workers=2, done=gone_on.append)
    assert gone_on == []


@pytest.mark.parametrize("victim", range(10))
def test_a_killed_pack_goes_on_to_the_same_bytes(index, whole, tmp_path, monkeypatch, victim):
    real, calls = store.write_atomic, []

    def kill(path: Path, write):
        calls.append(path.name)
        if len(calls) == victim + 1:
            half = path.with_name(f".{path.name}.0badc0de.partial")  # as a SIGKILL leaves it
            half.write_bytes(b"half")
            raise KeyboardInterrupt
        real(path, write)

    with monkeypatch.context() as patched:
        patched.setattr(store, "write_atomic", kill)
        with pytest.raises(KeyboardInterrupt):
            pack(index, select(index), tmp_path, form=SMALL)
    with pytest.raises(MissingData, match="no whole pack"):
        Shards(tmp_path)
    before = {path.name: path.stat().st_ino for path in tmp_path.glob("*.parquet")}
    pack(index, select(index), tmp_path, form=SMALL)
    left = {n: d for n, d in contents(tmp_path).items() if not n.startswith(".")}
    assert left == contents(whole.folder)
    assert not list(tmp_path.glob(".stream*"))
    after = {path.name: path.stat().st_ino for path in tmp_path.glob("*.parquet")}
    assert after.items() >= before.items()  # finished shards were not written again


def test_a_whole_pack_is_kept_and_a_lost_shard_made_again(index, whole, tmp_path):
    made = pack(index, select(index), tmp_path, form=SMALL)
    assert pack(index, select(index), tmp_path, form=SMALL).written == 0
    (tmp_path / "stream-000001.tar").unlink()
    (tmp_path / "stream-000002.parquet").unlink()
    again = pack(index, select(index), tmp_path, form=SMALL)
    assert (again.written, again.about) == (2, made.about)
    assert contents(tmp_path) == contents(whole.folder)


def test_other_clips_or_settings_need_another_folder(index, tmp_path):
    pack(index, select(index), tmp_path, form=SMALL)
    for selection, form in (
        (select(index, "game = 'Game 1'"), SMALL),
        (select(index, policy=ALL), SMALL),
        (select(index, policy=Policy(threshold=0.6)), SMALL),
        (select(index), Form(shard_mb=0.012, shuffle=True)),
        (select(index), Form(shard_mb=0.012, transcripts=True)),
        (select(index), Form()),
    ):
        with pytest.raises(ResultConflict, match="other clips or settings"):
            pack(index, selection, tmp_path, form=form)
    with pytest.raises(BadData, match="size above 0"):
        pack(index, select(index), tmp_path / "new", form=Form(shard_mb=0))


def test_shuffled_shards_are_in_the_order_of_draws(index, tmp_path):
    pack(index, select(index), tmp_path, form=Form(shuffle=True))
    expected = index.clips().collect().sort("draw")["clip"].to_list()
    assert Shards(tmp_path).index["clip"].to_list() == expected


# what cannot be packed


@pytest.fixture
def spoilt(tmp_path):
    """Good clips, a file of zero bytes, one of noise, one that looks like video, one missing."""
    files = {
        "good/1.opus": clip(),
        "bad/zero.opus": b"",
        "bad/noise.opus": np.random.default_rng(0).bytes(3_000),
        "bad/video.opus": b"\x1aE\xdf\xa3\x9fB\x86\x81\x01" + bytes(500),
        "good/2.opus": clip(0.4),
    }
    names = [*files, "bad/gone.opus"]
    return build(write(tmp_path / "data", *(row(name) for name in names), files=files))


def test_files_that_hold_no_opus_stop_the_pack(spoilt, tmp_path):
    with pytest.raises(BadData, match="cannot be packed") as error:
        pack(spoilt, select(spoilt), tmp_path / "out")
    assert f"{EMPTY}: 1 (bad/zero.opus); {GONE}: 1 (bad/gone.opus)" in str(error.value)
    assert not (tmp_path / "out").exists()
    there = select(spoilt, "there AND clip <> 'bad/zero.opus'")
    with pytest.raises(BadData, match=r"not Ogg: 2 \(bad/noise.opus, bad/video.opus\)"):
        pack(spoilt, there, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.tar"))


def test_they_are_left_out_counted_and_listed_when_told_to_go_on(spoilt, tmp_path):
    made = pack(spoilt, select(spoilt), tmp_path / "out", keep_going=True)
    assert made.left_out == {EMPTY: 1, GONE: 1, NOT_OGG: 2}
    listed = dict(pl.read_parquet(tmp_path / "out/left-out.parquet").iter_rows())
    assert listed["bad/video.opus"] == NOT_OGG
    assert len(listed) == 4
    assert made.about["clips"] == 2
    assert Shards(made.folder).index["clip"].to_list() == ["good/1.opus", "good/2.opus"]
    assert pack(spoilt, select(spoilt), tmp_path / "out", keep_going=True).written == 0
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("affectbench.audio.pool.for_each", for_each_here)
        checked = build(spoilt.data, headers=True)  # then the index knows
    again = pack(checked, select(checked), tmp_path / "again", keep_going=True)
    assert again.left_out == made.left_out
    with pytest.raises(BadData, match="not Ogg: 2"):
        pack(checked, select(checked, "bytes > 0"), tmp_path / "third")


def test_ten_thousand_missing_files(tmp_path):
    names = [f"{number}.opus" for number in range(10_001)]
    data = write(tmp_path / "data", *(row(n) for n in names), files={"5.opus": clip()})
    index = build(data)
    with pytest.raises(BadData, match=r"10,000 \(0.opus, 1.opus, 2.opus and 9,997 more\)"):
        pack(index, select(index), tmp_path / "out")
    made = pack(index, select(index), tmp_path / "out", keep_going=True)
    assert (made.left_out, made.about["clips"]) == ({GONE: 10_000}, 1)
    listed = pl.read_parquet(made.folder / "left-out.parquet")["clip"].to_list()
    assert listed == [name for name in names if name != "5.opus"]


def test_nothing_to_pack(index, tmp_path):
    made = pack(index, select(index, "game = 'none'"), tmp_path)
    assert (made.about["clips"], made.about["shards"]) == (0, [])
    assert len(Shards(tmp_path)) == 0


def test_a_file_that_changes_meanwhile_is_no_clip(index, tmp_path, monkeypatch):
    data = corpus(tmp_path / "data", 4)
    own = build(data)
    victim = data / "s1/v.1/001.opus"

    def later(change):
        def run(*arguments, **options):
            change()
            for_each(*arguments, **options)

        monkeypatch.setattr("affectbench.stream.packing.for_each", run)

    later(lambda: victim.write_bytes(clip(2.0)))
    with pytest.raises(BadData, match="when the shards were planned"):
        pack(own, select(own), tmp_path / "out")
    later(victim.unlink)
    with pytest.raises(BadData, match="though it was there"):
        pack(own, select(own), tmp_path / "new")
    assert not list(tmp_path.glob("*/stream-*.*"))


def test_a_disk_that_fills_leaves_whole_shards_and_the_same_call_goes_on(
    index, whole, tmp_path, monkeypatch
):
    real, calls = store.os.fsync, []

    def full(file):
        calls.append(file)
        if len(calls) == 4:  # the plan, a shard, its offsets, the next shard
            raise OSError(errno.ENOSPC, "No space left on device")
        real(file)

    with monkeypatch.context() as patched:
        patched.setattr(store.os, "fsync", full)
        with pytest.raises(AffectBenchError, match="the disk is full") as error:
            pack(index, select(index), tmp_path, form=SMALL)
    assert "run the same command again" in str(error.value)
    names = {"plan.json", "stream-000000.tar", "stream-000000.parquet"}
    assert {path.name for path in tmp_path.iterdir()} == names
    pack(index, select(index), tmp_path, form=SMALL)
    assert contents(tmp_path) == contents(whole.folder)


def test_a_write_that_the_system_cuts_short_leaves_no_shard(index, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, limits[1]))
        with pytest.raises(AffectBenchError, match="exceed the size limit"):
            pack(index, select(index), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


# the command line


def run(*arguments: object):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def test_the_verb_tells_what_was_packed(index, spoilt, tmp_path):
    place = ("--index", index.folder, "--workers", 1, "--quiet")
    told = run("pack", "--out", tmp_path / "a", "game = 'Game 1'", *place)
    assert told.exit_code == 0, told.output
    assert "clips were left out by it" in told.output
    as_json = run("pack", "--out", tmp_path / "a", "game = 'Game 1'", *place, "--json")
    assert json.loads(as_json.output)["source"]["where"] == "game = 'Game 1'"
    told = run("pack", "--out", tmp_path / "b", "--data", spoilt.data, "--keep-going")
    assert "left out, not Ogg: 2" in told.output
    run("query", "game = 'Game 2'", "--save", "two", *place[:2])
    run("pack", "--out", tmp_path / "c", "--subset", "two", *place)
    two = select(StreamIndex(index.folder), "game = 'Game 2'").clips["clip"].to_list()
    assert Shards(tmp_path / "c").index["clip"].to_list() == two


@given(st.text(max_size=130).filter(lambda name: "\0" not in name), st.integers(0, 8**12))
def test_headers_are_those_of_tarfile(name, size):
    member = tarfile.TarInfo(name)
    member.size = size
    assert layout.header(name, size) == member.tobuf(tarfile.PAX_FORMAT)
