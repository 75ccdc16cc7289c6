"""openSMILE to the bit, and a cache that survives kills, damage and changed files."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from affectbench.audio import decode_file, prepare, prepare_all
from affectbench.errors import AffectBenchError, BadData, MissingExtra
from affectbench.features import COMPARE, EGEMAPS, extract
from affectbench.features import opensmile as ours
from affectbench.types import FeatureSet

rows = pytest.mark.parametrize
both = rows("features", [EGEMAPS, COMPARE], ids=lambda features: features.name)


# --- openSMILE ------------------------------------------------------------------------------


def reference(features, waves):
    """[N, D] by the package itself, a new openSMILE object for every clip."""
    import opensmile  # here, since workers import this module for the toy features

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet[features.identity()["configuration"]],
        feature_level=opensmile.FeatureLevel.Functionals,
    )
    assert tuple(smile.feature_names) == features.names()
    return np.vstack([smile.process_signal(wave / np.float32(32768), 16_000) for wave in waves])


def signals():
    """Prepared waves of many kinds and lengths, in an order that mixes them."""
    rng = np.random.default_rng(5)
    kinds = {
        "tone": lambda n: np.sin(np.arange(n) * 0.07),
        "noise": rng.standard_normal,
        "silence": np.zeros,
        "click": lambda n: np.eye(1, n, n // 2)[0],
        "glide": lambda n: np.sin(np.arange(n) ** 1.3 / 50),
    }
    lengths = [960, 20_000, 961, 3_000, 12_345]
    made = [kinds[kind](n) for n in lengths for kind in kinds]
    return [prepare(np.asarray(wave, np.float32), 16_000) for wave in made]


@both
def test_a_kept_instance_gives_the_bits_of_the_reference(features):
    extractor = features.open()
    waves = signals()
    found = np.stack([extractor(wave) for wave in waves])
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    expected = reference(features, waves)
    assert found.tobytes() == expected.astype(np.float32).tobytes()
    assert np.array_equal(found, expected)  # the reference's float64 hold float32 values
    assert extractor(waves[1]).tobytes() == found[1].tobytes()


@both
def test_real_clips_give_the_bits_of_the_reference(features, emogator):
    paths = sorted((emogator / "data/mp3").glob("*.mp3"))[::1300]
    decoded = [decode_file(path) for path in paths]
    waves = [prepare(clip.samples, clip.rate_hz) for clip in decoded]
    extractor = features.open()
    found = np.stack([extractor(wave) for wave in waves])
    assert np.array_equal(found, reference(features, waves))


@both
def test_one_sample_less_than_the_least_gives_no_values(features):
    extractor = features.open()
    wave = signals()[0]
    with pytest.raises(BadData, match="0 rows of functionals for 959 samples"):
        extractor(wave[: features.min_samples - 1])
    assert np.isfinite(extractor(wave[: features.min_samples])).all()


def test_identity_needs_no_import_and_tells_the_sets_apart():
    assert EGEMAPS.identity() != COMPARE.identity()
    code = (
        "import sys; from affectbench.features import COMPARE, EGEMAPS\n"
        "for features in (COMPARE, EGEMAPS): features.identity()\n"
        "assert 'opensmile' not in sys.modules and 'joblib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_opensmile_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(ours, "find_spec", lambda name: None)
    for features in (EGEMAPS, COMPARE):
        with pytest.raises(MissingExtra, match=r"affectbench\[smile\]"):
            features.identity()
        with pytest.raises(MissingExtra, match=r"affectbench\[smile\]"):
            features.open()


def test_a_version_with_other_inner_calls_is_refused(monkeypatch):
    import opensmile

    monkeypatch.delattr(opensmile.Smile, "_options")
    monkeypatch.setattr(opensmile.Smile, "_feature_names", lambda self: ["x"] * 88)
    with pytest.raises(AffectBenchError, match=r"changed its inner calls.*opensmile==2\.6\.0"):
        EGEMAPS.open()


def test_a_version_that_gives_other_values_is_refused(monkeypatch):
    run = ours._Extractor._run
    monkeypatch.setattr(
        ours._Extractor, "_run", lambda self, wave: [np.nextafter(run(self, wave)[0], np.inf)]
    )
    with pytest.raises(AffectBenchError, match="other values when an instance is kept"):
        EGEMAPS.open()


# --- the cache ------------------------------------------------------------------------------

DIM = 4


def moments(wave):
    """[4]: a feature set of no cost."""
    wave = wave.astype(np.float64)
    return np.array([wave.mean(), wave.std(), np.abs(wave).sum(), len(wave)], np.float32)


def spoilt(wave):
    """NaN for every other clip."""
    values = moments(wave)
    return np.full_like(values, np.nan) if len(wave) % 2 else values


def killed(wave):
    """As if memory had run out."""
    os.kill(os.getpid(), signal.SIGKILL)
    return moments(wave)


def toy(function=moments, **changes):
    """A feature set for the tests of the cache."""
    facts = {
        "name": "toy",
        "title": "Toy",
        "dim": DIM,
        "names": lambda: tuple("abcd"),
        "identity": lambda: {"version": "1"},
        "open": partial(partial, function),
    }
    return FeatureSet(**(facts | changes))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Sixty wavs of noise, the last equal to the first."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    contents = [rng.uniform(-0.5, 0.5, 1_600 + 160 * i + i % 2) for i in range(59)]
    paths = [folder / f"{i:02d}.wav" for i in range(60)]
    for path, samples in zip(paths, [*contents, contents[0]], strict=True):
        soundfile.write(path, samples, 16_000)
    return paths


@pytest.fixture(scope="module")
def waves(clips, tmp_path_factory):
    return prepare_all(clips, workers=2, cache=tmp_path_factory.mktemp("waves"))


def select(waves, chosen):
    """Waves of some rows, in that order."""
    return dataclasses.replace(waves, table=waves.table[chosen])


def test_rows_follow_the_waves_and_are_computed_once(waves, tmp_path):
    told = []
    first = extract(
        toy(), waves, workers=2, cache=tmp_path, progress=lambda *args: told.append(args)
    )
    expected = np.stack([moments(waves.read(row)) for row in range(60)])
    assert np.array_equal(first.values, expected)
    assert first.values.dtype == np.float32
    assert (first.computed, first.cached, first.padded, first.damaged) == (59, 0, (), ())
    assert told[0] == ("extract", 0, 59)
    assert told[-1] == ("extract", 59, 59)
    order = np.random.default_rng(1).permutation(60)
    again = extract(toy(), select(waves, order), workers=2, cache=tmp_path)
    assert (again.computed, again.cached) == (0, 59)
    assert np.array_equal(again.values, expected[order])
    alone = extract(toy(), select(waves, order), workers=1, cache=tmp_path / "other")
    assert alone.values.tobytes() == again.values.tobytes()


def test_another_identity_or_padding_is_another_folder(waves, tmp_path):
    some = select(waves, [0, 1])
    extract(toy(), some, workers=1, cache=tmp_path)
    other = toy(min_samples=1_700, identity=lambda: {"version": "2"})
    padded = extract(other, some, workers=1, cache=tmp_path)
    assert (padded.computed, padded.cached) == (2, 0)
    assert padded.padded == (some.table["path"][0],)
    assert padded.values[:, 3].tolist() == [1_700, 1_761]
    assert len(list((tmp_path / "features").iterdir())) == 2


@pytest.fixture(scope="module")
def stored(waves, tmp_path_factory):
    """Nine waves, their features, and the cache that holds them."""
    some = select(waves, range(9))
    cache = tmp_path_factory.mktemp("stored")
    return some, extract(toy(), some, workers=1, cache=cache), cache


@rows(
    "harm",
    [
        lambda path: os.truncate(path, path.stat().st_size // 2),
        lambda path: path.write_bytes(path.read_bytes()[:-600] + bytes(600)),
        lambda path: path.write_bytes(path.read_bytes().replace(b"<f4", b"<i4")),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(other_shard(path)),
        lambda path: path.write_bytes(changed_value(path)),
    ],
    ids=["cut", "zeros", "type", "empty", "another's", "one value"],
)
def test_damaged_files_are_made_anew(stored, tmp_path, harm):
    some, first, cache = stored
    shutil.copytree(cache, tmp_path, dirs_exist_ok=True)
    shards = sorted(tmp_path.glob("features/*/*.npz"))
    assert len(shards) > 1
    harm(shards[0])
    again = extract(toy(), some, workers=1, cache=tmp_path)
    assert again.damaged == (shards[0].name,)
    assert 0 < again.computed < 9
    assert again.values.tobytes() == first.values.tobytes()
    assert extract(toy(), some, workers=1, cache=tmp_path).cached == 9


def other_shard(path):
    """The bytes of another file of the folder."""
    return next(p for p in sorted(path.parent.glob("*.npz")) if p != path).read_bytes()


def changed_value(path):
    """The bytes of the file with one bit of one value changed."""
    data = bytearray(path.read_bytes())
    with np.load(path) as file:
        at = data.find(file["values"].tobytes())
    data[at + 2] ^= 1
    return bytes(data)


def test_nan_features_name_their_clips_and_keep_the_others(waves, tmp_path):
    with pytest.raises(BadData, match=r"No 'toy' features for 29 of 59 clips.*01\.wav.*4 of 4"):
        extract(toy(spoilt), waves, workers=2, cache=tmp_path)
    kept = extract(toy(), waves, workers=1, cache=tmp_path)
    assert (kept.computed, kept.cached) == (29, 30)
    assert np.isfinite(kept.values).all()


def test_a_killed_worker_is_one_error(waves, tmp_path):
    with pytest.raises(AffectBenchError, match="worker process died"):
        extract(toy(killed), waves, workers=2, cache=tmp_path)
    assert not list(tmp_path.rglob("*.npz"))


def test_waves_at_another_rate_are_refused(waves, tmp_path):
    with pytest.raises(AffectBenchError, match=r"needs 8,000 Hz.*16,000 Hz"):
        extract(toy(rate_hz=8_000), waves, workers=1, cache=tmp_path)


def test_waves_changed_on_disk_are_named(clips, tmp_path):
    waves = prepare_all(clips[:2], workers=1, cache=tmp_path)
    for path in waves.folder.glob("*.i16"):
        path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(BadData, match=r"2 of 2 clips.*changed after it was checked"):
        extract(toy(), waves, workers=1, cache=tmp_path)


def test_a_cache_that_cannot_be_written_is_one_error(waves, tmp_path):
    (tmp_path / "taken").write_text("a file where a folder should be")
    with pytest.raises(AffectBenchError, match="Could not write"):
        extract(toy(), waves, workers=1, cache=tmp_path / "taken")


# --- kills ----------------------------------------------------------------------------------

# No __main__ guard, as in a user's script. The first finished shard sets the signal off.
SCRIPT = """
import os, signal, sys
from pathlib import Path
from affectbench.audio import prepare_all
from affectbench.features import EGEMAPS, extract

clips, cache, how = sys.argv[1:]
me = os.getpid()
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it

def strike(stage, done, total):
    if stage == "extract" and 0 < done < total:
        children = Path(f"/proc/{me}/task/{me}/children").read_text()
        (Path(cache) / "children").write_text(children)
        if how == "kill":
            os.kill(me, signal.SIGKILL)
        os.killpg(me, signal.SIGINT)

waves = prepare_all(sorted(Path(clips).glob("*.wav")), workers=2, cache=Path(cache))
try:
    extract(EGEMAPS, waves, workers=2, cache=Path(cache), progress=strike)
except KeyboardInterrupt:
    print("interrupted")
"""


def gone(pid):
    """Whether no process, or only a dead one, has that number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


@pytest.fixture(scope="module")
def undisturbed(waves, tmp_path_factory):
    """The bytes of a run that nothing stopped."""
    cache = tmp_path_factory.mktemp("undisturbed")
    return extract(EGEMAPS, waves, workers=2, cache=cache).values.tobytes()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc to look for children in")
@rows("how", ["kill", "interrupt"])
def test_a_killed_run_leaves_whole_files_and_the_next_goes_on(clips, undisturbed, tmp_path, how):
    script = tmp_path / "job.py"
    script.write_text(SCRIPT)
    cache = tmp_path / "cache"
    run = subprocess.run(
        [sys.executable, script, clips[0].parent, cache, how],
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )
    if how == "kill":
        assert run.returncode == -signal.SIGKILL
    else:
        assert (run.returncode, run.stdout, run.stderr) == (0, "interrupted\n", "")
        assert not list(cache.rglob("*.partial"))
    children = (cache / "children").read_text().split()
    assert children
    for _ in range(100):
        if all(map(gone, children)):
            break
        time.sleep(0.1)
    assert all(map(gone, children))

    waves = prepare_all(clips, workers=1, cache=cache)
    assert waves.prepared == 0
    resumed = extract(EGEMAPS, waves, workers=1, cache=cache)
    assert 0 < resumed.cached < 59
    assert resumed.damaged == ()
    assert resumed.values.tobytes() == undisturbed
