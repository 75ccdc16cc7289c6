"""Judging: attempts, the log, cards; that no label gets out and no byte can be changed."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from affectbench.errors import AffectBenchError, BadData, MissingData
from affectbench.judging import (
    decision,
    judge,
    open_bundle,
    read_keys,
    read_log,
    seal,
    team_key,
    verify,
)
from affectbench.scoring import Scoring
from affectbench.tasks import TASKS
from judging_cases import CLIPS, LABELS, Organiser, write_labels, write_predictions

TASK = TASKS["avb-two"]


@pytest.fixture
def office(tmp_path):
    """Sealed labels of A-VB Two, and what goes with them."""
    return Organiser(tmp_path)


def everything(folder) -> bytes:
    """All that lies in a folder, names and contents."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)


def test_a_submission_gets_a_card_that_verifies(office):
    judged = office.judge("Tokyo")
    entry = judged.entry
    assert (judged.refused, judged.again) == (False, False)
    assert (entry["team"], entry["attempt"], entry["attempts"]) == ("Tokyo", 1, 5)
    score = entry["scores"]["ccc.population"]
    assert 0.5 < score["low"] < score["value"] < score["high"] < 1
    assert (score["clips"], score["groups"], score["group_by"]) == (CLIPS, 12, "speaker")
    assert set(score["outputs"]) == {"Valence", "Arousal"}
    assert set(entry["scores"]) == {"ccc.population", "ccc.official", "ccc.sample"}
    assert json.loads(judged.card.read_bytes()) == entry
    assert entry["hash"] in judged.card.with_suffix(".txt").read_text()
    verdict = verify(
        [judged.card, office.log], fingerprint=office.fingerprint, bundle=office.bundle
    )
    assert verdict.holds
    assert verdict.notes == ()
    assert [file.kind for file in verdict.files] == ["card", "log", "fingerprint", "bundle"]


def test_the_score_is_that_of_the_package(office):
    from affectbench.scoring import score_tables
    from affectbench.submission import read
    from affectbench.truth import read_truth, with_truth

    entry = office.judge("Tokyo").entry
    truth = read_truth(office.labels, TASK)
    handed = read(office.files["Tokyo"], TASK, expected=truth["clip"].to_list())
    scores, _ = score_tables([with_truth(handed.table, truth, TASK)], TASK, office.scoring)
    for key, found in scores.items():
        told = entry["scores"][key]
        assert told["value"] == round(found.score.value, 4)
        assert (told["low"], told["high"]) == (
            round(found.score.low, 4),
            round(found.score.high, 4),
        )


def test_the_same_file_again_gives_the_same_card_and_costs_nothing(office):
    first = office.judge("Tokyo")
    before, log = first.card.read_bytes(), office.log.read_bytes()
    again = office.judge("TOKYO", file=office.files["Tokyo"])
    assert again.again
    assert (again.card, again.card.read_bytes()) == (first.card, before)
    assert office.log.read_bytes() == log
    other = office.judge("Osaka", file=office.files["Tokyo"])  # another team: its own attempt
    assert (other.again, other.entry["attempt"]) == (False, 1)


def test_five_attempts_whatever_the_name_is_spelt_like(office):
    for number, team in enumerate(
        ("Straße", "STRASSE", "strasse", "Stra\u00dfe", "ＳＴＲＡＳＳＥ"), 1
    ):
        assert office.judge(team, seed=number).entry["attempt"] == number
    sixth = office.judge("strasse", seed=6)
    assert sixth.refused
    assert "5 of 5 were used" in sixth.entry["reason"]
    assert office.judge("Straße", seed=1).again  # the first file still gives its card
    assert office.judge("other", seed=6).entry["attempt"] == 1
    assert verify([office.log], fingerprint=office.fingerprint).holds


def test_team_names_are_compared_folded():
    assert team_key("  Ｔｏｋｙｏ   Lab ") == team_key("tokyo lab")
    assert team_key("Straße") == team_key("STRASSE")
    assert team_key("Tokyo") != team_key("Tokio")


def test_a_refused_file_is_logged_and_costs_no_attempt(office):
    lines = office.write("Tokyo", seed=3).read_text().splitlines()
    short = office.root / "A-VB-Two_Tokyo_1.csv"
    short.write_text("\n".join(lines[:-3]) + "\n")
    refused = office.judge("Tokyo", file=short)
    assert (refused.refused, refused.card) == (True, None)
    assert not office.cards.exists()
    assert "3 test clips" in refused.entry["reason"]
    assert str(office.root) not in refused.entry["reason"]
    assert office.judge("Tokyo").entry["attempt"] == 1
    assert [entry["kind"] for entry in read_log(office.log)] == ["refused", "scored"]


def test_the_team_stands_in_the_file_name_or_is_given(office):
    named = office.root / "A-VB-Two_North_2.csv"
    named.write_bytes(office.write("x").read_bytes())
    assert office.judge(None, file=named).entry["team"] == "North"
    nameless = office.root / "predictions.csv"
    nameless.write_bytes(named.read_bytes())
    refused = office.judge(None, file=nameless)
    assert refused.entry["team"] is None
    assert "--team" in refused.entry["reason"]


@pytest.mark.parametrize(
    "team",
    ["=cmd|' /C calc'!A0", "<script>alert(1)</script>", "a\x1b[31mb", "x" * 10_000, "", "../../x",
     "a\u202eb", "a\nb"],
)  # fmt: skip
def test_odd_team_names_are_refused_and_written_nowhere(office, team):
    with pytest.raises(BadData, match="team name"):
        office.judge(team)
    assert not office.log.exists()
    assert not office.cards.exists()


def test_an_odd_team_in_the_file_name_is_refused(office):
    odd = office.root / "A-VB-Two_<script>_1.csv"
    odd.write_bytes(office.write("x").read_bytes())
    assert office.judge(None, file=odd).refused
    assert b"<script>" not in office.log.read_bytes()


def test_no_label_gets_out(office, capsys):
    judged = office.judge("Tokyo")
    office.judge("Tokyo", file=office.half)
    told = "\n".join([*judged.lines(), *office.sealing.notes])
    outputs = office.log.read_bytes() + everything(office.cards) + told.encode()
    outputs += office.fingerprint.read_bytes() + office.bundle.read_bytes()
    assert len(LABELS) == 2 * CLIPS
    for label in LABELS:
        assert label.encode() not in outputs
        assert label[:-1].encode() not in outputs
    for number in range(CLIPS):
        for form in (f"[{number:05d}]", f'"{number:05d}"', f"'{number:05d}'"):
            assert form.encode() not in everything(office.cards)


def test_values_are_told_with_four_decimals(office):
    """All digits of a score could be made to spell out labels."""

    def numbers(value):
        if isinstance(value, dict):
            return [n for one in value.values() for n in numbers(one)]
        return [value] if isinstance(value, float) else []

    found = numbers(office.judge("Tokyo").entry)
    assert len(found) > 20
    assert all(round(number, 4) == number for number in found)


def test_per_output_scores_can_be_withheld(tmp_path):
    office = Organiser(tmp_path, outputs=False)
    scores = office.judge("Tokyo").entry["scores"]
    assert not any("outputs" in score for score in scores.values())


def test_a_killed_judge_loses_and_doubles_nothing(office, monkeypatch):
    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(decision, "write_card", dies)
        with pytest.raises(KeyboardInterrupt):
            office.judge("Tokyo")
    assert len(read_log(office.log)) == 1
    again = office.judge("Tokyo")
    assert (again.again, again.entry["attempt"]) == (True, 1)
    assert json.loads(again.card.read_bytes()) == read_log(office.log)[0]
    with monkeypatch.context() as patched:
        patched.setattr(decision, "append", dies)
        with pytest.raises(KeyboardInterrupt):
            office.judge("Tokyo", seed=2)
    assert office.judge("Tokyo", seed=2).entry["attempt"] == 2


def test_cards_that_cannot_be_written_are_told_and_made_later(office):
    office.cards.write_text("a file")
    with pytest.raises(AffectBenchError, match="Could not write"):
        office.judge("Tokyo")
    office.cards.unlink()
    assert office.judge("Tokyo").again


def test_judges_at_the_same_time_share_one_log(office):
    command = [sys.executable, "-m", "affectbench", "judge", str(office.bundle)]
    rest = ["--key", office.key, "--log", office.log, "--out", office.cards]
    files = [office.write("Tokyo", seed=seed) for seed in range(2)]
    running = [
        subprocess.Popen(
            [*command, str(file), "--team", "Tokyo", *map(str, rest)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for file in (*files, files[0])
    ]
    assert [one.communicate()[1] for one in running] == [b""] * 3
    entries = read_log(office.log)
    assert [entry["attempt"] for entry in entries] == [1, 2]
    cards = list(office.cards.glob("*.json"))
    assert len(cards) == 2
    assert verify([office.log, *cards], fingerprint=office.fingerprint).holds


def test_nothing_is_added_to_a_log_that_was_changed(office):
    office.judge("Tokyo")
    changed = office.log.read_bytes().replace(b'"attempt":1', b'"attempt":2')
    office.log.write_bytes(changed)
    with pytest.raises(BadData, match="entry 1: its content was changed"):
        office.judge("Tokyo", seed=2)
    assert office.log.read_bytes() == changed


def test_the_log_of_another_bundle_is_refused(office, tmp_path):
    other = Organiser(tmp_path / "other")
    other.judge("Tokyo")
    with pytest.raises(BadData, match="log of another bundle"):
        office.judge("Tokyo", log=other.log)


def test_what_does_not_belong_together_is_refused(office, tmp_path):
    other = Organiser(tmp_path / "other")
    with pytest.raises(BadData, match="another key"):
        office.judge("Tokyo", key=other.key)
    with pytest.raises(BadData, match="holds labels of avb-two, not of avb-high"):
        office.judge("Tokyo", task=TASKS["avb-high"])
    with pytest.raises(BadData, match="sealed for version 1"):
        office.judge("Tokyo", task=dataclasses.replace(TASK, version=2))
    for name in ("key", "bundle"):
        with pytest.raises(MissingData, match="is not there"):
            office.judge("Tokyo", **{name: tmp_path / "nowhere"})
    with pytest.raises(MissingData, match="is not a file"):
        office.judge("Tokyo", file=tmp_path)
    assert not office.log.exists()


def test_settings_of_a_later_version_are_told(office, monkeypatch):
    monkeypatch.setattr(decision, "Scoring", lambda draws: None)
    with pytest.raises(BadData, match="Judge with that version"):
        office.judge("Tokyo")
    assert not office.log.exists()


def test_an_enormous_file_is_refused_unread(office):
    huge = office.root / "A-VB-Two_Tokyo_1.csv"
    with huge.open("wb") as file:
        file.truncate(2**41)  # sparse
    refused = office.judge("Tokyo", file=huge)
    assert refused.refused
    assert refused.entry["submission"] is None
    assert verify([office.log], fingerprint=office.fingerprint).holds


def test_a_file_that_changes_meanwhile_is_not_judged(office, monkeypatch):
    real = decision.outcome

    def meddling(case, submission):
        found = real(case, submission)
        submission.write_bytes(submission.read_bytes() + b"\n")
        return found

    monkeypatch.setattr(decision, "outcome", meddling)
    with pytest.raises(BadData, match="was changed while it was judged"):
        office.judge("Tokyo")
    assert not office.log.exists()


def test_an_undefined_score_is_told_as_one(office):
    constant = office.root / "A-VB-Two_Tokyo_1.csv"
    rows = [f"[{i:05d}],0.5,0.5" for i in range(CLIPS)]
    constant.write_text("\n".join(["File_ID,Valence,Arousal", *rows]) + "\n")
    judged = office.judge("Tokyo", file=constant)
    value = judged.entry["scores"]["ccc.population"]["value"]
    assert value in (None, 0.0)
    assert judged.entry["attempt"] == 1


def test_a_task_of_several_targets(tmp_path):
    from affectbench.corpora import hume_vocalburst as hume

    task = TASKS["exvo-multitask"]
    rng_rows, labels = [], []
    for i in range(60):
        values = [f"{(i * 7 + k * 13) % 60 / 60:.4f}" for k in range(10)]
        country, age = i % 4, 20 + i % 20
        labels.append(
            f"[{i:05d}],Test,S{i % 12},{hume.COUNTRIES[country]},{age},{','.join(values)}"
        )
        rng_rows.append(
            f"[{i:05d}],{(country + (i % 3 == 0)) % 4},{age + i % 5},{','.join(values)}"
        )
    names = ",".join(hume.EMOTIONS)
    truth, handed = tmp_path / "labels.csv", tmp_path / "ExVo-Multi_Tokyo_1.csv"
    truth.write_text("\n".join([f"File_ID,Split,Subject_ID,Country,Age,{names}", *labels]) + "\n")
    handed.write_text("\n".join([f"File_ID,Country,Age,{names}", *rng_rows]) + "\n")
    places = {"key": tmp_path / "key.json", "out": tmp_path / "cards"}
    bundle = tmp_path / "bundle"
    seal(truth, task, out=bundle, key=places["key"], scoring=Scoring(draws=50))
    judged = judge(bundle, handed, log=tmp_path / "log", **places)
    assert not judged.refused, judged.entry["reason"]
    assert 0 < judged.entry["scores"]["s_mtl.sound"]["value"] < 1
    verdict = verify([judged.card], bundle=bundle, key=places["key"], submission=handed)
    assert verdict.holds


def test_the_command_line(call, office):
    office.write("Tokyo")
    flags = ("--key", office.key, "--log", office.log, "--out", office.cards)
    code, out, err = call("judge", office.bundle, office.files["Tokyo"], "--team", "Tokyo", *flags)
    assert (code, err) == (0, "")
    assert "attempt     1 of 5" in out
    code, out, _ = call(
        "judge", office.bundle, office.files["Tokyo"], "--team", "Tokyo", *flags, "--json"
    )
    told = json.loads(out)
    assert (code, told["again"]) == (0, True)
    code, out, _ = call("judge", office.bundle, office.half, "--team", "Tokyo", *flags)
    assert code == 1
    assert "costs no attempt" in out
    code, _, err = call("judge", office.bundle, office.half, "--team", "=cmd", *flags)
    assert code == 2
    assert "team name" in err
    code, out, _ = call("verify", told["card"], "--fingerprint", office.fingerprint)
    assert code == 0
    assert "the card holds" in out
    code, out, _ = call("verify", office.log, "--json")
    assert json.loads(out)["holds"]
    os.truncate(office.log, office.log.stat().st_size - 1)
    code, out, _ = call("verify", office.log)
    assert code == 1
    assert "FAILS" in out
    assert call("verify", office.root / "nowhere")[0] == 2


def test_the_truth_can_be_revealed_and_checked(office):
    from affectbench.judging import commitment

    keys, _ = read_keys(office.key)
    bundle, truth, salt = open_bundle(office.bundle, keys)
    assert commitment(truth.sample(fraction=1, shuffle=True, seed=1), salt) == bundle.header.truth
    assert commitment(truth, b"\0" * 32) != bundle.header.truth


def test_the_page_for_organisers_runs(call, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[1] / "docs/judging.md").read_text()
    commands = re.findall(r"^affectbench (.*)$", page, re.MULTILINE)
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    write_labels(Path("labels.csv"))
    write_predictions(Path("A-VB-Two_Tokyo_1.csv"))
    assert [command.split()[0] for command in commands] == ["seal", "judge", "verify"]
    for command in commands:
        code, _, err = call(*command.split())
        assert (code, err) == (0, "")
    exec(compile(block, "judging.md", "exec"), {})
    assert capsys.readouterr().out.endswith(" True\n")
