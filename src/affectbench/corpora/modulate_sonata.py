"""MODULATE-SONATA: 23 voice actors in 15 roles read the same script of 25 emotions.

Every class is spoken in sentences of its own, the same for all actors: a system that recognises
words has the class, and its score says little about emotion. The column ``sentence`` is there to
measure that.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl

from affectbench import splits
from affectbench.corpora import labels, sonata_text
from affectbench.corpora.folders import list_audio, match_audio, wrong_folder
from affectbench.corpora.sonata_script import EMOTIONS, ROLES, Script, script_of
from affectbench.corpora.twin.sonata import write_sonata
from affectbench.errors import BadData, listing
from affectbench.schema import CLIPS
from affectbench.types import PARTS, Corpus, Fact, Finding, Reading, Split, Target

EMOTION: Final = Target(
    name="emotion", kind="classification", columns=("emotion",), classes=EMOTIONS
)
# How a recording is named is not published. This stands for <speaker>_<role>.mp3, with spaces or
# hyphens too, and for more after the role. Pass ``pattern`` to read other names: it must match the
# whole path below the root without its ending, and name ``speaker``; ``role`` may be missing.
NAME: Final = rf"(?:.*/)?(?P<speaker>[^/]+?)[_ -]+(?P<role>(?i:{'|'.join(ROLES)}))(?:[_ -][^/]*)?"
MANIFEST: Final = "manifest.csv"
SPLIT_FILE: Final = "split.csv"
SCRIPT_FILE: Final = "script.csv"
EXTRA: Final = {
    "start_s": pl.Float64,  # in the long recording
    "end_s": pl.Float64,
    "role": pl.String,
    "emotion": pl.String,
    "lines": pl.Int64,
    "sentence": pl.String,  # key of what is said; equal keys, equal words
}
By = Literal["block", "line"]

ADVICE: Final = {
    sonata_text.NOT_UTF8: "Nothing of these recordings is used. Save the text files as UTF-8.",
    sonata_text.EMPTY: "Nothing of these recordings is used. Expected lines of timestamp and text.",
    sonata_text.BACKWARDS: "Nothing of these recordings is used, since no line of theirs can be "
    "trusted to be where it says. Correct the times, or take the files as released.",
    sonata_text.PAST: "Nothing of these recordings is used. Do the text file and the audio belong "
    "together, and is the audio whole?",
    sonata_text.UNKNOWN: "Expected 'start end text', 'start text' or a class name. These lines "
    "are in no clip.",
    sonata_text.UNMATCHED: "Their sentences are not in the published script and no header names "
    f"their class, so they are in no clip. Add them to {SCRIPT_FILE} (emotion,sentence).",
    sonata_text.DISAGREES: "The header above names another class than the sentence, which was "
    "believed.",
    sonata_text.OVERLAP: "They end after the next line has begun: a clip may hold words of both.",
}
FATAL: Final = frozenset(ADVICE) - {sonata_text.OVERLAP}


def read(root: Path, *, by: By = "block", pattern: str = NAME) -> Reading:
    """Clips of the long recordings, or of a folder that ``cut`` has made of them.

    Anywhere below root: ``<speaker>_<role>.mp3`` and its text file of the same stem and ending
    ``.txt``, whose dialects are those of ``sonata_text``. A clip is a block, all lines of one class
    that follow one another (25 a recording), with the id ``<stem>.<class>``; or one line. All clips
    of a recording have its path until they are cut. ``split.csv`` (speaker,part) and ``script.csv``
    (emotion,sentence: lines beyond the published script) are used where they are in the root.

    Args:
        root: The folder.
        by: What a clip is; a folder that was cut is as it is.
        pattern: How names tell speaker and role; see ``NAME``.

    Raises:
        MissingData: there is no recording.
        BadData: ``split.csv``, ``script.csv`` or ``manifest.csv`` cannot be used, or the pattern.
    """
    if (root / MANIFEST).exists():
        clips, findings = _read_cut(root)
    else:
        clips, findings = _read_long(root, by, _pattern(pattern))
    clips, unknown = _parts(root, clips)
    return Reading(clips.select(*CLIPS, *EXTRA), (*findings, *unknown))


def _pattern(written: str) -> re.Pattern[str]:
    """The compiled pattern."""
    try:
        pattern = re.compile(written)
    except re.error as error:
        raise BadData(f"The name pattern {written!r} is no regular expression: {error}.") from error
    if "speaker" not in pattern.groupindex:
        raise BadData(f"The name pattern {written!r} has no group (?P<speaker>...).")
    return pattern


def _read_long(root: Path, by: By, pattern: re.Pattern[str]) -> tuple[pl.DataFrame, list[Finding]]:
    """Clips of the released layout."""
    audio, findings = _recordings(root, ".mp3")
    texts, odd = _recordings(root, ".txt")
    if not audio:
        raise wrong_folder(root, CORPUS.title, CORPUS.layout, CORPUS.marks)
    script = script_of(root / SCRIPT_FILE)
    faults: dict[str, list[str]] = defaultdict(list)
    rows: list[tuple[Any, ...]] = []
    for stem in sorted(set(audio) & set(texts)):
        who = _who(root, audio[stem], pattern, faults)
        lines = _lines(root, audio[stem], texts[stem], script, faults)
        rows += _clips(stem, audio[stem], who, lines, by, faults)
    findings += [*odd, *_unpaired(root, audio, texts, pattern), *_findings(faults)]
    advice = "Each clip is a part of a long recording: run `affectbench cut modulate-sonata` first."
    findings.append(Finding(kind="recordings not cut", items=(), fatal=False, advice=advice))
    columns = ("clip", "path", "speaker")
    schema = dict.fromkeys(columns, pl.String) | EXTRA
    return pl.DataFrame(rows, schema=schema, orient="row"), findings


def _recordings(root: Path, ending: str) -> tuple[dict[str, Path], list[Finding]]:
    """Files by stem, anywhere below root; links to folders are not followed."""
    files: dict[str, Path] = {}
    findings: list[Finding] = []
    doubled = []
    for folder in sorted(Path(name) for name, _, _ in os.walk(root)):
        found = list_audio([(folder, ending)], lambda file: file.stem)
        findings += found.findings
        for stem, path in found.files.items():
            if stem in files:
                doubled.append(str(Path(path).relative_to(root)))
            files.setdefault(stem, Path(path))
    if doubled:
        advice = "Another file of the same name was read instead. Give each recording its own name."
        kind = f"{ending} files of one name"
        findings.append(Finding(kind=kind, items=tuple(doubled), fatal=True, advice=advice))
    return files, findings


def _who(
    root: Path, path: Path, pattern: re.Pattern[str], faults: dict[str, list[str]]
) -> tuple[str | None, str | None]:
    """Speaker and role of a recording, the role as the paper spells it."""
    name = path.relative_to(root).with_suffix("").as_posix()
    match = pattern.fullmatch(name)
    if match is None:
        faults["name without speaker"].append(name)
        return None, None
    told = match.groupdict().get("role")
    spelt = {role.casefold(): role for role in ROLES}
    role = spelt.get((told or "").casefold(), told)
    if role not in ROLES:
        faults["role unknown"].append(name)
    return match["speaker"], role


def _lines(
    root: Path, audio: Path, text: Path, script: Script, faults: dict[str, list[str]]
) -> list[sonata_text.Line]:
    """The timed lines of a recording; none where its times cannot be trusted."""
    import soundfile

    lines, wrong = sonata_text.parse(text, script)
    try:
        duration_s = soundfile.info(audio).duration
    except soundfile.LibsndfileError:
        faults["recording not readable"].append(str(audio.relative_to(root)))
        lines = []
    else:
        lines, late = sonata_text.ended(lines, duration_s)
        wrong += late
        if {sonata_text.BACKWARDS, sonata_text.PAST} & {kind for kind, _ in late}:
            lines = []
    name = text.relative_to(root)
    for kind, number in wrong:
        faults[kind].append(f"{name} line {number}" if number else str(name))
    return lines


def _clips(
    stem: str,
    path: Path,
    who: tuple[str | None, str | None],
    lines: Sequence[sonata_text.Line],
    by: By,
    faults: dict[str, list[str]],
) -> list[tuple[Any, ...]]:
    """Rows of a recording: its blocks, or its lines."""
    speaker, role = who
    runs = sonata_text.blocks(lines)
    missing = set(EMOTIONS) - {str(run[0].emotion) for run in runs}
    if lines and missing:
        faults["recording without all classes"].append(f"{stem} ({listing(sorted(missing))})")
    if by == "line":
        runs = [[line] for run in runs for line in run]
    seen: dict[str, int] = defaultdict(int)
    rows = []
    for run in runs:
        emotion = str(run[0].emotion)
        seen[emotion] += 1
        clip = f"{stem}.{emotion}"
        if by == "line":
            clip += f".{seen[emotion]}"
        elif seen[emotion] > 1:
            clip += f".{seen[emotion]}"
            faults["class in two blocks"].append(clip)
        sentence = "-".join(line.sentence for line in run)
        span = (run[0].start_s, run[-1].end_s)
        rows.append((clip, str(path), speaker, *span, role, emotion, len(run), sentence))
    return rows


def _unpaired(
    root: Path, audio: Mapping[str, Path], texts: Mapping[str, Path], pattern: re.Pattern[str]
) -> list[Finding]:
    """Recordings without a text file, and text files without a recording."""
    alone = [audio[stem].relative_to(root).as_posix() for stem in sorted(set(audio) - set(texts))]
    stray = [texts[stem].relative_to(root).as_posix() for stem in sorted(set(texts) - set(audio))]
    silent = [name for name in stray if pattern.fullmatch(name.removesuffix(".txt"))]
    other = [name for name in stray if name not in silent]
    found = (
        ("audio without label", alone, True, "Each needs a text file beside it: <stem>.txt."),
        ("label without audio", silent, True, "Each needs its recording beside it: <stem>.mp3."),
        ("other text file", other, False, "It is named like no recording and was not read."),
    )
    return [
        Finding(kind=kind, items=tuple(items), fatal=fatal, advice=advice)
        for kind, items, fatal, advice in found
        if items
    ]


def _findings(faults: Mapping[str, list[str]]) -> list[Finding]:
    """The faults by kind, as findings."""
    others = {
        "name without speaker": "Their speaker is unknown. Expected <speaker>_<role>.mp3; pass a "
        "pattern that fits the names.",
        "recording not readable": "They have no readable mp3 header. Take them as released.",
        "role unknown": "Their role is none of the 15 of the paper.",
        "class in two blocks": "Other lines stand between lines of one class: they are clips of "
        "their own, numbered from the second on.",
        "recording without all classes": "The script has 25 classes; these are not in them.",
    }
    fatal = FATAL | {"name without speaker", "recording not readable"}
    return [
        Finding(kind=kind, items=tuple(faults[kind]), fatal=kind in fatal, advice=advice)
        for kind, advice in (ADVICE | others).items()
        if faults.get(kind)
    ]


def _read_cut(root: Path) -> tuple[pl.DataFrame, list[Finding]]:
    """Clips of a folder that ``cut`` has made."""
    path = root / MANIFEST
    table = labels.read_csv(path, ["clip", "speaker", "source", *EXTRA])
    labels.one_row_each(path, table, "clip")
    labels.choices(path, table, "emotion", EMOTIONS, blank_ok=False)
    limits = ("start_s", "end_s", "lines")
    table = labels.numbers(path, table, limits, 0, float("inf")).cast({"lines": pl.Int64})
    files = list_audio([(root / "wav", ".wav")], lambda file: file.stem)
    clips, findings = match_audio(table, files, "wav/<clip>.wav")
    return clips.select("clip", "path", "speaker", *EXTRA), findings


def _parts(root: Path, clips: pl.DataFrame) -> tuple[pl.DataFrame, list[Finding]]:
    """Add what the corpus does not tell as null, and the part of each speaker by ``split.csv``."""
    nulls = {name: dtype for name, dtype in CLIPS.items() if name not in (*clips.columns, "part")}
    clips = clips.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in nulls.items())
    path = root / SPLIT_FILE
    if not path.exists():
        advice = (
            f"No {SPLIT_FILE} (speaker,part) is there and the speaker lists of the paper are not "
            "published: the split is drawn by speaker in the published proportions, and scores on "
            "it are not comparable with published ones."
        )
        finding = Finding(kind="split not published", items=(), fatal=False, advice=advice)
        return clips.with_columns(part=pl.lit(None, pl.String)), [finding]
    table = labels.read_csv(path, ["speaker", "part"])
    labels.one_row_each(path, table, "speaker")
    labels.choices(path, table, "part", PARTS, blank_ok=False)
    clips = clips.join(
        table.select("speaker", "part"), on="speaker", how="left", maintain_order="left"
    )
    left = clips.filter(pl.col("part").is_null())["speaker"].unique().drop_nulls().sort()
    strange = sorted(set(table["speaker"].drop_nulls()) - set(clips["speaker"]))
    found = (
        ("speaker without part", left.to_list(), True, f"Add these speakers to {path}."),
        ("part without speaker", strange, False, f"{path} names speakers who have no clip."),
    )
    return clips, [
        Finding(kind=kind, items=tuple(items), fatal=fatal, advice=advice)
        for kind, items, fatal, advice in found
        if items
    ]


SPEAKERS: Final = {"table3": (16, 4, 3), "table4": (16, 3, 4)}  # of train, dev, test
CLIPS_OF: Final = {"table3": (516, 125, 115), "table4": (578, 75, 100)}
HMS: Final = {  # duration of the clips
    "table3": ("04:11:03", "00:59:04", "01:01:54"),
    "table4": ("04:43:33", "00:40:04", "00:48:24"),
}


def _partition(name: str) -> Split:
    """A published partition: by ``split.csv``, else drawn by speaker in its proportions."""
    full = f"modulate-sonata/{name}"
    counts = SPEAKERS[name]
    drawn = splits.by_group(full, shares=[count / sum(counts) for count in counts])

    def assign(clips: pl.DataFrame) -> pl.Series:
        if clips["path"].drop_nulls().is_duplicated().any():
            raise BadData(
                f"Split {full}: several clips are parts of one recording, {clips['path'][0]} for "
                "one. Cut them first: affectbench cut modulate-sonata --data DIR --out DIR."
            )
        if clips["part"].is_null().all():
            return drawn.assign(clips)
        told = clips.drop_nulls(["part", "speaker"]).unique("speaker")["part"].to_list()
        found = tuple(told.count(part) for part in PARTS)
        other = next((n for n, shape in SPEAKERS.items() if n != name and shape == found), None)
        if other is not None:
            raise BadData(
                f"Split {full}: {SPLIT_FILE} has {found} speakers in train, dev and test, which is "
                f"modulate-sonata/{other}; expected {counts}. Choose that split, or another file."
            )
        return clips["part"]

    return Split(name=full, version=1, disjoint="speaker", released=False, assign=assign)


TABLE3: Final = _partition("table3")
TABLE4: Final = _partition("table4")
SPLITS: Final = {split.name: split for split in (TABLE3, TABLE4)}

PAPER: Final = "workshop paper (arXiv:2403.14048)"


def _facts() -> tuple[Fact, ...]:
    """Section 2.3 and Table 3, and what Table 4 is."""
    section = f"{PAPER}, section 2.3"
    said = {
        "clips": 756,
        "mean duration_s": 29.52,
        "speakers": 23,
        "roles": 15,
        "classes": 25,
        "clips of a class from": 29,
        "clips of a class to": 32,
    }
    found = [Fact(what=what, value=value, source=section) for what, value in said.items()]
    note = (
        "Table 4 is headed MODULATE-STREAM, but its 23 speakers and 22,321 s are those of Table 3: "
        "it is a second partition of MODULATE-SONATA (split modulate-sonata/table4)."
    )
    for table, number in (("table3", 3), ("table4", 4)):
        seconds = [sonata_text.seconds(written) for written in HMS[table]]
        rows = [("duration_s", sum(seconds))]
        for i, part in enumerate(PARTS):
            rows.append((f"{part} clips", CLIPS_OF[table][i]))
            rows.append((f"{part} speakers", SPEAKERS[table][i]))
            rows.append((f"{part} duration_s", seconds[i]))
        source = f"{PAPER}, Table {number}"
        status: Literal["published", "correction"] = "published" if number == 3 else "correction"
        why = note if number == 4 else ""
        found += [
            Fact(what=what, value=value, source=source, status=status, note=why)
            for what, value in rows
        ]
    return tuple(found)


CORPUS: Final = Corpus(
    name="modulate-sonata",
    title="The Modulate Acted Expression Speech Dataset (MODULATE-SONATA)",
    access="gated",
    licence="agreement of Modulate",
    source="Baird et al. 2023, The NeurIPS 2023 Machine Learning for Audio Workshop: Affective "
    "Audio Benchmarks and Novel Data, arXiv:2403.14048",
    home="Modulate, on request (modulate.ai)",
    languages=("en",),
    published={"clips": 756, "speakers": 23, "train": 516, "dev": 125, "test": 115},
    layout="<speaker>_<role>.mp3 and <speaker>_<role>.txt (timestamps and sentences), in any "
    f"folder below; {SPLIT_FILE} (speaker,part) where it is known; or what "
    f"`affectbench cut modulate-sonata` wrote: {MANIFEST}, wav/<clip>.wav",
    read=read,
    targets=(EMOTION,),
    marks=("*_*Impression.mp3", "*_AVA*.mp3", "*_Nobility.mp3", "*_Pirate.mp3"),
    facts=_facts(),
    access_how="Ask Modulate for the agreement of the Machine Learning for Audio workshop "
    "datasets, sign it, and unpack what they send into one folder, each recording beside its text "
    "file. If they send a list of speakers and parts, put it there as split.csv (speaker,part). "
    "Then cut the recordings: affectbench cut modulate-sonata --data DIR --out DIR.",
    twin=write_sonata,
)
