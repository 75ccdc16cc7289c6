"""Verifying: anyone checks cards and logs, with what they have.

a card or a log alone   hash and signature of every entry, the chain of the log
cards and their log     that the cards stand in it
the fingerprint         that all are of the announced bundle and signed with its key
the bundle              the same, and that it is the announced one
key and submission      that the file gives the scores of the card
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from affectbench.errors import AffectBenchError, MissingData, listing
from affectbench.judging.bundle import FINGERPRINT, fingerprint_of, open_bundle, read_bundle
from affectbench.judging.card import DECIMALS, visible
from affectbench.judging.decision import Case, direction, file_hash, outcome, task_of
from affectbench.judging.entries import Entry, differing, fault, first_difference, page, parse
from affectbench.judging.keys import read_keys
from affectbench.judging.ladder import improves
from affectbench.judging.log import examine
from affectbench.types import Task

LAST_DIGIT: Final = 1.5 * 10.0**-DECIMALS  # machines may differ in the last one
OF_HEADER: Final = ("public_key", "task", "task_version", "part", "name", "metric", "clips")
TOLD: Final = 20  # problems of a file; the rest is counted


@dataclass(slots=True, kw_only=True)
class Checked:
    """What verifying one file came to."""

    path: Path
    kind: str  # "card", "log", "fingerprint" or "bundle"
    problems: list[str] = field(default_factory=list)  # where it fails; empty where it holds
    entries: list[Any] = field(default_factory=list)

    def lines(self) -> list[str]:
        """What was found, for reading."""
        if not self.problems:
            return [f"{self.path}: the {self.kind} holds. {self._summary()}".rstrip()]
        shown = [f"  {visible(problem)}" for problem in self.problems[:TOLD]]
        more = len(self.problems) - len(shown)
        return [
            f"{self.path}: the {self.kind} FAILS.",
            *shown,
            *([f"  and {more:,} more"] if more else []),
        ]

    def _summary(self) -> str:
        """A card in a line, or how much a log holds."""
        if self.kind == "card":
            card = self.entries[0]
            return (
                f"{card['task']}, team {visible(card['team'])}, attempt {card['attempt']}, "
                f"entry {card['entry']} of the log."
            )
        scored = sum(entry["kind"] == "scored" for entry in self.entries)
        return f"{scored:,} scored, {len(self.entries) - scored:,} refused." if self.entries else ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """All files that were looked at, and what was not compared."""

    files: tuple[Checked, ...]
    notes: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing fails."""
        return not any(file.problems for file in self.files)


def verify(
    paths: Sequence[Path],
    *,
    fingerprint: Path | None = None,
    bundle: Path | None = None,
    key: Path | None = None,
    submission: Path | None = None,
    task: Task | None = None,
) -> Verdict:
    """Check cards and logs.

    Args:
        paths: cards (the JSON) and logs of one bundle. Cards are looked up in the logs.
        fingerprint: the file that the organiser published when the labels were sealed.
        bundle: the sealed bundle.
        key: the organiser's key file; with ``bundle`` and ``submission`` the card is scored again.
        submission: the file that the one card is of.
        task: the task of the bundle; by default the row of ``TASKS`` of that name.

    Raises:
        MissingData: a file is not there.
        BadData: the bundle is not one, or does not belong to the key or the task.
        AffectBenchError: what was given does not suffice for what was asked.
        MissingExtra: the package ``cryptography`` is not installed.
    """
    found = [read_any(path) for path in paths]
    cards = [one for one in found if one.kind == "card"]
    logs = [one for one in found if one.kind == "log"]
    if submission is not None and len(cards) != 1:
        raise AffectBenchError(f"--submission is the file of one card; {len(cards)} were given.")
    if key is not None and (bundle is None or submission is None):
        raise AffectBenchError("--key scores a card again: give --bundle and --submission too.")
    for card in cards:
        for log in logs:
            card.problems += missing_in(log, card)
    against = []
    if fingerprint is not None:
        against.append(_fingerprint(fingerprint))
    if bundle is not None:
        public = read_bundle(bundle).public
        against.append(Checked(path=bundle, kind="bundle", entries=[public]))
    for other in against:
        for one in found:
            one.problems += strangers(one, other)
    if len(against) == 2:
        against[1].problems += _not_announced(against)
    if submission is not None and not cards[0].problems:
        cards[0].problems += scored_again(cards[0].entries[0], submission, bundle, key, task)
    for other in against:
        other.entries = []
    return Verdict((*found, *against), tuple(_notes(found, against)))


def read_any(path: Path) -> Checked:
    """A card or a log, and what is wrong with it by itself.

    Raises:
        MissingData: there is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise MissingData(f"{path} is not a file. Expected a score card (JSON) or a log.")
    try:
        with path.open("rb") as file:
            indented = file.read(2) == b"{\n"
        data = path.read_bytes() if indented else b""
    except OSError as error:
        raise MissingData(f"{path} cannot be read: {error.strerror}.") from error
    if not indented:
        entries, problems = examine(path)
        return Checked(path=path, kind="log", problems=problems, entries=entries)
    try:
        card = parse(data)
    except ValueError as error:
        return Checked(path=path, kind="card", problems=[f"it is not JSON ({error})"])
    wrong = fault(card) or ("" if card["kind"] == "scored" else "field kind: not of a scored file")
    return Checked(
        path=path,
        kind="card",
        problems=[*_unlike(data, card), *filter(None, [wrong])],
        entries=[card],
    )


def _unlike(data: bytes, value: Any) -> list[str]:
    """Where a file is not written as this package writes its content."""
    expected = page(value)
    if data == expected:
        return []
    line = data[: first_difference(data, expected)].count(b"\n") + 1
    return [f"line {line} is not written as it was: blanks, order or spelling were changed"]


def missing_in(log: Checked, card: Checked) -> list[str]:
    """Why a card does not stand in a log."""
    entry = card.entries[0] if card.entries else None
    place = entry.get("entry") if isinstance(entry, dict) else None
    if not isinstance(place, int) or place < 1:
        return []  # told of the card itself
    if place > len(log.entries):
        return [
            f"it is entry {place}, and {log.path} ends with entry {len(log.entries)}: the log was "
            "cut off, or is another"
        ]
    fields = list(differing(entry, log.entries[place - 1]))
    return [f"it differs from entry {place} of {log.path}: {listing(fields)}"] if fields else []


def _fingerprint(path: Path) -> Checked:
    """A fingerprint file, checked against itself.

    Raises:
        MissingData: there is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise MissingData(f"{path} is not a file. Expected <bundle>.fingerprint.json.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingData(f"{path} cannot be read: {error.strerror}.") from error
    checked = Checked(path=path, kind="fingerprint")
    try:
        value = parse(data)
    except ValueError as error:
        checked.problems.append(f"it is not JSON ({error})")
        return checked
    if not isinstance(value, dict) or not isinstance(value.get("header"), dict):
        checked.problems.append(f"it is no {FINGERPRINT}")
        return checked
    wanted = fingerprint_of(value["header"], str(value.get("ciphertext")))
    fields = list(differing(value, wanted))
    if fields == ["fingerprint"]:
        fields = ["fingerprint, or one of header and ciphertext"]
    if fields:
        checked.problems.append(f"it was changed: {listing(fields)}")
    checked.problems += _unlike(data, value)
    checked.entries = [value]
    return checked


def strangers(one: Checked, other: Checked) -> list[str]:
    """Entries that are not of the bundle that a fingerprint, or the bundle itself, tells of."""
    if other.problems:
        return []
    public = other.entries[0]
    header: Mapping[str, Any] = public["header"]
    wanted = {"bundle": public["fingerprint"], **{name: header.get(name) for name in OF_HEADER}}
    wanted["attempts"] = header.get("attempts")
    problems = []
    for entry in one.entries:
        if not isinstance(entry, dict):
            continue
        odd = [name for name, value in wanted.items() if entry.get(name, value) != value]
        if "ladder" in entry and _step(entry["ladder"]) != header.get("step"):
            odd.append("ladder.step")
        if odd:
            place = f"entry {entry.get('entry')}: " if one.kind == "log" else ""
            problems.append(f"{place}{listing(odd)} not as in {other.path}")
    return problems


def _step(ladder: Any) -> Any:
    """The step of an entry, None where scores are told as they are."""
    return ladder.get("step") if isinstance(ladder, dict) else None


def _not_announced(against: Sequence[Checked]) -> list[str]:
    """Whether the bundle is another than the one of the fingerprint."""
    fingerprint, bundle = against
    if fingerprint.problems or fingerprint.entries[0] == bundle.entries[0]:
        return []
    fields = listing(list(differing(bundle.entries[0], fingerprint.entries[0])))
    return [f"it is not the bundle of {fingerprint.path}: {fields} differ"]


def scored_again(
    card: Entry, submission: Path, bundle: Path | None, key: Path | None, task: Task | None
) -> list[str]:
    """Whether a file is the one of a card and, with bundle and key, gives its scores."""
    if file_hash(submission) != card["submission"]:
        return [f"field submission is not the SHA-256 of {submission}: it is another file"]
    if bundle is None or key is None:
        return []
    keys, _ = read_keys(key)
    opened, truth, _ = open_bundle(bundle, keys)
    case = Case(opened, truth, task_of(opened.header, task), keys)
    try:
        value, told = outcome(case, submission)
    except AffectBenchError as error:
        return [f"{submission} is not accepted: {error}"]
    ladder, step = card["ladder"], opened.header.step
    if step is None or ladder is None:
        fields = list(differing(card["scores"], told["scores"], "scores", within=LAST_DIGIT))
    else:
        improved = improves(value, ladder["before"], step, sign=direction(case.task))
        fields = [] if improved == ladder["improved"] else ["ladder.improved"]
        if improved:
            fields += differing(card["scores"], told["scores"], "scores", within=LAST_DIGIT)
    return [f"{submission} does not give these scores: {listing(fields)} differ"] if fields else []


def _notes(found: Sequence[Checked], against: Sequence[Checked]) -> list[str]:
    """What was not compared."""
    notes = []
    if not against:
        signers = {e.get("public_key") for one in found for e in one.entries if isinstance(e, dict)}
        notes.append(
            f"Signed with {listing(sorted(map(str, signers)))}. Whether that is the organiser's "
            "key was not checked: give --fingerprint."
        )
    if {one.kind for one in found} == {"log"}:
        notes.append(
            "A log does not show by itself whether its last entries were cut off: give the cards "
            "too."
        )
    return notes
