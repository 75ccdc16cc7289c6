"""The command line: what it prints, its exit codes, and that nothing is lost when it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SYSTEM = textwrap.dedent(
    """
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from affectbench import FeatureSet, from_sklearn

    def open_levels():
        return lambda wave: np.array([np.abs(wave.astype(float)).mean(), len(wave)], np.float32)

    LEVELS = FeatureSet(
        name="levels", title="level, length", dim=2, names=lambda: ("level", "length"),
        identity=lambda: {"version": "1"}, open=open_levels,
    )
    MINE = from_sklearn("mine", LEVELS, LogisticRegression(max_iter=1000))
    """
)


@pytest.fixture
def mine(tmp_path):
    """A system of the user's own, as the command line takes it."""
    path = tmp_path / "mine.py"
    path.write_text(SYSTEM)
    return f"{path}:MINE"


def test_lists_and_facts(call):
    code, out, _ = call("list")
    assert code == 0
    assert all(word in out for word in ("avb-high", "emogator", "egemaps-svm", "ccc.official"))
    code, out, _ = call("list", "tasks", "--json")
    assert json.loads(out)["tasks"][0] == "emotion-share"
    code, out, _ = call("show", "avb-type")
    assert "uar.truth" in out
    code, out, _ = call("show", "emogator", "--json")
    assert json.loads(out)[0]["licence"] == "Apache-2.0"


def test_run_show_score_and_report(call, avb, tmp_path, mine):
    out_folder = tmp_path / "out"
    run = ("run", "avb-type", "--system", mine, "--data", avb, "--out", out_folder, "--workers", 1)
    code, out, err = call(*run, "--draws", 100)
    assert (code, err) == (0, "")
    assert "uar.truth" in out
    assert "Laugh" in out
    assert str(out_folder / "avb-type/mine") in out
    code, out, _ = call(*run, "--draws", 100, "--json")
    stored = json.loads(out)
    assert stored["scores"]["dev"]["uar.truth"]["groups"] == 6
    code, out, _ = call("show", out_folder)
    assert "mine" in out
    assert "ranked on dev" in out
    code, out, _ = call("show", out_folder, "--json")
    assert json.loads(out)["avb-type"][0]["inputs"] == stored["inputs"]
    code, out, _ = call("report", out_folder)
    assert str(out_folder / "index.html") in out
    assert "avb-type" in (out_folder / "index.html").read_text()
    code, out, _ = call("score", out_folder, "--draws", 50, "--json")
    assert json.loads(out)["scoring"]["draws"] == 50


def test_the_data_folder_from_the_environment(call, avb, tmp_path, mine, monkeypatch):
    run = ("run", "avb-type", "--system", mine, "--out", tmp_path / "out", "--draws", 50)
    code, _, err = call(*run)
    assert code == 2
    assert "AFFECTBENCH_DATA" in err
    monkeypatch.setenv("AFFECTBENCH_DATA", str(tmp_path))
    avb.rename(tmp_path / "hume-vocalburst")
    assert call(*run)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "avb-hihg", "--system", "egemaps-svm"), "Did you mean 'avb-high'"),
        (("run", "avb-high", "--system", "egemaps-svn"), "Did you mean 'egemaps-svm'"),
        (("run", "avb-high", "--system", "nowhere.py:X"), "nowhere.py is not there"),
        (("run", "avb-high", "--system", "egemaps-svm", "--data", "nowhere"), "is not a folder"),
        (("show", "nowhere"), "neither a folder of results nor a name"),
        (("score", "nowhere"), "holds no results"),
        (("list", "nothing"), "There are: corpora"),
        (("twin", "emogator", "--out", "x"), "has no twin"),
    ],
)
def test_the_users_errors_are_one_message_and_exit_code_2(call, arguments, message):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("affectbench: ")
    assert message in err
    assert "Traceback" not in err


def test_a_wrong_interval_is_told(call, avb, mine):
    run = ("run", "avb-type", "--system", mine, "--data", avb, "--interval", "clips")
    code, _, err = call(*run)
    assert code == 2
    assert "Expected one of speaker, seed" in err


def test_interrupted_extraction_goes_on_and_ends_with_the_same_bytes(avb, tmp_path):
    """SIGINT and SIGKILL in the middle; the next run ends as an undisturbed one."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import signal, sys, time
            import numpy as np
            from pathlib import Path

            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
            from sklearn.linear_model import LogisticRegression
            from affectbench import FeatureSet, Scoring, TASKS, from_sklearn, run

            data, out, flag = sys.argv[1:4]

            def open_levels():
                def levels(wave):
                    if Path(flag).exists():  # slow until the flag is taken away
                        time.sleep(0.05)
                    return np.array([np.abs(wave.astype(float)).mean(), len(wave)], np.float32)
                return levels

            LEVELS = FeatureSet(
                name="levels", title="level, length", dim=2, names=lambda: ("level", "length"),
                identity=lambda: {"version": "1"}, open=open_levels,
            )
            told = set()
            def progress(stage, done, total):
                if stage == "extract" and 0 < done < total and "half" not in told:
                    told.add("half")
                    print("half", flush=True)
            system = from_sklearn("mine", LEVELS, LogisticRegression(max_iter=1000))
            run(TASKS["avb-type"], system, data=data, out=out, workers=2, progress=progress,
                scoring=Scoring(draws=50))
            print("done", flush=True)
            """
        )
    )
    flag = tmp_path / "slow"

    def start(out: Path, cache: Path) -> subprocess.Popen[str]:
        environment = {**os.environ, "AFFECTBENCH_CACHE": str(cache)}
        command = [sys.executable, str(script), str(avb), str(out), str(flag)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )

    whole = start(tmp_path / "whole", tmp_path / "cache-whole")
    assert whole.communicate()[0].splitlines()[-1] == "done"
    for blow in (signal.SIGINT, signal.SIGKILL):
        out, cache = tmp_path / f"out{blow}", tmp_path / f"cache{blow}"
        flag.touch()
        stopped = start(out, cache)
        assert stopped.stdout.readline() == "half\n"
        stopped.send_signal(blow)
        stopped.communicate()
        assert stopped.returncode != 0
        assert not list(out.rglob("*.parquet"))
        assert list((cache / "features").rglob("*.npz"))
        flag.unlink()
        again = start(out, cache)
        assert again.communicate()[0].splitlines()[-1] == "done"
        for name in ("dev.parquet", "test.parquet", "result.json"):
            path = Path("avb-type/mine/seed0") / name
            assert (out / path).read_bytes() == (tmp_path / "whole" / path).read_bytes()
