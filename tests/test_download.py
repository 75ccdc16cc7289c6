"""Downloads against a server of our own: resumed, checked, unpacked, and one clear message."""

from __future__ import annotations

import hashlib
import io
import re
import socket
import stat
import tarfile
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from affectbench import download
from affectbench.corpora import emogator
from affectbench.errors import AffectBenchError, BadData, MissingData
from affectbench.types import Remote

BODY = np.random.default_rng(0).bytes(100_000)
SHA = hashlib.sha256(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """One file, with ranges; the server's attributes break it."""

    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        if self.path != "/file":
            self.send_error(404)
            return
        body, start = server.body, 0
        fresh = self.headers.get("If-Range") == server.tag
        if wanted and server.ranges and fresh:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
        if start and start >= len(body):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if server.tag:
            self.send_header("ETag", server.tag)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else None
        self.wfile.write(body[start:cut])

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.body, server.tag, server.ranges = BODY, '"one"', True
        server.cuts, server.asked = [], []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def corpus_of(server, name="file", **fields):
    url = f"http://127.0.0.1:{server.server_port}/{name}"
    remote = Remote(**({"url": url, "path": "sub/file.bin"} | fields))
    return replace(emogator.CORPUS, remotes=(remote,))


def hidden(folder):
    return [path.name for path in folder.rglob(".*")]


def test_a_file_comes_whole_and_is_not_fetched_again(server, tmp_path):
    corpus = corpus_of(server, size_bytes=len(BODY), sha256=SHA)
    calls = []
    (path,) = download.get(corpus, tmp_path / "new", progress=lambda *call: calls.append(call))
    assert path == tmp_path / "new" / "sub" / "file.bin"
    assert path.read_bytes() == BODY
    assert calls[-1] == ("sub/file.bin", len(BODY), len(BODY))
    assert hidden(tmp_path) == []
    download.get(corpus, tmp_path / "new")
    assert server.asked == [None]


def test_a_broken_transfer_goes_on_where_it_was(server, tmp_path):
    server.cuts = [10_000, 60_000]
    (path,) = download.get(corpus_of(server), tmp_path)
    assert path.read_bytes() == BODY
    assert server.asked == [None, "bytes=10000-", "bytes=60000-"]


def test_a_killed_download_goes_on_in_the_next_call(server, tmp_path):
    class Killed(BaseException):
        pass

    def kill(*_):
        raise Killed

    corpus = corpus_of(server, sha256=SHA)
    with pytest.raises(Killed):
        download.get(corpus, tmp_path, progress=kill)
    held = (tmp_path / "sub" / ".file.bin.partial").stat().st_size
    assert held > 0
    assert not (tmp_path / "sub" / "file.bin").exists()
    (path,) = download.get(corpus, tmp_path)
    assert path.read_bytes() == BODY
    assert server.asked == [None, f"bytes={held}-"]


def test_all_bytes_held_but_not_yet_renamed(server, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".file.bin.partial").write_bytes(BODY)
    (tmp_path / "sub" / ".file.bin.tag").write_text('"one"')
    (path,) = download.get(corpus_of(server), tmp_path)
    assert path.read_bytes() == BODY
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("change", ["no ranges", "other tag", "no tag", "shorter"])
def test_it_starts_again_where_the_rest_cannot_be_trusted(server, tmp_path, change):
    (tmp_path / "sub").mkdir()
    held = b"old" * 40_000 if change == "shorter" else b"old"
    (tmp_path / "sub" / ".file.bin.partial").write_bytes(held)
    (tmp_path / "sub" / ".file.bin.tag").write_text("" if change == "no tag" else '"one"')
    server.ranges = change != "no ranges"
    if change == "other tag":
        server.tag = '"two"'
    (path,) = download.get(corpus_of(server), tmp_path)
    assert path.read_bytes() == BODY


def test_a_server_that_always_breaks_keeps_what_came(server, tmp_path):
    server.ranges = False
    server.cuts = [10_000] * 9
    with pytest.raises(MissingData, match=r"ended after 10,000 of 100,000 bytes.*are kept"):
        download.get(corpus_of(server), tmp_path)
    assert len(server.asked) == 2
    server.ranges, server.cuts = True, []
    (path,) = download.get(corpus_of(server), tmp_path)
    assert path.read_bytes() == BODY


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(BadData, match=f"SHA-256 {SHA}, expected {'0' * 64}.*github"):
        download.get(corpus_of(server, sha256="0" * 64), tmp_path)
    assert [
        path for path in tmp_path.rglob("*") if path.is_file() and ".tag" not in path.name
    ] == []


def test_a_wrong_size_is_refused_before_the_transfer(server, tmp_path):
    with pytest.raises(BadData, match="has 100,000 bytes, expected 5"):
        download.get(corpus_of(server, size_bytes=5), tmp_path)
    (tmp_path / "sub" / "file.bin").write_bytes(b"of another day")
    with pytest.raises(BadData, match="14 bytes, expected 100,000.*move it away"):
        download.get(corpus_of(server, size_bytes=len(BODY)), tmp_path)
    assert (tmp_path / "sub" / "file.bin").exists()


def test_not_found_and_offline(server, tmp_path):
    with pytest.raises(MissingData, match="answers 404 Not Found, expected the file"):
        download.get(corpus_of(server, "other"), tmp_path)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
        with pytest.raises(MissingData, match="could not be fetched.*Are you online"):
            download.get(corpus_of(server, url=url), tmp_path)


def test_gated_and_homeless_corpora_say_where_to_go(tmp_path):
    gated = replace(emogator.CORPUS, access="gated", access_how="Write to them.")
    with pytest.raises(MissingData, match="not open for download. Write to them"):
        download.get(gated, tmp_path)
    homeless = replace(emogator.CORPUS, remotes=())
    with pytest.raises(MissingData, match=r"Get it from https://github.*data/mp3"):
        download.get(homeless, tmp_path)


@pytest.mark.parametrize(
    "fields", [{"path": "../out"}, {"path": "/out"}, {"url": "file:///etc/hostname"}]
)
def test_a_row_of_ours_that_is_wrong_is_a_bug(server, tmp_path, fields):
    with pytest.raises(ValueError, match="below the folder"):
        download.get(corpus_of(server, **fields), tmp_path)


# archives


def zipped(entries, mode=0) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            packed.writestr(info, data)
    return file.getvalue()


def tarred(entries, kind=tarfile.REGTYPE) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as packed:
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            packed.addfile(info, io.BytesIO(data))
    return file.getvalue()


GOOD = {"a/b.wav": b"b" * 1000, "c.txt": b"c"}


@pytest.mark.parametrize("packer", [zipped, tarred])
def test_archives_are_unpacked_where_they_lie(server, tmp_path, packer):
    server.body = packer(GOOD)
    download.get(corpus_of(server, unpack=True), tmp_path)
    for name, data in GOOD.items():
        assert (tmp_path / "sub" / name).read_bytes() == data
    (tmp_path / "sub" / "a" / "b.wav").write_bytes(b"half")
    download.get(corpus_of(server, unpack=True), tmp_path)
    assert (tmp_path / "sub" / "a" / "b.wav").read_bytes() == GOOD["a/b.wav"]
    assert len(server.asked) == 1


@pytest.mark.parametrize("packer", [zipped, tarred])
@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..\\x", "C:\\x", "C:x", "\\x"])
def test_no_entry_leaves_the_folder(tmp_path, packer, name):
    archive = tmp_path / "in" / "archive"
    archive.parent.mkdir()
    archive.write_bytes(packer({"fine": b"1", name: b"2"}))
    with pytest.raises(BadData, match="would land outside.*Nothing was unpacked"):
        download.unpack(archive, archive.parent)
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "archive"]


@pytest.mark.parametrize(
    "data",
    [
        zipped({"link": b"/etc/passwd"}, stat.S_IFLNK | 0o777),
        tarred({"link": b""}, tarfile.SYMTYPE),
        tarred({"link": b""}, tarfile.LNKTYPE),
        tarred({"pipe": b""}, tarfile.FIFOTYPE),
    ],
    ids=["zip link", "tar link", "tar hard link", "tar pipe"],
)
def test_links_and_devices_are_refused(tmp_path, data):
    (tmp_path / "archive").write_bytes(data)
    with pytest.raises(BadData, match="links"):
        download.unpack(tmp_path / "archive", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def damaged(data: bytes) -> list[bytes]:
    middle = len(data) // 2
    return [b"", b"not an archive", data[:middle], data[:60] + b"\xff" * 8 + data[68:]]


@pytest.mark.parametrize("packer", [zipped, tarred])
@pytest.mark.parametrize("way", range(4))
def test_damaged_archives(tmp_path, packer, way):
    (tmp_path / "archive").write_bytes(damaged(packer({"a": BODY}))[way])
    with pytest.raises(AffectBenchError, match="damaged"):
        download.unpack(tmp_path / "archive", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]
