"""Shards read in any order, verified to the last bit, and unpacked again."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from affectbench import store
from affectbench.cli import stream as cli
from affectbench.errors import AffectBenchError, BadData, MissingData, ResultConflict
from affectbench.stream import (
    Damage,
    Form,
    Policy,
    Shards,
    build,
    layout,
    pack,
    select,
    unpack,
    verify,
)
from stream_cases import SECRET, clip, corpus, row, write

ALL = Policy(include_children=True)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    root = tmp_path_factory.mktemp("shards")
    return build(corpus(root / "data", 16), root / "index")


@pytest.fixture(scope="module")
def packed(index, tmp_path_factory):
    """Shards that no test may change."""
    folder = tmp_path_factory.mktemp("packed")
    pack(index, select(index, policy=ALL), folder, form=Form(shard_mb=0.012))
    return folder


@pytest.fixture
def folder(packed, tmp_path):
    """A copy to spoil."""
    return Path(shutil.copytree(packed, tmp_path / "copy"))


def change(path: Path, at: int, mask: int = 1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= mask
    path.write_bytes(data)


# reading


def test_clips_are_read_in_any_order(index, packed):
    shards = Shards(packed, policy=ALL)
    clips = index.clips(ALL).collect()
    assert shards.index["clip"].equals(clips["clip"])
    assert len(shards.files) > 3
    for number in np.random.default_rng(0).permutation(len(shards)):
        name = clips["clip"][int(number)]
        assert shards.read(number) == (index.data / name).read_bytes()
        assert shards.read(int(number), check=False) == shards.read(number)
        assert shards.told(int(number)) == clips.select(list(shards.told(0))).row(
            int(number), named=True
        )
    shards.close()
    assert len(shards.read(0)) == shards.index["size"][0]


def test_numbers_are_the_same_in_other_processes_and_of_single_shards(packed):
    shards = Shards(packed)
    shards.read(0)
    other = pickle.loads(pickle.dumps(shards))
    assert other.read(5) == shards.read(5)
    assert other.index.equals(shards.index)
    parts = [Shards(packed, only=[number]) for number in range(len(shards.files))]
    assert [name for part in parts for name in part.index["clip"]] == shards.index["clip"].to_list()
    last = parts[-1]
    assert last.read(0) == shards.read(len(shards) - len(last))


def test_a_clip_that_was_changed_is_not_read(folder):
    shards = Shards(folder)
    change(shards.files[0], int(shards.index["offset"][1]) + 40)
    with pytest.raises(BadData, match="damaged at clip"):
        shards.read(1)
    assert len(shards.read(1, check=False)) == shards.index["size"][1]
    assert shards.read(0)
    change(shards.files[0], int(shards.index["told_offset"][1]), 0x80)
    with pytest.raises(BadData, match="damaged at"):
        shards.told(1)
    shards.close()
    shards.files[0].write_bytes(shards.files[0].read_bytes()[:700])
    with pytest.raises(BadData, match="damaged at clip"):
        shards.read(1, check=False)
    shards.close()
    shards.files[0].unlink()
    with pytest.raises(BadData, match="cannot be read"):
        shards.read(1)


def test_shards_that_are_not_all_there(folder):
    (folder / "stream-000001.tar").unlink()
    with pytest.raises(MissingData, match=r"lacks 1 of its shards: stream-000001\.tar"):
        Shards(folder)
    assert len(Shards(folder, only=[0, 2]).files) == 2
    change(folder / "stream-000000.parquet", 100)
    with pytest.raises(BadData, match=r"stream-000000\.parquet is damaged"):
        Shards(folder, only=[0])
    (folder / "stream-000000.parquet").unlink()
    with pytest.raises(MissingData, match=r"stream-000000\.parquet cannot be read"):
        Shards(folder, only=[0])
    about = json.loads((folder / "pack.json").read_text())
    (folder / "pack.json").write_text(json.dumps({**about, "format": 0}))
    with pytest.raises(BadData, match="another format"):
        Shards(folder)
    (folder / "pack.json").write_text("{")
    with pytest.raises(MissingData, match="no whole pack"):
        Shards(folder)


# verifying


def test_sound_shards_have_no_damage(packed):
    calls = []
    assert verify(packed, progress=lambda *call: calls.append(call)) == ()
    assert calls[-1][0] == "verify"
    assert calls[-1][1] == calls[-1][2] == len(Shards(packed).files)


def test_every_flipped_bit_is_found_and_named(packed, folder):
    """Bits all over a shard: note, headers, sound, JSON, zeros between and at the end."""
    shards = Shards(packed, policy=ALL, only=[1])
    path = folder / shards.files[0].name
    size = path.stat().st_size
    records = [*shards.index["record"].to_list()]
    last = shards.index.row(-1, named=True)
    end = last["told_offset"] + -(-last["told_size"] // 512) * 512
    spots = {0, 300, size - 1, end, *np.random.default_rng(0).integers(0, size, 40).tolist()}
    for row_ in shards.index.iter_rows(named=True):
        spots |= {row_["record"], row_["offset"], row_["offset"] + row_["size"] - 1}
        spots |= {row_["told_offset"], row_["offset"] + row_["size"]}
    for spot in sorted(spots):
        change(path, spot, 1 << spot % 8)
        (found,) = verify(folder)
        change(path, spot, 1 << spot % 8)
        expected = None
        if records[0] <= spot < end:
            number = sum(start <= spot for start in records) - 1
            expected = shards.index["clip"][number]
        assert (found.shard, found.clip) == (path.name, expected), spot
    assert verify(folder) == ()


def test_shards_that_are_cut_longer_lost_or_swapped(folder):
    first, second, third = (folder / f"stream-00000{n}.tar" for n in range(3))
    first.write_bytes(first.read_bytes()[:-2000])
    second.write_bytes(second.read_bytes() + b"more")
    third.unlink()
    change(folder / "stream-000003.parquet", 50)
    found = verify(folder)
    assert any("bytes, expected" in d.what for d in found if d.shard == first.name)
    assert {d.what for d in found if d.shard == second.name} >= {"its end is not as written"}
    assert [d.what for d in found if d.shard == third.name] == [
        "cannot be read (No such file or directory)"
    ]
    assert any("parquet is damaged" in d.what for d in found)


# unpacking


def rows_of(index) -> pl.DataFrame:
    return index.clips(ALL).collect().drop("line", "characters")


def test_unpacked_files_and_their_table_are_those_of_the_release(index, packed, tmp_path):
    assert unpack(packed, tmp_path / "out", policy=ALL) == 16
    for name in index.clips(ALL).collect()["clip"]:
        assert (tmp_path / "out" / name).read_bytes() == (index.data / name).read_bytes()
    again = build(tmp_path / "out")
    assert again.about["faults"] == {}
    assert rows_of(again).equals(rows_of(index))
    told = json.loads((tmp_path / "out/unpacked.json").read_text())
    assert told["policy"] == ALL.json()
    assert SECRET not in (tmp_path / "out/stream.tsv").read_text()


def test_children_are_not_unpacked_without_the_flag(index, packed, tmp_path):
    assert unpack(packed, tmp_path / "out") == 12
    assert rows_of(build(tmp_path / "out")).equals(
        index.clips().collect().drop("line", "characters")
    )
    assert len(list((tmp_path / "out").rglob("*.opus"))) == 12


def test_the_risk_of_a_clip_outlives_its_way(tmp_path):
    """A later row said child: the unpacked table says so too, though the first did not."""
    files = {"a.opus": clip(), "b.opus": clip()}
    rows = [row("a.opus"), row("b.opus", child=""), row("a.opus", child="0.75")]
    first = build(write(tmp_path / "data", *rows, row("c/é.opus", ms="", game=""), files=files))
    pack(first, select(first, "there", policy=ALL), tmp_path / "pack", form=Form(transcripts=True))
    unpack(tmp_path / "pack", tmp_path / "out", policy=ALL)
    again = build(tmp_path / "out")
    clips = again.clips(ALL, transcripts=True).collect()
    assert clips["child_risk"].to_list() == [0.75, 1.0]
    assert clips["transcript"].to_list() == [SECRET, SECRET]
    assert len(again.clips().collect()) == 0


def test_a_killed_unpack_goes_on_and_never_overwrites(packed, tmp_path, monkeypatch):
    out = tmp_path / "out"
    real, calls = Path.replace, []

    def kill(self, target):
        calls.append(target)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", kill)
        with pytest.raises(KeyboardInterrupt):
            unpack(packed, out)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) == 4
    before = {path: path.stat().st_ino for path in files}
    assert unpack(packed, out) == unpack(packed, out) == 12
    assert all(path.stat().st_ino == inode for path, inode in before.items())
    files[0].write_bytes(b"other")
    with pytest.raises(ResultConflict, match="other bytes"):
        unpack(packed, out)
    (out / "more.tsv").touch()
    with pytest.raises(ResultConflict, match=r"more\.tsv is there"):
        unpack(packed, out)


def test_a_full_disk_is_one_message(packed, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(AffectBenchError, match="the disk is full"):
            unpack(packed, tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert unpack(packed, tmp_path / "out") == 12


def test_a_shard_cannot_write_outside_the_folder(folder, tmp_path):
    import hashlib

    offsets = folder / "stream-000000.parquet"
    table = pl.read_parquet(offsets).with_columns(clip=pl.lit("../../evil.opus"))
    table.write_parquet(offsets)
    about = json.loads((folder / "pack.json").read_text())
    about["shards"][0]["offsets"] = hashlib.sha256(offsets.read_bytes()).hexdigest()
    store.write_json(folder / "pack.json", about)
    with pytest.raises(BadData, match="would lie outside"):
        unpack(folder, tmp_path / "a/b")
    assert not list(tmp_path.rglob("evil.opus"))


def test_a_damaged_clip_is_not_unpacked(folder, tmp_path):
    shards = Shards(folder)
    change(shards.files[-1], int(shards.index["offset"][-1]) + 3)
    with pytest.raises(BadData, match="damaged at clip"):
        unpack(folder, tmp_path / "out")
    assert not (tmp_path / "out/stream.tsv").exists()


# the command line


def run(*arguments: object):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def test_the_verbs(packed, folder, tmp_path):
    told = run("verify", packed)
    assert (told.exit_code, told.output) == (0, "OK\n")
    shards = Shards(folder)
    change(shards.files[0], int(shards.index["offset"][0]))
    told = run("verify", folder)
    assert told.exit_code == 1
    assert shards.index["clip"][0] in told.output
    assert told.output.endswith("DAMAGED in 1 places\n")
    (damage,) = json.loads(run("verify", folder, "--json").output)
    assert Damage(**damage).shard == "stream-000000.tar"
    told = run("unpack", packed, "--out", tmp_path / "out", "--include-children")
    assert "16 clips" in told.output
    assert "as asked for" in told.output


def test_a_digest_is_that_of_sha256sum():
    import hashlib

    assert layout.digest(b"a", b"bc") == hashlib.sha256(b"abc").hexdigest()[:32]
