"""Every format in, one form out; every way that a file can be broken is named, none is served."""

from __future__ import annotations

import io
import os
import shutil
import signal
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from affectbench.audio import decode, decode_file, pool, prepare, prepare_all
from affectbench.audio import decode as decode_module
from affectbench.audio.mpeg import read_header
from affectbench.errors import AffectBenchError, BadData, MissingData, MissingExtra

PEAK = round(10 ** (-3 / 20) * 32768)
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
}
rows = pytest.mark.parametrize


def burst(seconds=1.0, rate_hz=48_000, seed=0):
    """A tone with noise: [T], at most 0.6."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    noise = np.random.default_rng(seed).uniform(-0.1, 0.1, len(time_s))
    return 0.5 * np.sin(2 * np.pi * 440 * time_s) + noise


def encoded(samples, kind="wav", rate_hz=48_000, **options):
    """Bytes of an audio file."""
    file = io.BytesIO()
    container, subtype = FORMATS[kind]
    soundfile.write(file, samples, rate_hz, **{"format": container, "subtype": subtype, **options})
    return file.getvalue()


def webm(samples, rate_hz=48_000):
    """Bytes of an Opus webm."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            samples[None].astype(np.float32), format="fltp", layout="mono"
        )
        frame.rate = rate_hz
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return file.getvalue()


# --- decode ---------------------------------------------------------------------------------


@rows("kind", FORMATS)
def test_formats_decode_to_what_was_written(kind):
    samples = burst()
    decoded = decode(encoded(samples, kind))
    assert (decoded.rate_hz, decoded.channels, decoded.decoder) == (48_000, 1, "soundfile")
    assert decoded.samples.dtype == np.float32
    assert len(decoded.samples) == len(samples)
    assert np.corrcoef(decoded.samples, samples)[0, 1] > 0.98


def test_webm_decodes_by_av():
    decoded = decode(webm(burst()))
    assert (decoded.rate_hz, decoded.channels, decoded.decoder) == (48_000, 1, "av")
    assert abs(len(decoded.samples) - 48_000) < 2_000
    assert 0.4 < np.abs(decoded.samples).max() < 0.8


def test_webm_without_av_names_the_extra(monkeypatch):
    data = webm(burst(0.2))
    monkeypatch.setitem(decode_module.__globals__, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"affectbench\[webm\]"):
        decode(data)
    with pytest.raises(BadData, match="not audio that libsndfile knows"):
        decode(b"<html>not found</html>" * 50)


def test_channels_are_averaged():
    left, right = burst(seed=1), burst(seed=2)
    decoded = decode(encoded(np.stack([left, right], axis=1), subtype="FLOAT"))
    assert decoded.channels == 2
    np.testing.assert_allclose(decoded.samples, (left + right) / 2, atol=1e-6)


def test_clipped_samples_are_counted():
    samples = np.zeros((100, 2))
    samples[3:6, 1] = 1.0
    samples[7, 0] = -1.0
    assert decode(encoded(samples)).clipped == 4


def test_missing_file(tmp_path):
    with pytest.raises(MissingData, match="No such file"):
        decode_file(tmp_path / "absent.wav")


def cut(data, keep=0.5):
    return data[: int(len(data) * keep)]


def spoilt(data, size=1000):
    """Foreign bytes in the middle."""
    middle = len(data) // 2
    noise = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8).tobytes()
    return data[:middle] + noise + data[middle + size :]


@rows("kind", FORMATS)
@rows("keep", [0.02, 0.3, 0.5, 0.9, 0.999])
def test_cut_files_are_never_decoded(kind, keep):
    with pytest.raises(BadData):
        decode(cut(encoded(burst(2), kind), keep))


@rows("kind", ["flac", "mp3", "ogg", "opus"])
@rows("harm", [spoilt, lambda data: data[: len(data) // 2] + data[len(data) // 2 + 700 :]])
def test_foreign_or_lost_bytes_in_the_middle_are_noticed(kind, harm):
    with pytest.raises(BadData):
        decode(harm(encoded(burst(2), kind)))


def test_cut_webm_with_a_duration_is_noticed():
    with pytest.raises(BadData, match="declared"):
        decode(cut(webm(burst(2))))


@rows(
    ("data", "said"),
    [
        (b"", "empty"),
        (encoded(np.zeros(0)), "no samples"),
        (encoded(np.array([0.1, np.nan, np.inf, 0.2]), subtype="FLOAT"), "2 NaN or infinite"),
        (b"<html>not found</html>" * 50, "not audio"),
        (np.random.default_rng(3).bytes(20_000), "not audio|corrupt"),
    ],
    ids=["no bytes", "no samples", "nan", "html", "random bytes"],
)
def test_unusable_files_say_why(data, said):
    with pytest.raises(BadData, match=said):
        decode(data)


def test_streamed_wav_of_unknown_length_is_read_to_its_end():
    data = encoded(burst(0.1))
    streamed = data[:40] + struct.pack("<I", 0xFFFFFFFF) + data[44:]
    assert len(decode(streamed).samples) == 4_800


def without_count(data):
    """An mp3 without its first frame, which holds the number of frames."""
    first = read_header(data, 0)
    assert b"Xing" in data[: first.size] or b"Info" in data[: first.size]
    return data[first.size :]


@rows("rate_hz", [48_000, 44_100, 22_050, 16_000, 11_025])
def test_constant_rate_mp3_without_a_count_is_read_whole(rate_hz):
    data = encoded(
        burst(2, rate_hz), "mp3", rate_hz, bitrate_mode="CONSTANT", compression_level=0.5
    )
    assert len(decode(without_count(data)).samples) >= 2 * rate_hz


def test_variable_rate_mp3_without_a_count_is_refused():
    # Loud noise, then near silence: the bit rate of the start says nothing about the rest.
    samples = np.concatenate([np.random.default_rng(0).uniform(-0.9, 0.9, 48_000), burst(3) / 500])
    data = encoded(samples, "mp3", bitrate_mode="VARIABLE", compression_level=0.5)
    with pytest.raises(BadData, match="without a frame count"):
        decode(without_count(data))


def test_mp3_tags_are_no_foreign_bytes():
    data = encoded(burst(), "mp3")
    tagged = b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + data + b"TAG" + bytes(125)
    assert np.array_equal(decode(tagged).samples, decode(data).samples)


# --- prepare --------------------------------------------------------------------------------


@rows("rate_hz", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000])
def test_prepared_waves_are_16_khz_with_their_peak_at_minus_3_db(rate_hz):
    wave = prepare(burst(0.5, rate_hz).astype(np.float32), rate_hz)
    assert wave.dtype == np.int16
    assert abs(len(wave) - 8_000) <= 1
    assert np.abs(wave.astype(int)).max() == PEAK
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    assert abs(np.argmax(spectrum) * 16_000 / len(wave) - 440) < 3


@given(
    st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=300),
    st.integers(-12, 12),
)
def test_gain_does_not_matter(samples, power):
    samples = np.array(samples, np.float32)
    samples[np.abs(samples) < 1e-20] = 0  # a power of two times these is not exact
    wave = prepare(samples, 16_000)
    assert np.array_equal(wave, prepare(samples * np.float32(2.0**power), 16_000))
    assert np.abs(wave.astype(int)).max() == (PEAK if samples.any() else 0)


def test_silence_stays_silence():
    assert not prepare(np.zeros(480, np.float32), 48_000).any()


def test_a_single_sample_at_48_khz_gives_none_at_16():
    with pytest.raises(BadData, match="too short"):
        prepare(np.ones(1, np.float32), 48_000)


# --- the store ------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    """A folder of five clips: three formats, a copy under another name, silence."""
    folder = tmp_path / "clips"
    folder.mkdir()
    contents = {
        "b.wav": encoded(burst(0.3, seed=1)),
        "a.flac": encoded(burst(0.4, 44_100, seed=2), "flac", 44_100),
        "c.mp3": encoded(np.stack([burst(0.5, seed=3)] * 2, axis=1), "mp3"),
        "copy.wav": encoded(burst(0.3, seed=1)),
        "silent.wav": encoded(np.zeros(4_800)),
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in contents]


def bytes_of(waves):
    return [waves.read(row).tobytes() for row in range(len(waves))]


def test_waves_come_in_the_order_asked_for(files, tmp_path):
    waves = prepare_all(files, workers=1, cache=tmp_path / "one")
    assert waves.table["path"].to_list() == [str(path) for path in files]
    assert (waves.prepared, waves.cached, waves.bad, waves.damaged) == (4, 0, {}, ())
    for row, path in enumerate(files):
        decoded = decode_file(path)
        assert np.array_equal(waves.read(row), prepare(decoded.samples, decoded.rate_hz))
    assert waves.table["silent"].to_list() == [False, False, False, False, True]
    assert waves.table["source_rate_hz"].to_list() == [48_000, 44_100, 48_000, 48_000, 48_000]
    assert waves.table["channels"].to_list() == [1, 1, 2, 1, 1]
    assert waves.table["samples"].to_list() == [4_800, 6_400, 8_000, 4_800, 1_600]
    np.testing.assert_allclose(waves.table["source_s"], [0.3, 0.4, 0.5, 0.3, 0.1])
    same = waves.table["digest"].to_list()
    assert same[0] == same[3]
    assert len(set(same)) == 4
    told = []
    back = prepare_all(
        files[::-1], workers=2, cache=tmp_path / "two", progress=lambda *args: told.append(args)
    )
    assert bytes_of(back) == bytes_of(waves)[::-1]
    assert back.table["digest"].to_list() == same[::-1]
    assert told[0] == ("hash", 5, 5)
    assert told[1] == ("prepare", 0, 4)
    assert told[-1] == ("prepare", 4, 4)


def test_content_is_the_key_not_the_name(files, tmp_path):
    first = prepare_all(files, workers=1, cache=tmp_path)
    renamed = files[0].rename(files[0].with_name("renamed.wav"))
    again = prepare_all([renamed, *files[1:]], workers=1, cache=tmp_path)
    assert (again.prepared, again.cached) == (0, 4)
    assert bytes_of(again) == bytes_of(first)
    before = renamed.stat()
    renamed.write_bytes(encoded(burst(0.3, seed=9)))
    os.utime(renamed, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert renamed.stat().st_size == before.st_size
    changed = prepare_all([renamed, *files[1:]], workers=1, cache=tmp_path)
    assert (changed.prepared, changed.cached) == (1, 4)
    assert bytes_of(changed)[0] != bytes_of(first)[0]
    assert bytes_of(changed)[1:] == bytes_of(first)[1:]


def test_every_bad_file_is_named_at_once(files, tmp_path, capfd):
    harms = {
        "cut.flac": (cut(files[1].read_bytes()), "lost sync"),
        "spoilt.mp3": (spoilt(files[2].read_bytes()), "no mp3 frame at byte"),
        "empty.wav": (b"", "0 bytes"),
        "nothing.wav": (encoded(np.zeros(0)), "no samples"),
        "nan.wav": (encoded(np.full(99, np.nan), subtype="FLOAT"), "99 NaN"),
        "text.wav": (b"no audio in here" * 9, "not audio"),
    }
    folder = files[0].parent
    for name, (data, _) in harms.items():
        (folder / name).write_bytes(data)
    wrong = [folder / name for name in harms]
    (folder / "folder.wav").mkdir()
    paths = [*wrong, files[0], folder / "absent.wav", folder / "folder.wav", *files[1:]]
    waves = prepare_all(paths, workers=2, cache=tmp_path)
    assert waves.table["path"].to_list() == [str(path) for path in files]
    assert list(waves.bad) == [*map(str, wrong), str(paths[7]), str(paths[8])]
    for name, (_, said) in harms.items():
        assert said in waves.bad[str(folder / name)]
    assert "No such file" in waves.bad[str(folder / "absent.wav")]
    assert capfd.readouterr().err == ""  # mpg123 writes to the descriptor itself
    again = prepare_all(paths, workers=1, cache=tmp_path)
    assert again.bad == waves.bad
    assert (again.prepared, again.cached) == (0, 4)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A cache that holds the first of the files."""
    folder = tmp_path_factory.mktemp("stored")
    (folder / "clip.wav").write_bytes(encoded(burst(0.3, seed=1)))
    prepare_all([folder / "clip.wav"], workers=1, cache=folder)
    return folder


def shards_of(waves, end):
    found = sorted(waves.folder.glob(f"*{end}"))
    assert found
    return found


def overwrite(path, position, data):
    """Change some bytes in place."""
    with path.open("r+b") as file:
        file.seek(position, 0 if position >= 0 else 2)
        file.write(data)


@rows(
    ("end", "harm"),
    [
        (".i16", lambda path: os.truncate(path, path.stat().st_size - 2)),
        (".i16", lambda path: overwrite(path, 1000, b"\x12\x34")),
        (".i16", lambda path: path.unlink()),
        (".npz", lambda path: os.truncate(path, path.stat().st_size // 2)),
        (".npz", lambda path: overwrite(path, 250, b"\x12\x34\x56\x78")),
        (".npz", lambda path: path.write_bytes(b"")),
    ],
    ids=["samples cut", "samples changed", "samples gone", "rows cut", "rows changed", "no rows"],
)
def test_damaged_shards_are_made_anew(stored, files, tmp_path, end, harm):
    shutil.copytree(stored, tmp_path, dirs_exist_ok=True)
    first = prepare_all(files[:1], workers=1, cache=tmp_path)
    assert first.prepared == 0
    expected = bytes_of(first)
    harm(shards_of(first, end)[0])
    again = prepare_all(files[:1], workers=1, cache=tmp_path)
    assert again.damaged
    assert again.prepared == 1
    assert bytes_of(again) == expected
    assert prepare_all(files[:1], workers=1, cache=tmp_path).damaged == ()


@rows("harm", [lambda path: overwrite(path, 100, b"\x77\x77"), lambda path: path.unlink()])
def test_a_shard_changed_after_the_check_is_not_served(stored, files, tmp_path, harm):
    shutil.copytree(stored, tmp_path, dirs_exist_ok=True)
    waves = prepare_all(files[:1], workers=1, cache=tmp_path)
    harm(shards_of(waves, ".i16")[0])
    with pytest.raises(BadData, match="wave store"):
        waves.read(0)


def test_a_cache_that_cannot_be_written_is_one_error(files, tmp_path):
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(AffectBenchError, match="Could not write"):
        prepare_all(files, workers=2, cache=tmp_path / "taken")


# --- the pool -------------------------------------------------------------------------------


def pid_and(task):
    return os.getpid(), os.environ["OMP_NUM_THREADS"], signal.getsignal(signal.SIGINT)


def raises(task):
    if task == 1:
        raise MissingExtra("av", "webm")
    return task


def dies(task):
    os.kill(os.getpid(), signal.SIGKILL)


def test_even_one_worker_is_another_single_threaded_process():
    found = []
    pool.for_each(pid_and, [0, 1, 2], workers=1, done=found.append)
    assert len(set(found)) == 1
    pid, threads, on_interrupt = found[0]
    assert pid != os.getpid()
    assert threads == "1"
    assert on_interrupt == signal.SIG_IGN


@rows(("tasks", "workers"), [(1, 2), (3, 1), (40, 2), (41, 3)])
def test_every_task_is_done_once(tasks, workers):
    found = []
    pool.for_each(abs, range(tasks), workers=workers, done=found.append)
    assert sorted(found) == list(range(tasks))


def test_errors_of_workers_arrive_whole():
    with pytest.raises(MissingExtra, match=r"affectbench\[webm\]"):
        pool.for_each(raises, [0, 1, 2], workers=2, done=lambda result: None)


def test_a_killed_worker_is_one_clear_error():
    with pytest.raises(AffectBenchError, match="worker process died"):
        pool.for_each(dies, [0], workers=1, done=lambda result: None)


def test_no_workers_is_an_error():
    with pytest.raises(AffectBenchError, match="at least one"):
        pool.for_each(raises, [0], workers=0, done=lambda result: None)


def test_only_partials_without_a_writer_are_cleared(tmp_path):
    names = {"old": ".x.npz.1.partial", "ours": ".y.npz.2.partial", "other": ".z.npz.3.partial"}
    for name in names.values():
        (tmp_path / name).touch()
    os.utime(tmp_path / names["old"], (0, 0))
    pool.clear_partials(tmp_path, {"y.npz"})
    assert [path.name for path in tmp_path.iterdir()] == [names["other"]]
