"""The report: a site of static pages about a folder of results, which opens from the disk.

evidence.py   what the pages are made of: boards, stored results, the data behind them
index.py      the first page; task.py and corpus.py the others; card.py a system's model card
pictures.py   stored results as figures (figures/ draws them); clips.py and sound.py what is heard
citation.py   CITATION.bib; commands.py how the numbers were made; prose.py the guide as HTML
tables.py     tables; markup.py elements, escaped; page.py what every page has
folder.py     where a site may be written
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from affectbench.corpora import CORPORA
from affectbench.errors import MissingExtra
from affectbench.report import folder
from affectbench.report.card import card
from affectbench.report.citation import bibliography
from affectbench.report.corpus import corpus_page
from affectbench.report.evidence import gather
from affectbench.report.index import corpora_of, index_page
from affectbench.report.site import Names, without_paths
from affectbench.report.task import task_page

__all__ = ["write"]


def write(results: Path, out: Path | None = None, *, licensed_audio: bool = False) -> Path:
    """Write the site of a folder of results. The same results give the same bytes.

    Args:
        results: the folder; of one task, or of several.
        out: folder of the site, new, empty or written by an earlier report; None: the folder of
            results, in which nothing but an earlier site's files is overwritten.
        licensed_audio: whether the hardest clips of a licensed corpus can be heard. Their labels
            are never shown.

    Returns:
        The page to open, ``index.html``.

    Raises:
        MissingData: the folder holds no results.
        ResultConflict: files lie in ``out`` that no report wrote.
        MissingExtra: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise MissingExtra("matplotlib", "report")
    out = out or results
    folder.check(out, results)
    evidence = gather(results)
    names = Names(evidence)
    files: dict[str, str] = {"index.html": index_page(evidence, names)}
    for task in evidence.tasks:
        files[names.task(task.name)] = task_page(task, names, licensed_audio=licensed_audio)
        for label, name in names.cards[task.name].items():
            files[name] = card(task, label)
    for name in corpora_of(evidence):
        files[names.corpus(name)] = corpus_page(CORPORA[name], evidence, names)
    files["CITATION.bib"] = bibliography(evidence)
    told = {name: without_paths(text, evidence.roots) for name, text in files.items()}
    folder.write(out, results, told)
    return out / "index.html"
