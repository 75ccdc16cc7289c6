"""The script of MODULATE-SONATA: which sentence belongs to which of the 25 classes.

The sentences are other people's writing, so none is stored: a sentence is found again by the
first 12 hex digits of the SHA-256 of its letters and digits, lower case, without spaces (``key``).
Source: workshop paper (arXiv:2403.14048), appendix 5.1: 72 lines, 1,062 words. What a narrator
says within a line of 'pain' counts to that line.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import Final

from affectbench.corpora import labels
from affectbench.errors import BadData

# Class -> its lines, in the order of the paper, as words:key.
_LINES: Final = {
    "amusement": "4:4c127b06b457 24:01b441f394e4 21:0b834183048d",
    "embarrassment": "7:0f6b21d1503d 20:3c164c4c1585",
    "sadness": "56:13dd969a4a4a 26:86b6cba086d9 9:56f3c1c7ef10",
    "elation": "9:94d6074e0a7f 10:2a84e1b5af25 4:f9c00fc4b577",
    "triumph": "15:e3f9295f2533 7:67bcba377d43 29:b4625d151d2e",
    "contempt": "49:4ebecde6093b 29:af0d92f2c54e 4:4d83b326f2a2",
    "disgust": "10:6c601734a598 8:96c8ebd2ab72",
    "disappointment": "10:bb4dda58c276 26:333a8f7dccd4 7:11bc681a520a",
    "anger": "18:75a65bf29989 20:b9241528000f 15:2eca19ade5b9",
    "adoration": "12:5188fb373a72 18:248640713a67",
    "sympathy": "12:8143ecff0da2 17:c14bddefdc7a 8:442c9ad532cc",
    "distress": "25:b21b8076f9d4 21:6488fce91709 11:54e40af6ded6 24:ff171bc1a161",
    "pain": "8:9be01dc590ae 30:5976626f2389 19:ccc305a5a7cd",
    "hype": "10:3958666eb6d2 2:8c6d66473482",
    "seductionecstasy": "8:e9a68d79da47 12:ccfbd10776b6 11:5cf66a6ca873 "
    "5:36a8508ac64c 14:0b90210cc77a",
    "desire": "12:d4be4eadf48b 15:c83cca35b126",
    "contentment": "17:d6e66b7eba7d 4:a49c4c2b281d 7:8191ee6ab198 26:eba4d7e9986e",
    "relief": "10:251aa673fef7 8:1e83059bd2cc 9:42f21002160c",
    "realization": "5:c80845e84427 16:e3830b425695 3:67df3d42e766 3:47ce4d56f125 "
    "7:b572ae19cd7f 11:3ac393ff6926",
    "interest": "29:cbb619600601 11:458f626ace67",
    "confusion": "15:3454156bd53e 7:6b81b993fc91",
    "awe": "10:6e286b7123ca 6:aaeca1ecfae3 8:f351ff18e8a5",
    "surprisepositive": "32:a2afc0f00595 13:bb5c7b26d76a",
    "surprisenegative": "7:eb338579a0eb 18:23932803837e",
    "fear": "22:2033e85e0d6c 27:77f42b79c6b2",
}
# Lines of the paper with a plain misprint, without it; and the parts of the narrated line.
_VARIANTS: Final = {
    "awe": "89ba55b56958",
    "contempt": "e60ab9d0d697",
    "disappointment": "971c099580e4",
    "distress": "9dc5aad5aa97",
    "pain": "ab27387e095b 36e52e55fab0 a4988e1cac74",
    "sadness": "c93f2ebb827c",
    "seductionecstasy": "f0ce8c6e5137",
}
EMOTIONS: Final = tuple(sorted(_LINES))  # the class ids as the paper prints them
WORDS: Final = {
    name: tuple(int(line.partition(":")[0]) for line in _LINES[name].split()) for name in EMOTIONS
}  # of each line
ROLES: Final = (
    "Spellcaster",
    "AVANasallyAndMidpitched",
    "Nobility",
    "Pirate",
    "Outlander",
    "KeanuImpression",
    "JudyDenchImpression",
    "SmallCompanion",
    "AVABubblyAndSweet",
    "MatureAndSmokey",
    "BatmanImpression",
    "EmmaWatsonImpression",
    "ScarlettJohansonImpression",
    "KristenBellImpression",
    "AVAChild",
)  # as the paper spells them, section 2.3; AVA: anime voice archetype
_OTHER_NAMES: Final = {
    "ecstasy": "seductionecstasy",
    "seduction": "seductionecstasy",
    "negativesurprise": "surprisenegative",
    "positivesurprise": "surprisepositive",
}
_LABEL: Final = re.compile(r"\W*(?:emotion|class|label|section)\s*[:=]", re.IGNORECASE)

Script = dict[str, str]  # key of a sentence -> class


def key(sentence: str) -> str:
    """What stands for a sentence: case, punctuation, quotes and spaces do not count."""
    text = unicodedata.normalize("NFKC", sentence).casefold()
    letters = "".join(letter for letter in text if letter.isalnum())
    return hashlib.sha256(letters.encode()).hexdigest()[:12]


def emotion_named(text: str) -> str | None:
    """The class that ``text`` names, and nothing but names; None otherwise.

    ``Seduction / Ecstasy``, ``[surprise (positive)]``, ``# Emotion: fear`` are names.
    """
    name = "".join(letter for letter in _LABEL.sub("", text).casefold() if letter.isalpha())
    name = _OTHER_NAMES.get(name, name)
    return name if name in WORDS else None


def published() -> Script:
    """The script of the paper."""
    script = {
        line.partition(":")[2]: name for name, lines in _LINES.items() for line in lines.split()
    }
    return script | {digest: name for name, some in _VARIANTS.items() for digest in some.split()}


def script_of(path: Path) -> Script:
    """The published script and the lines of a CSV ``emotion,sentence``, which may be absent.

    Raises:
        BadData: an unknown class, a blank sentence, or one sentence in two classes.
    """
    script = published()
    if not path.is_file():
        return script
    table = labels.read_csv(path, ["emotion", "sentence"])
    problems = []
    for row, name, sentence in table.select(labels.ROW, "emotion", "sentence").iter_rows():
        emotion = emotion_named(name or "")
        if emotion is None:
            problems.append(f"row {row}: emotion is {name!r}, expected one of the 25 classes")
        elif not sentence:
            problems.append(f"row {row}: sentence is blank")
        elif script.setdefault(key(sentence), emotion) != emotion:
            problems.append(f"row {row}: its sentence belongs to another class already")
    if problems:
        raise BadData(f"{path}: {'; '.join(problems[:10])}. {len(problems):,} rows to correct.")
    return script
