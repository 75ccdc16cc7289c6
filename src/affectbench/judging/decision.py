"""Judging: one submission against one sealed truth, an entry in the log, a card.

    open the bundle -> the log is whole and of this bundle -> the same file again? its card again
    -> attempts left? -> validate -> score -> ladder -> log -> card

The log is held from its reading to its writing. The card is made from its entry in the log, so a
judge that was killed in between loses nothing: the same file gives the card, at no cost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from affectbench.environment import version
from affectbench.errors import AffectBenchError, BadData, MissingData, MissingExtra
from affectbench.judging.bundle import Bundle, Header, open_bundle
from affectbench.judging.card import text, told, visible, write_card
from affectbench.judging.entries import SCHEMA, Entry, signed
from affectbench.judging.keys import Keys, read_keys
from affectbench.judging.ladder import improves
from affectbench.judging.log import append, last_hash, locked, read_log, scored_for
from affectbench.scoring import Scoring, interval_notes, score_tables
from affectbench.submission import check_team, parse_name, read
from affectbench.submission.text import MAX_BYTES
from affectbench.tasks import TASKS
from affectbench.truth import with_truth
from affectbench.types import Task

REASON_CHARACTERS: Final = 1_000
LISTED: Final = 20  # repairs on a card
BLOCK_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What became of a submission."""

    entry: Entry  # of the log
    card: Path | None  # None: the file was refused
    again: bool  # True: the same file was scored before; its card was written again
    notes: tuple[str, ...]  # for the organiser

    @property
    def refused(self) -> bool:
        """Whether the file was refused; that costs no attempt."""
        return self.card is None

    def lines(self) -> list[str]:
        """What became of it, for reading."""
        notes = [visible(note) for note in self.notes]
        if self.refused:
            who = f"Team {self.entry['team']}: refused" if self.entry["team"] else "Refused"
            reason = [visible(line) for line in self.entry["reason"].split("\n")]
            return [f"{who}; this costs no attempt.", *reason, *notes]
        told_before = ["Scored before: its card again, no attempt was used."] if self.again else []
        repairs = [f"  repaired    {visible(sentence)}" for sentence in self.entry["repairs"]]
        return [
            *told_before,
            *text(self.entry).splitlines()[:-2],
            *repairs,
            *notes,
            f"Card: {self.card}",
        ]


@dataclass(frozen=True, slots=True)
class Case:
    """What a decision is made from."""

    bundle: Bundle
    truth: pl.DataFrame
    task: Task
    keys: Keys


def judge(
    bundle: Path,
    submission: Path,
    *,
    key: Path,
    log: Path,
    out: Path,
    team: str | None = None,
    task: Task | None = None,
) -> Judged:
    """Validate and score a submission, count the attempt, log it and write its card.

    Args:
        bundle: what ``seal`` wrote.
        submission: the file that a team handed in.
        key: the key file of the bundle.
        log: the log of the bundle; it is begun with the first submission.
        out: folder of cards.
        team: who handed it in; by default the name in the file's name.
        task: the task of the bundle; by default the row of ``TASKS`` of that name.

    Returns:
        The entry that was logged. A file that is refused is logged with the reason, gets no card
        and costs no attempt. The same file of the same team again is neither logged nor counted.

    Raises:
        MissingData: a file is not there.
        BadData: bundle, key, log and task do not belong together, or one of them was changed.
        AffectBenchError: the team name is not one, or a file cannot be written.
        MissingExtra: the package ``cryptography`` is not installed.
    """
    keys, notes = read_keys(key)
    opened, truth, _ = open_bundle(bundle, keys)
    case = Case(opened, truth, task_of(opened.header, task), keys)
    scoring_of(opened.header)
    team = None if team is None else check_team(team)
    log = log.resolve()
    with locked(log):
        entries = log_of(log, opened)
        if not entries:
            notes = (*notes, f"A new log is begun: {log}")
        entry = decide(case, submission, entries, team)
        again = entry["entry"] <= len(entries)
        if not again:
            append(log, entries, entry)
    card = write_card(out, entry) if entry["kind"] == "scored" else None
    return Judged(entry=entry, card=card, again=again, notes=notes)


def task_of(header: Header, task: Task | None = None) -> Task:
    """The task that a bundle was sealed for.

    Raises:
        BadData: it is another task, or another version of it.
        UnknownName: there is no task of that name here, and none was given.
    """
    task = task or TASKS[header.task]
    if task.name != header.task:
        raise BadData(f"The bundle holds labels of {header.task}, not of {task.name}.")
    if task.version != header.task_version or task.columns != header.columns:
        raise BadData(
            f"The bundle was sealed for version {header.task_version} of {task.name}; this package "
            f"has version {task.version}. Scores of the two cannot be compared: judge with "
            f"affectbench {header.version}, or seal the labels again."
        )
    return task


def log_of(log: Path, bundle: Bundle) -> list[Entry]:
    """The entries of the log of this bundle; none if it has not begun.

    Raises:
        BadData: the log was changed, or is that of another bundle.
    """
    entries = read_log(log)
    if entries and entries[0]["bundle"] != bundle.fingerprint:
        raise BadData(
            f"{log} is the log of another bundle. Expected the one of {bundle.fingerprint}: give "
            "every bundle a log of its own."
        )
    return entries


def decide(case: Case, submission: Path, entries: Sequence[Entry], team: str | None) -> Entry:
    """The entry of a submission: that of the same file before, a score, or a refusal.

    Raises:
        MissingData: there is no such file, or it cannot be read.
    """
    digest = file_hash(submission)
    body = {
        "schema": SCHEMA,
        "entry": len(entries) + 1,
        "previous": last_hash(entries),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "bundle": case.bundle.fingerprint,
        "task": case.task.name,
        "task_version": case.task.version,
        "team": team,
        "submission": digest,
        "public_key": case.keys.public,
        "version": version("affectbench"),
    }
    try:
        body["team"] = team = team or team_in(submission.name)
        mine = scored_for(entries, team)
        before = [entry for entry in mine if entry["submission"] == digest]
        if before:
            return before[0]
        body |= scored_fields(case, submission, mine)
    except MissingExtra:
        raise
    except AffectBenchError as error:
        reason = str(error).replace(str(submission), submission.name)[:REASON_CHARACTERS]
        return signed({**body, "kind": "refused", "reason": reason}, case.keys)
    if file_hash(submission) != digest:
        raise BadData(f"{submission} was changed while it was judged. Judge it again.")
    return signed({**body, "kind": "scored"}, case.keys)


def scored_fields(case: Case, submission: Path, mine: Sequence[Entry]) -> dict[str, Any]:
    """What an entry says of a scored file.

    Raises:
        AffectBenchError: the file is refused.
    """
    header = case.bundle.header
    if len(mine) >= header.attempts:
        raise BadData(
            f"No attempts are left: {len(mine)} of {header.attempts} were used. A file that was "
            "scored can be handed in again for its card."
        )
    value, told_of_it = outcome(case, submission)
    scores, ladder = released(value, told_of_it["scores"], case, mine)
    return {
        "name": header.name,
        "part": header.part,
        "attempt": len(mine) + 1,
        "attempts": header.attempts,
        "clips": header.clips,
        "metric": header.metric,
        **told_of_it,
        "scores": scores,
        "ladder": ladder,
    }


def outcome(case: Case, submission: Path) -> tuple[float, dict[str, Any]]:
    """The exact value of the ranking metric, which is not told, and what may be told.

    Raises:
        AffectBenchError: the file is refused.
    """
    header = case.bundle.header
    handed = read(submission, case.task, expected=case.truth["clip"].to_list())
    table = with_truth(handed.table, case.truth, case.task)
    scoring = scoring_of(header)
    intervals, unscored = score_tables([table], case.task, scoring)
    notes = interval_notes({header.part: intervals}, scoring.group_by or case.task.group)
    return intervals[header.metric].score.value, {
        "scores": told(intervals, case.task, header),
        "unscored": unscored,
        "repairs": [repair.sentence for repair in handed.repairs[:LISTED]],
        "notes": notes if header.step is None else [],
    }


def scoring_of(header: Header) -> Scoring:
    """How the bundle wants intervals to be made.

    Raises:
        BadData: this package has not all of its settings.
    """
    try:
        return Scoring(**header.scoring)
    except TypeError as error:
        raise BadData(
            f"The bundle was sealed with affectbench {header.version}, which makes intervals with "
            f"settings that this version does not have ({error}). Judge with that version."
        ) from error


def released(
    value: float, scores: dict[str, Any], case: Case, mine: Sequence[Entry]
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The scores that are told, and what the ladder says of them; None without a ladder."""
    header = case.bundle.header
    if header.step is None:
        return scores, None
    best = next((entry for entry in reversed(mine) if entry["ladder"]["improved"]), None)
    before = best["scores"][header.metric]["value"] if best else None
    improved = improves(value, before, header.step, sign=direction(case.task))
    ladder = {"step": header.step, "before": before, "improved": improved}
    if improved:
        return scores, ladder
    return (best["scores"] if best else {}), ladder


def direction(task: Task) -> int:
    """1 where more is better, -1 where less is."""
    return 1 if task.metric.high > task.metric.low else -1


def team_in(filename: str) -> str:
    """The team in the name of a file.

    Raises:
        BadData: there is none.
    """
    found = parse_name(filename)
    if found is None:
        raise BadData(
            "The file's name tells no team: expected <task>_<team>_<number>.csv. Rename it, or "
            "name the team with --team."
        )
    return found[1]


def file_hash(path: Path) -> str | None:
    """SHA-256 of a file, read a piece at a time; None of one that is too large to be taken.

    Raises:
        MissingData: there is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise MissingData(f"{path} is not a file. Expected the one that a team handed in.")
    state = hashlib.sha256()
    try:
        if path.stat().st_size > MAX_BYTES:
            return None
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                state.update(block)
    except OSError as error:
        raise MissingData(f"{path} cannot be read: {error.strerror}.") from error
    return state.hexdigest()
