"""``affectbench submit``: what it says, what it writes, and its exit codes."""

from __future__ import annotations

import json
import textwrap

import numpy as np
import pytest
import soundfile

from affectbench.corpora.exvo import EMOTIONS
from affectbench.submission import bundle


@pytest.fixture
def types(avb, tmp_path):
    """A file for A-VB Type as spreadsheets leave it, for the 48 test clips of ``avb``."""
    path = tmp_path / "mine.csv"
    rows = [f"{number},laugh" for number in range(96, 144)]
    path.write_text("\n".join(["file_id,voc_type", *reversed(rows)]) + "\n")
    return path


def test_validate_tells_repairs_and_writes_the_file(call, avb, types, tmp_path):
    run = ("submit", "validate", types, "--task", "avb-type", "--labels", avb)
    code, out, err = call(*run, "--out", tmp_path / "out.csv")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "'mine.csv': avb-type, 48 rows, 2 columns"
    assert "repaired, zeros: 48 ids filled up" in out
    assert out.splitlines()[-1] == "OK"
    assert (tmp_path / "out.csv").read_text().splitlines()[:2] == [
        "File_ID,Voc_Type",
        "[00096],Laugh",
    ]
    assert "repaired" not in call(*run[:2], tmp_path / "out.csv", *run[3:])[1]
    code, out, _ = call(*run, "--json")
    told = json.loads(out)
    assert (code, told["verdict"], told["problems"]) == (0, "OK", [])
    assert {repair["kind"] for repair in told["repairs"]} >= {"zeros", "brackets", "classes"}
    assert call(*run, "--out", types)[0] == 2  # never the file itself
    assert types.read_text().startswith("file_id")


def test_a_refused_file_is_a_failed_check(call, avb, types):
    types.write_text(types.read_text().replace("100,laugh", "100,lough"))
    run = ("submit", "validate", types, "--task", "avb-type", "--data", avb)
    code, out, err = call(*run)
    assert (code, err) == (1, "")
    assert "row 45 Voc_Type 'lough' (did you mean Laugh?)" in " ".join(out.split())
    assert out.splitlines()[-1] == "REFUSED"
    code, out, _ = call(*run, "--json")
    assert code == 1
    assert json.loads(out)["problems"][0].startswith("1 cell of no class")


def test_pack_writes_file_and_manifest(call, avb, types, tmp_path):
    run = ("submit", "pack", types, "--task", "avb-type", "--out", tmp_path / "out")
    code, out, _ = call(*run, "--team", "Team A", "--number", 2, "--labels", avb)
    assert code == 0
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == ["A-VB-Type_Team A_2.csv", "A-VB-Type_Team A_2.csv.manifest.json"]
    assert f"written: {tmp_path / 'out' / names[0]}" in out
    types.write_text(types.read_text().replace("laugh", "nothing"))
    code, out, _ = call(*run, "--team", "Team A", "--number", 3)
    assert code == 1
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "avb-typ", "--team", "x", "--number", "1"), "Did you mean 'avb-type'"),
        (("--task", "avb-type", "--team", "=x", "--number", "1"), "The team name '=x' holds '='"),
        (("--task", "avb-type", "--team", "x", "--number", "0"), "Expected 1 for a team's first"),
        (("--task", "avb-type", "--team", "x", "--number", "1", "--labels", "no"), "no"),
    ],
)
def test_wrong_calls_are_one_message(call, types, tmp_path, arguments, message):
    code, out, err = call("submit", "pack", types, *arguments, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there(call):
    code, _, err = call("submit", "validate", "nowhere.csv", "--task", "avb-type")
    assert code == 2
    assert "'nowhere.csv' cannot be opened" in err


def test_generated_clips(call, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle.read_bundle, "__kwdefaults__", {"per_emotion": 1})
    monkeypatch.setattr(bundle.write_bundle, "__kwdefaults__", {"per_emotion": 1})
    (tmp_path / "clips").mkdir()
    for number, emotion in enumerate(EMOTIONS):
        noise = np.random.default_rng(number).uniform(-0.5, 0.5, 800)
        soundfile.write(tmp_path / f"clips/{emotion}.wav", noise, 16_000)
    name = ("--task", "exvo-generate")
    code, out, _ = call("submit", "validate", tmp_path / "clips", *name)
    assert code == 0
    assert out.splitlines()[0] == "'clips': exvo-generate, 10 clips, 10 emotions"
    pack = ("submit", "pack", tmp_path / "clips", *name, "--team", "x", "--number", 1)
    code, out, _ = call(*pack, "--out", tmp_path)
    assert code == 0
    assert call("submit", "validate", tmp_path / "ExVo-Generate_x_1.zip", *name)[0] == 0
    (tmp_path / "clips/Awe.wav").unlink()
    assert call("submit", "validate", tmp_path / "clips", *name)[0] == 1
    assert call("submit", "validate", tmp_path / "clips", *name, "--out", tmp_path / "x")[0] == 2


def test_a_result_of_ours_is_packed(call, avb, tmp_path):
    """From a run to the file that is handed in, and back through validate."""
    system = tmp_path / "mine.py"
    system.write_text(
        textwrap.dedent(
            """
            import numpy as np
            from sklearn.linear_model import LogisticRegression
            from affectbench import FeatureSet, from_sklearn

            LEVELS = FeatureSet(
                name="levels", title="length", dim=1, names=lambda: ("length",),
                identity=lambda: {"version": "1"},
                open=lambda: lambda wave: np.array([len(wave) / 16_000], np.float32),
            )
            MINE = from_sklearn("mine", LEVELS, LogisticRegression(max_iter=1000))
            """
        )
    )
    out = tmp_path / "out"
    run = ("run", "avb-type", "--system", f"{system}:MINE", "--data", avb, "--out", out)
    assert call(*run, "--workers", 1, "--draws", 10)[0] == 0
    name = ("--task", "avb-type", "--labels", avb)
    pack = ("submit", "pack", out / "avb-type/mine", *name, "--team", "x", "--number", 1)
    code, told, _ = call(*pack, "--out", tmp_path)
    assert code == 0
    assert "burst type: the class of the highest mean score of the one seed" in told
    code, told, _ = call("submit", "validate", tmp_path / "A-VB-Type_x_1.csv", *name)
    assert code == 0
    assert told.splitlines() == ["'A-VB-Type_x_1.csv': avb-type, 48 rows, 2 columns", "OK"]
