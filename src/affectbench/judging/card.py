"""Score cards: what is told of a scored file, as signed JSON and as text.

A card is the entry of the log. It tells values over all clips and their intervals, with four
decimals: a value with all its digits could be made to spell out labels. Nothing is told of a clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor
from pathlib import Path
from typing import Any, Final

from affectbench.intervals import Intervals
from affectbench.judging.bundle import Header
from affectbench.judging.entries import Entry, page
from affectbench.judging.ladder import rounded
from affectbench.scoring import scores_json
from affectbench.store import plain, write_atomic
from affectbench.types import Task

DECIMALS: Final = 4  # as in the published tables
VALUES: Final = ("value", "low", "high")
TOLD: Final = (*VALUES, "level", "clips", "groups", "group_by", "draws", "method")


def told(scores: Mapping[str, Intervals], task: Task, header: Header) -> dict[str, Any]:
    """The scores that a card tells, by metric.

    With a step the ranking metric alone is told, in steps; else every metric, and its outputs where
    the bundle allows it.
    """
    known = scores_json({header.part: scores}, task)[header.part]
    if header.step is not None:
        return {header.metric: _rounded(known[header.metric], header.step)}
    found = {}
    for key, score in known.items():
        found[key] = {**_rounded(score, None), "undefined": score["undefined"]}
        if header.outputs:
            outputs = score["outputs"].items()
            found[key]["outputs"] = {name: _rounded(one, None) for name, one in outputs}
    return found


def _rounded(score: Mapping[str, Any], step: float | None) -> dict[str, Any]:
    """A score with its values in steps, or with ``DECIMALS``; undefined is null."""
    if step is None:
        values = {name: round(score[name], DECIMALS) for name in VALUES}
    else:  # never a narrower interval than it is
        values = {
            "value": rounded(score["value"], step),
            "low": rounded(score["low"], step, floor),
            "high": rounded(score["high"], step, ceil),
        }
    shown: dict[str, Any] = plain({**{name: score[name] for name in TOLD}, **values})
    return shown


def write_card(folder: Path, entry: Entry) -> Path:
    """Write a card as JSON and, beside it, as text; the same entry gives the same bytes.

    Raises:
        AffectBenchError: the folder cannot be written.
    """
    team = "".join(letter if letter.isalnum() else "-" for letter in entry["team"])[:40]
    name = f"{entry['task']}_{team}_{entry['attempt']}_{entry['hash'][:8]}"
    path = folder / f"{name}.json"
    write_atomic(path, lambda file: file.write(page(entry)))
    write_atomic(folder / f"{name}.txt", lambda file: file.write(text(entry).encode()))
    return path


def text(entry: Entry) -> str:
    """A card for reading. What counts is the signed JSON."""
    lines = [
        f"Score card of {entry['name']}",
        "",
        f"  team        {visible(entry['team'])}",
        f"  attempt     {entry['attempt']} of {entry['attempts']}",
        f"  task        {entry['task']}, version {entry['task_version']}, {entry['part']}, "
        f"{entry['clips']:,} clips",
        f"  date        {entry['date']}",
        "",
        *_score_lines(entry),
        "",
        *(f"  {visible(note)}" for note in entry["notes"]),
        f"  submission  {entry['submission']}",
        f"  bundle      {entry['bundle']}",
        f"  log         entry {entry['entry']}, {entry['hash']}",
        f"  public key  {entry['public_key']}",
        f"  affectbench {entry['version']}",
        "",
        "Check the JSON beside this text: affectbench verify CARD.json --fingerprint FINGERPRINT",
    ]
    return "\n".join(lines) + "\n"


def _score_lines(entry: Entry) -> list[str]:
    """Every value with its interval; with a step, whether it was an improvement."""
    ladder = entry["ladder"]
    lines = []
    if ladder and not ladder["improved"]:
        lines.append(f"  No significant improvement: it takes more than {ladder['step']:g}.")
        lines.append(
            "  Told again is the best so far." if entry["scores"] else "  Nothing to tell."
        )
    for key, score in entry["scores"].items():
        lines.append(f"  {key:<28} {_interval(score)}")
        for name, one in score.get("outputs", {}).items():
            lines.append(f"    {name:<26} {_interval(one)}")
    return lines


def _interval(score: Mapping[str, Any]) -> str:
    """``0.5686  [0.5412, 0.5960] 95 %``."""
    if score["value"] is None:
        return "n/a"
    if score["low"] is None or score["high"] is None:
        return f"{score['value']:.4f}  no interval"
    return (
        f"{score['value']:.4f}  [{score['low']:.4f}, {score['high']:.4f}]  "
        f"{score['level']:.0%} by {score['group_by']}"
    )


def visible(text_: str) -> str:
    """Text with control characters written out, so that it cannot steer a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text_)
