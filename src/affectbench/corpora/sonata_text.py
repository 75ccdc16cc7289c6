"""The text file beside a recording of MODULATE-SONATA: timestamps, sentences, class headers.

How the release writes them is not published. Understood are, one line each, with tabs or spaces:

    start end text      start text      times as 12.5, 12.5s, 01:02.5, 00:01:02.500 or in [brackets]
    a class name alone, which heads the lines below it (``Fear``, ``[Surprise (positive)]``)
    a row of column names (``start end text``), before the first timestamp

A line without an end lasts to the start of the next one, the last to the end of the recording. A
text that begins with a number after a space is taken for ``start end text``. Whatever else stands
in a file is a fault with its line number; no text is ever part of a message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from affectbench.corpora.sonata_script import Script, emotion_named, key

_CLOCK: Final = r"(?:\d+:[0-5]?\d|\d+):[0-5]\d(?:[.,]\d+)?"
_TIME: Final = rf"(?:{_CLOCK}|\d+(?:\.\d+)?s?)"
LINE: Final = re.compile(
    rf"\[?\s*(?P<start>{_TIME})\s*\]?(?:(?:\s+|\s*(?:-->|[-–])\s*)\[?(?P<end>{_TIME})\s*\]?)?"
    r"[\s:]+(?P<text>\S.*)"
)
COLUMN_NAMES: Final = re.compile(
    r"(?:(?:start|end|stop|begin|from|to|time|timestamp|text|sentence|line|transcript)(?:_s)?\s*)+",
    re.IGNORECASE,
)
SLACK_S: Final = 0.05  # that a last line may end after the audio: two mp3 frames, or a rounding

NOT_UTF8: Final = "text file not UTF-8"
UNKNOWN: Final = "line not understood"
BACKWARDS: Final = "timestamp runs backwards"
PAST: Final = "timestamp past the end of the audio"
UNMATCHED: Final = "sentence of no class"
DISAGREES: Final = "header and sentence disagree"
OVERLAP: Final = "lines overlap"
EMPTY: Final = "text file without lines"


@dataclass(frozen=True, slots=True)
class Line:
    """One timestamped line; ``sentence`` is its key, never its text."""

    number: int  # in the file, from 1
    start_s: float
    end_s: float | None  # None: not told
    emotion: str | None  # None: neither its sentence nor a header tells
    sentence: str


Fault = tuple[str, int]  # kind, line number; 0 for the whole file


def parse(path: Path, script: Script) -> tuple[list[Line], list[Fault]]:
    """The lines of a text file and what is wrong with it; times are as written, not checked."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return [], [(NOT_UTF8, 0)]
    lines: list[Line] = []
    faults: list[Fault] = []
    header: str | None = None
    for number, raw in enumerate(text.split("\n"), start=1):
        written = raw.strip()
        if not written:
            continue
        match = LINE.fullmatch(written)
        if match is None:
            named = emotion_named(written)
            header = named or header
            if named is None and (lines or not COLUMN_NAMES.fullmatch(written)):
                faults.append((UNKNOWN, number))
            continue
        sentence = key(match["text"])
        told = script.get(sentence) or emotion_named(match["text"])
        if told and header and told != header:
            faults.append((DISAGREES, number))
        if not told and not header:
            faults.append((UNMATCHED, number))
        end_s = None if match["end"] is None else seconds(match["end"])
        lines.append(Line(number, seconds(match["start"]), end_s, told or header, sentence))
    if not lines:
        faults.append((EMPTY, 0))
    return lines, faults


def seconds(written: str) -> float:
    """``90.5``, ``90.5s``, ``1:30.5`` and ``00:01:30,500`` as 90.5."""
    total = 0.0
    for field in written.rstrip("s").replace(",", ".").split(":"):
        total = 60 * total + float(field)
    return total


def ended(lines: Sequence[Line], duration_s: float) -> tuple[list[Line], list[Fault]]:
    """The lines with their ends filled in, and the faults of their times.

    An end at most ``SLACK_S`` past the audio is its end. Where a fault but an overlap is found, no
    line of the file can be trusted to be where it says.
    """
    found: list[Line] = []
    faults: list[Fault] = []
    starts = [line.start_s for line in lines]
    for i, line in enumerate(lines):
        following = starts[i + 1] if i + 1 < len(lines) else duration_s
        end_s = following if line.end_s is None else line.end_s
        told = line.end_s is not None
        if (i and line.start_s <= starts[i - 1]) or (told and end_s <= line.start_s):
            faults.append((BACKWARDS, line.number))
        if line.start_s >= duration_s or end_s > duration_s + SLACK_S:
            faults.append((PAST, line.number))
        elif told and line.start_s < following < end_s and i + 1 < len(lines):
            faults.append((OVERLAP, line.number))
        found.append(replace(line, end_s=min(end_s, duration_s)))
    return found, faults


def blocks(lines: Sequence[Line]) -> list[list[Line]]:
    """Runs of lines of one class; lines of no class stand in no run, and end one."""
    runs: list[list[Line]] = []
    before: str | None = None
    for line in lines:
        if line.emotion is not None:
            if line.emotion == before:
                runs[-1].append(line)
            else:
                runs.append([line])
        before = line.emotion
    return runs
