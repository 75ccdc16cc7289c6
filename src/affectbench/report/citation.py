"""Sources of what a site shows, as BibTeX: parsed from the tables, nothing typed anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from affectbench import published
from affectbench.features import FEATURES
from affectbench.report.evidence import Evidence
from affectbench.systems import SYSTEMS
from affectbench.tasks import TASKS

IDS: Final = re.compile(
    r"arXiv:(?P<arxiv>\d{4}\.\d{4,5})|doi[: ](?P<doi>10\.\d{4,9}/[^\s,;)]*[^\s,;).])"
)
WHO: Final = re.compile(
    r"(?P<who>[A-Z][a-z]+(?: & [A-Z][a-z]+)?)(?P<more> et al\.)? (?P<year>(?:19|20)\d\d)\b(?:, )?"
)
SPECIAL: Final = re.compile(r"([&%$#_{}])")


@dataclass(frozen=True, slots=True)
class Source:
    """A work with an id, and what it is the source of."""

    text: str  # as the table has it
    arxiv: str
    doi: str
    uses: tuple[str, ...]

    @property
    def key(self) -> str:
        """``arxiv-2207.03572``."""
        return f"arxiv-{self.arxiv}" if self.arxiv else f"doi-{self.doi.replace('/', '-')}"


def bibliography(evidence: Evidence) -> str:
    """Works that the tasks, corpora, features, systems and published numbers come from."""
    told = [
        "% Sources of the tasks, corpora, features, systems and published numbers of this site.\n"
        "% Authors and titles are as short as the tables have them: look the id up before print."
    ]
    told += [_entry(source) for source in sources(evidence)]
    return "\n\n".join(told) + "\n"


def sources(evidence: Evidence) -> list[Source]:
    """Each work once, by id, in the order in which it is met; the fullest text describes it."""
    found: dict[str, Source] = {}
    for use, text in _told(evidence):
        for piece in text.split(";"):
            for match in IDS.finditer(piece):
                one = Source(
                    _before(piece, match), match["arxiv"] or "", match["doi"] or "", (use,)
                )
                held = found.get(one.key)
                if held:
                    uses = tuple(dict.fromkeys((*held.uses, use)))
                    fuller = max(held.text, one.text, key=_fullness)
                    one = Source(fuller, one.arxiv, one.doi, uses)
                found[one.key] = one
    return list(found.values())


def _told(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """What a source is of, and its text."""
    names = [task.name for task in evidence.tasks if task.task]
    for name in names:
        task = TASKS[name]
        yield f"task {name}", task.source
        yield f"corpus {task.corpus.name}", task.corpus.source
    for found in evidence.tasks:
        for label, one in found.systems.items():
            features = one.result["features"]["name"]
            if features in FEATURES:
                yield f"features {features}", FEATURES[features].source
            name = one.result["system"]["name"]
            if name in SYSTEMS:
                yield f"system {label}", SYSTEMS[name].source
    for name in names:
        for row in published.of_task(name):
            yield f"published numbers of {name}", f"{row.source}; {row.paper}"


def _before(piece: str, match: re.Match[str]) -> str:
    """Who and what, in front of the id; without its brackets."""
    return piece[: match.start()].strip(" ,(").removesuffix("workshop paper").strip()


def _fullness(text: str) -> tuple[bool, int]:
    return WHO.match(text) is not None, len(text)


def _entry(source: Source) -> str:
    who = WHO.match(source.text)
    lines = []
    title = source.text
    if who:
        author = " and ".join(name.strip() for name in who["who"].split("&"))
        lines += [f"author = {{{author}{' and others' if who['more'] else ''}}}"]
        title = source.text[who.end() :]
        lines.append(f"year = {{{who['year']}}}")
    if title:
        lines.append(f"title = {{{{{SPECIAL.sub(_escaped, title)}}}}}")
    if source.arxiv:
        lines += [f"eprint = {{{source.arxiv}}}", "archivePrefix = {arXiv}"]
    else:
        lines.append(f"doi = {{{source.doi}}}")
    lines.append(f"note = {{Source of: {SPECIAL.sub(_escaped, ', '.join(source.uses))}}}")
    inner = ",\n".join(f"  {line}" for line in lines)
    return f"@misc{{{source.key},\n{inner}\n}}"


def _escaped(match: re.Match[str]) -> str:
    return f"\\{match[1]}"
