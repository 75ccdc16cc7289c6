"""A tiny folder in the A-VB layout, real clips where they are, and a cache of each test's own."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from affectbench import cli
from affectbench.corpora import hume_vocalburst as hume

SHARED = Path(__file__).parents[1] / "../shared"
EMOGATOR = SHARED / "data/emogator"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test sees the cache of the user or of another test."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("AFFECTBENCH_CACHE", str(cache))
    monkeypatch.delenv("AFFECTBENCH_DATA", raising=False)
    return cache


@pytest.fixture
def call(capsys, monkeypatch):
    """Run the command line in this process: exit code, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["affectbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        return stopped.value.code or 0, out, err

    yield run
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


@pytest.fixture
def emogator():
    """Root of the real EmoGator clips."""
    if not EMOGATOR.is_dir():
        pytest.skip("no real clips: ../shared/data/emogator is not there")
    return EMOGATOR


def write_avb(root: Path, *, speakers: int = 6, clips: int = 8, seed: int = 0) -> Path:
    """Noise bursts in the A-VB layout: ``clips`` by each of ``speakers`` in each part.

    The first label follows the loudness contour, the type the pitch, so that something is learnt.
    """
    rng = np.random.default_rng(seed)
    wav = root / "audio" / "wav"
    labels = root / "labels"
    wav.mkdir(parents=True)
    labels.mkdir()
    rows = {name: [] for name in (*hume.FILES, "data")}
    number = 0
    for part in ("Train", "Val", "Test"):
        for speaker in range(speakers):
            for _ in range(clips):
                kind = number % len(hume.TYPE.classes)
                slope = rng.uniform()
                time_s = np.arange(int(rng.uniform(0.3, 0.5) * 16_000)) / 16_000
                tone = np.sin(2 * np.pi * (120 + 90 * kind) * time_s) * np.exp(-8 * slope * time_s)
                samples = tone + 0.01 * rng.standard_normal(len(time_s))
                name = f"{number:05d}"
                soundfile.write(wav / f"{name}.wav", 0.5 * samples / abs(samples).max(), 16_000)
                values = {
                    "high": [f"{slope:.4f}"] + [f"{v:.4f}" for v in rng.uniform(size=9)],
                    "two": [f"{v:.4f}" for v in rng.uniform(size=2)],
                    "culture": [f"{v:.4f}" for v in rng.uniform(size=40)],
                    "type": [hume.TYPE.classes[kind]],
                    "data": [f"Speaker_{part}{speaker}", "United States", "25.5"],
                }
                for file, cells in values.items():
                    shown = [""] * len(cells) if part == "Test" else cells
                    rows[file].append(",".join([f"[{name}]", part, *shown]))
                number += 1
    for file, lines in rows.items():
        columns = (
            hume.FILES[file].columns if file in hume.FILES else ("Subject_ID", "Country", "Age")
        )
        header = ",".join(("File_ID", "Split", *columns))
        (labels / f"{file}_info.csv").write_text("\n".join([header, *lines]) + "\n")
    return root


@pytest.fixture(scope="session")
def whole_avb(tmp_path_factory):
    """A small folder in the A-VB layout that no test may change."""
    return write_avb(tmp_path_factory.mktemp("whole") / "avb")


@pytest.fixture
def avb(whole_avb, tmp_path):
    """A copy of it, to be broken at will."""
    return Path(shutil.copytree(whole_avb, tmp_path / "avb"))


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Results on a twin and on a licensed folder, and the site about them."""
    import report_cases

    return report_cases.make(tmp_path_factory.mktemp("report"))
