"""Files are whole or not there, and digests stand for content."""

from __future__ import annotations

import resource
import subprocess
import sys

import numpy as np
import pytest

from affectbench import store
from affectbench.errors import AffectBenchError


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    store.write_json(path, {"a": 1})
    with pytest.raises(ZeroDivisionError):
        store.write_atomic(path, lambda file: file.write(b"half") and 1 / 0)
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_message(tmp_path):
    """The size limit of a process stands for a full disk: writing fails in the middle."""
    code = f"""
import resource, pathlib
from affectbench import store
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
path = pathlib.Path({str(tmp_path)!r}) / "big.bin"
try:
    store.write_atomic(path, lambda file: file.write(bytes(10_000)))
except store.AffectBenchError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "big.bin" in done.stdout
    assert "size limit" in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AffectBenchError, match="Could not write"):
        store.write_json(tmp_path / "file" / "a.json", {})


def test_nan_is_null_in_json(tmp_path):
    store.write_json(tmp_path / "a.json", {"x": [np.float64("nan"), np.int64(2)], 3: float("inf")})
    assert (
        tmp_path / "a.json"
    ).read_text() == '{\n  "x": [\n    null,\n    2\n  ],\n  "3": null\n}\n'


def test_digests_tell_content_apart():
    assert store.digest("ab", "c") != store.digest("a", "bc")
    assert store.digest_rows([(1, "a"), (2, None)]) == store.digest_rows([(2, None), (1, "a")])
    assert store.digest_rows([(1, "a")]) != store.digest_rows([("1", "a")])
    assert store.digest_json({"a": 1, "b": 2}) == store.digest_json({"b": 2, "a": 1})


def test_the_cache_lies_where_the_user_says(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECTBENCH_CACHE", str(tmp_path / "here"))
    assert store.cache_root() == tmp_path / "here"
    monkeypatch.delenv("AFFECTBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store.cache_root() == tmp_path / "affectbench"


def test_what_is_made_of_a_twin_is_one(tmp_path):
    twin, made = tmp_path / "twin", tmp_path / "made"
    for folder in (twin, made):
        folder.mkdir()
    store.keep_twin_mark(twin, made)
    assert not store.is_twin(made)
    (twin / "TWIN.md").write_text("synthetic")
    store.keep_twin_mark(twin, made)
    assert store.is_twin(made)
    assert (made / "TWIN.md").read_text() == "synthetic"
