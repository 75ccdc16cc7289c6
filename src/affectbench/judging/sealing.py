"""Sealing: labels in, an encrypted bundle, its fingerprint and a key file out."""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Final

import polars as pl

from affectbench.environment import version
from affectbench.errors import AffectBenchError, BadData, ResultConflict
from affectbench.judging.bundle import SALT_BYTES, Bundle, Header, commitment, ids_hash, pack
from affectbench.judging.bundle import read_bundle as read_back
from affectbench.judging.entries import page
from affectbench.judging.keys import Keys, new_keys, write_keys
from affectbench.judging.ladder import step_of
from affectbench.scoring import Scoring
from affectbench.store import write_atomic
from affectbench.truth import read_truth, scored
from affectbench.types import Task

ATTEMPTS: Final = 5  # where the task names no number
NAME_CHARACTERS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """What sealing made."""

    bundle: Bundle
    out: Path  # the bundle: keep it with the key, or publish it
    fingerprint: Path  # to be published before the first file is handed in
    key: Path  # to be kept by the organiser alone
    notes: tuple[str, ...]


def seal(  # noqa: PLR0913 - what is optional goes by name
    labels: Path,
    task: Task,
    *,
    out: Path,
    key: Path,
    part: str = "test",
    groups: Path | None = None,
    support: Path | None = None,
    name: str = "",
    attempts: int | None = None,
    step: float | str | None = None,
    outputs: bool = True,
    scoring: Scoring | None = None,
) -> Sealing:
    """Seal the labels of a task, so that files can be judged without showing a label.

    Args:
        labels: the label file or folder, as ``truth.read_truth`` takes it.
        task: what the labels are the truth of.
        out: the bundle file to write; ``<out>.fingerprint.json`` is written beside it.
        key: the key file to write. Whoever has it can read the labels and sign cards.
        part: which part of the labels is sealed.
        groups: a CSV that tells the speakers of clips, where the labels do not.
        support: a CSV that names the support clips of a few-shot task, where the labels do not.
        name: what the bundle is called on cards; by default the task and the part.
        attempts: scored files a team; by default the task's, or five.
        step: tell scores only in steps of this size, or ``"auto"``: see ``ladder.step_of``.
        outputs: tell scores per class or emotion too. With a step they never are.
        scoring: how intervals are made.

    Raises:
        ResultConflict: one of the files is there already; none is written over.
        MissingData, BadData: the labels cannot be read, are blank, or give no step.
        AffectBenchError: a setting is out of range, or a file cannot be written.
        MissingExtra: the package ``cryptography`` is not installed.
    """
    scoring = scoring or Scoring()
    fingerprint = out.with_name(f"{out.name}.fingerprint.json")
    _check_places(out, key, fingerprint)
    limit = attempts if attempts is not None else _attempts_of(task)
    title = name or f"{task.name} {part}"
    _check_settings(task, title, limit, step, scoring)
    keys = new_keys()
    clips = read_truth(labels, task, groups=groups, support=support)
    truth, notes = truth_of(clips, task, part, scoring.group_by or task.group)
    salt = secrets.token_bytes(SALT_BYTES)
    header = Header(
        name=title,
        task=task.name,
        task_version=task.version,
        part=part,
        metric=task.metric.key,
        columns=task.columns,
        clips=len(truth),
        ids=ids_hash(truth["clip"].to_list()),
        truth=commitment(truth, salt),
        attempts=limit,
        step=step_of(truth, task, scoring) if step == "auto" else _number(step),
        outputs=outputs and step is None,
        scoring=asdict(scoring),
        public_key=keys.public,
        sealed=datetime.now(UTC).isoformat(timespec="seconds"),
        version=str(version("affectbench")),
    )
    bundle = _write(out, key, fingerprint, pack(header, truth, salt, keys), keys)
    return Sealing(bundle=bundle, out=out, fingerprint=fingerprint, key=key, notes=tuple(notes))


def truth_of(
    clips: pl.DataFrame, task: Task, part: str, group_by: str
) -> tuple[pl.DataFrame, list[str]]:
    """``clip``, group columns and labels of what is sealed, and what is odd, in sentences.

    The support clips of a few-shot task are left out: participants have their labels.

    Raises:
        BadData: there is no such part, one of its clips has no label, or a label is no class.
    """
    notes = []
    named = part if clips["part"].null_count() < len(clips) else None
    if named is None:
        notes.append(f"The labels name no parts: all {len(clips):,} clips are sealed.")
    chosen = scored(clips, task, named)
    _check_labels(clips if named is None else clips.filter(pl.col("part") == part), chosen, task)
    if group_by != "clip" and (group_by not in chosen.columns or chosen[group_by].null_count() > 0):
        notes.append(f"The {group_by} of some clips is not known: scores get no interval.")
    names = dict.fromkeys(("clip", "speaker", group_by, *task.columns))
    return chosen.select(name for name in names if name in chosen.columns), notes


def _check_labels(clips: pl.DataFrame, chosen: pl.DataFrame, task: Task) -> None:
    """Refuse blank labels and unknown classes of a part; no label is repeated."""
    if "support" in clips.columns:
        clips = clips.filter(~pl.col("support").fill_null(False))
    if len(chosen) < len(clips):
        raise BadData(
            f"{len(clips) - len(chosen):,} of {len(clips):,} clips have no label of {task.name}. "
            "Expected the labels of every clip that is to be judged; take the others out."
        )
    for target in task.targets:
        for column in target.columns:
            blank = chosen[column].null_count()
            if blank and not target.nan_ok:
                raise BadData(
                    f"{column} is blank for {blank:,} of {len(chosen):,} clips. Expected a label "
                    "for every clip that is to be judged."
                )
            known = chosen[column].is_in(list(target.classes)) | chosen[column].is_null()
            if target.kind == "classification" and not known.all():
                raise BadData(
                    f"{int((~known).sum()):,} cells of {column} hold no class of {task.name}. "
                    f"Expected one of {', '.join(target.classes)}."
                )


def _check_places(out: Path, key: Path, fingerprint: Path) -> None:
    """Refuse to write over anything, or to put key and bundle into one file."""
    if out.resolve() == key.resolve():
        raise AffectBenchError(f"--out and --key are both {out}. The key never lies in the bundle.")
    for path in (out, key, fingerprint):
        if path.exists() or path.is_symlink():
            raise ResultConflict(
                f"{path} is there already. Sealing writes over nothing: name a new file, or move "
                "the old one away."
            )


def _check_settings(
    task: Task, name: str, attempts: int, step: float | str | None, scoring: Scoring
) -> None:
    """Refuse what cannot be judged."""
    if task.protocol == "generate":
        raise AffectBenchError(
            f"{task.name} is handed in as sounds, not as a table: it cannot be sealed."
        )
    if not name.isprintable() or len(name) > NAME_CHARACTERS or name != name.strip():
        raise AffectBenchError(
            f"The name of the bundle has {len(name):,} characters or some that cannot be printed. "
            f"Expected one line of at most {NAME_CHARACTERS}."
        )
    if attempts < 1:
        raise AffectBenchError(f"--attempts is {attempts}. Expected at least 1.")
    if scoring.draws < 1 or not 0 < scoring.level < 1:
        raise AffectBenchError(
            f"draws is {scoring.draws} and level {scoring.level}; expected at least 1 draw and "
            "0 < level < 1."
        )
    number = None if step == "auto" else _number(step)
    if number is not None and not (isfinite(number) and 0 < number < 1):
        raise AffectBenchError(f"--step is {step}. Expected 'auto', or a number between 0 and 1.")


def _number(step: float | str | None) -> float | None:
    """A step that was named.

    Raises:
        AffectBenchError: it is no number.
    """
    try:
        return None if step is None else float(step)
    except ValueError as error:
        raise AffectBenchError(
            f"--step is '{step}'. Expected 'auto', or a number between 0 and 1."
        ) from error


def _attempts_of(task: Task) -> int:
    """How many files a team may hand in."""
    return task.submission.attempts if task.submission else ATTEMPTS


def _write(out: Path, key: Path, fingerprint: Path, data: bytes, keys: Keys) -> Bundle:
    """Write the three files, or none."""
    write_keys(key, keys)
    try:
        write_atomic(out, lambda file: file.write(data))
        bundle = read_back(out)
        write_atomic(fingerprint, lambda file: file.write(page(bundle.public)))
    except BaseException:
        for path in (out, key, fingerprint):
            path.unlink(missing_ok=True)
        raise
    return bundle
