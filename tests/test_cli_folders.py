"""Verbs about corpus folders on the command line: what they say, and their exit codes."""

from __future__ import annotations

import json
import shutil

import polars as pl
import pytest

from affectbench.corpora import CORPORA


def test_check_is_fine_or_odd_until_something_is_wrong(call, avb):
    run = ("check", "hume-vocalburst", "--data", avb, "--workers", 1)
    code, out, _ = call(*run)
    assert code == 0
    assert "144 clips" in out
    assert "corrected 59,201, found 144" in out
    (avb / "audio/wav/00003.wav").write_bytes(b"")
    code, out, _ = call(*run, "--json")
    found = json.loads(out)
    assert code == 1
    assert found["verdict"] == "wrong"
    assert "00003" in json.dumps(found["findings"])


def test_a_folder_of_another_corpus_is_recognised(call, avb):
    code, _, err = call("check", "hume-prosody", "--data", avb)
    assert code == 2
    assert "affectbench check hume-vocalburst" in err


def test_prepared_clips_are_read_again(call, avb, tmp_path):
    run = ("prepare", "hume-vocalburst", "--data", avb, "--out", tmp_path / "out", "--workers", 1)
    code, out, _ = call(*run)
    assert code == 0
    assert "144 written, 0 kept" in out
    assert "0 written, 144 kept" in call(*run)[1]
    again = CORPORA["hume-vocalburst"].read(tmp_path / "out").clips
    assert again["clip"].equals(CORPORA["hume-vocalburst"].read(avb).clips["clip"])
    code, _, err = call(*run, "--form", "mp3")
    assert code == 2
    assert "Expected wav or flac" in err


def test_audit_finds_a_leak(call, avb, tmp_path):
    run = ("audit", "hume-vocalburst", "--data", avb, "--workers", 1)
    code, out, _ = call(*run)
    assert code == 0
    assert "clean" in out
    shutil.copy(avb / "audio/wav/00001.wav", avb / "audio/wav/00060.wav")
    code, out, _ = call(*run)
    assert code == 1
    assert "LEAK" in out
    table = tmp_path / "table.csv"
    rows = {"file": ["a.wav", "b.wav"], "actor": ["x", "x"], "part": ["train", "test"]}
    pl.DataFrame(rows).write_csv(table)
    code, out, _ = call("audit", table, "--no-audio", "--column", "speaker=actor")
    assert code == 1
    assert "speaker: 1 of 1 shared" in out
    assert call("audit", table, "--column", "speaker")[0] == 2


def test_export_refuses_what_is_there(call, avb, tmp_path):
    run = ("export", "hume-vocalburst", "--data", avb, "--to", "parquet", "--out", tmp_path / "out")
    assert call(*run)[0] == 0
    assert len(pl.read_parquet(next((tmp_path / "out").glob("*.parquet")))) == 144
    code, _, err = call(*run)
    assert code == 2
    assert "is there already" in err


def test_parts_of_a_twin(call, tmp_path):
    run = ("twin", "hume-vocalburst", "--out", tmp_path / "twin", "--scale", 0.001, "--raw", 0.02)
    assert call(*run)[0] == 0
    assert len(list((tmp_path / "twin/raw/wav").iterdir())) == 4
    code, _, err = call("twin", "modulate-stream", "--out", tmp_path / "x", "--webm", 0.1)
    assert code == 2
    assert "no webm part" in err


@pytest.mark.parametrize("corpus", [row.name for row in CORPORA.values() if row.access == "gated"])
def test_get_tells_who_grants_access(call, corpus):
    code, _, err = call("get", corpus)
    assert code == 2
    assert "not open for download" in err


def test_sonata_is_cut_before_it_is_run(call, tmp_path):
    root = tmp_path / "sonata"
    write = CORPORA["modulate-sonata"].twin
    write(root, scale=0.1, line_s=0.3, workers=2)
    run = ("run", "sonata-emotion", "--system", "egemaps-svm", "--out", tmp_path / "out")
    code, _, err = call(*run, "--data", root)
    assert code == 2
    assert "affectbench cut modulate-sonata" in err
    code, out, _ = call("cut", "modulate-sonata", "--data", root, "--out", tmp_path / "cut")
    assert code == 0
    assert "clips: 125 here, 756 in workshop paper" in out
    code, out, _ = call(*run, "--data", tmp_path / "cut", "--draws", 50)
    assert code == 0
    assert "seductionecstasy" in out
    assert call("cut", "emogator", "--data", root, "--out", tmp_path / "x")[0] == 2
