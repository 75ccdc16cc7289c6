"""The site of a folder of results: whole, safe, the same each time, and never over other files."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import polars as pl
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import board_cases
from affectbench import TASKS, guide
from affectbench.board import of_task
from affectbench.board.wording import clean
from affectbench.errors import MissingData, MissingExtra, ResultConflict
from affectbench.report import clips, folder, write
from affectbench.report.evidence import gather
from affectbench.report.markup import Html, el, joined, sourced
from affectbench.report.prose import rendered
from affectbench.report.site import slug, without_paths
from affectbench.report.sound import LONGEST_S, sound_of
from affectbench.report.tables import group_table
from report_cases import Page

EVIL = '<img src=x onerror=alert(1)> & "it\'s" \u202ebidi'


def pages_of(site: Path) -> dict[str, Page]:
    """The HTML pages by their path."""
    return {str(p.relative_to(site)): Page(p.read_text()) for p in sorted(site.rglob("*.html"))}


@pytest.fixture(scope="module")
def pages(made):
    """The pages of the site."""
    return pages_of(made.site)


@pytest.fixture
def copied(made, tmp_path):
    """Results of one task that a test may change."""
    folder = tmp_path / "results/avb-type"
    return Path(shutil.copytree(made.results / "avb-type", folder)).parent


def test_there_is_a_page_for_each_task_and_corpus_and_a_card_for_each_system(made):
    files = {str(p.relative_to(made.site)) for p in made.site.rglob("*") if p.is_file()}
    assert files == {
        "index.html",
        "CITATION.bib",
        "affectbench-site.json",
        "corpora/hume-vocalburst.html",
        "tasks/avb-high.html",
        "tasks/avb-type.html",
        "tasks/exvo-multitask.html",
        "cards/avb-high--nearest.md",
        "cards/avb-high--other.md",
        "cards/avb-high--licensed.md",
        "cards/avb-type--nearest.md",
        "cards/exvo-multitask--nearest.md",
    }
    listed = json.loads((made.site / "affectbench-site.json").read_text())["files"]
    assert set(listed) == files - {"affectbench-site.json"}


def test_pages_are_well_formed(pages):
    for name, page in pages.items():
        assert (page.wrong, page.open) == ([], []), name
        assert len(page.ids) == len(set(page.ids)), name
        assert page.headings[0] == 1, name
        assert page.headings.count(1) == 1, name
        steps = zip(page.headings, page.headings[1:], strict=False)
        assert all(deeper <= level + 1 for level, deeper in steps), name
        assert dict(page.tags)["html"] == {"lang": "en"}, name
        for tag in ("main", "header", "footer", "h1"):
            assert page.count(tag) == 1, (name, tag)
        assert page.count("caption") == page.count("table"), name
        heads = [told for tag, told in page.tags if tag == "th"]
        assert all(told.get("scope") in ("col", "row") for told in heads), name
        drawn = [told for tag, told in page.tags if tag == "svg"]
        assert all("aria-label" in told or "aria-labelledby" in told for told in drawn), name


def test_links_lead_somewhere(made, pages):
    for name, page in pages.items():
        for link in page.links:
            if link.startswith("https://"):
                continue
            path, _, part = link.partition("#")
            target = (made.site / name).parent / unquote(path) if path else made.site / name
            assert target.resolve().is_file(), (name, link)
            if part:
                assert part in page.ids, (name, link)


def test_nothing_is_loaded_from_elsewhere(pages):
    for name, page in pages.items():
        assert all(address.startswith(("data:", "#")) for address in page.loaded), name
        styles = re.findall(r"<style>.*?</style>", page.text, re.DOTALL)
        assert all("url(" not in style and "@import" not in style for style in styles), name
        policy = next(told["content"] for tag, told in page.tags if "http-equiv" in told)
        assert "default-src 'none'" in policy
        assert page.count("script") == 1


def test_no_page_names_a_folder_of_this_machine(made):
    for path in made.site.rglob("*.*"):
        assert str(made.results.parent) not in path.read_text(), path
        assert str(Path.home()) + "/" not in path.read_text(), path


def test_the_same_results_give_the_same_bytes(made, tmp_path):
    again = tmp_path / "again"
    assert write(made.results, again) == again / "index.html"
    for path in sorted(made.site.rglob("*.*")):
        assert (again / path.relative_to(made.site)).read_bytes() == path.read_bytes(), path


def test_the_site_is_small(made):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path in made.site.rglob("*.*"):
            file.write(path, path.relative_to(made.site))
    assert len(packed.getvalue()) < 2e6


def test_the_index_tells_the_best_of_each_task_and_what_is_missing(made, pages):
    shown = pages["index.html"].shown
    summary = json.loads((made.results / "avb-type/nearest/summary.json").read_text())
    score = summary["scores"]["test"]["uar.truth"]
    assert f"{score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]" in shown
    ceiling = json.loads((made.twin / "ceiling.json").read_text())["avb-type"]["test"]
    assert f"{ceiling:.3f}" in shown
    assert "0.586 HCAI, test" in shown  # Table 9
    assert "synthetic twin" in shown
    absent = shown.partition("No result yet")[2]
    assert "affectbench run avb-culture --system egemaps-svm --data DATA" in absent
    assert "avb-type" not in absent


def test_a_task_has_its_figures_and_its_protocol(pages):
    high, kinds, several = (
        pages[f"tasks/{name}.html"] for name in ("avb-high", "avb-type", "exvo-multitask")
    )
    for page, sections in (
        (high, {"board", "systems", "agreement", "groups", "curves", "clips", "protocol"}),
        (kinds, {"board", "systems", "confusion", "groups", "curves", "clips", "protocol"}),
        (several, {"agreement", "confusion", "groups", "curves"}),
    ):
        assert sections | {"commands", "versions"} <= set(page.ids)
    assert "agreement" not in kinds.ids
    assert "confusion" not in high.ids
    assert "Seed 0, the median of 2." in high.shown or "Seed 1, the median of 2." in high.shown
    assert "59,201 clips: so say the splits of Table 2" in high.shown  # an erratum
    assert "chance 0.125" in kinds.shown


def test_results_of_other_data_are_never_mixed(pages):
    shown = pages["tasks/avb-high.html"].shown
    titles = ("Test, twin of hume-vocalburst", "Dev, twin of hume-vocalburst")
    assert all(title in shown for title in titles)
    assert "Dev, 144 of 59,201 clips" in shown or "Dev, 48 of 19,396 clips" in shown
    assert "Data: synthetic twin" in pages["corpora/hume-vocalburst.html"].shown
    assert "Data: corpus" in pages["corpora/hume-vocalburst.html"].shown


def test_commands_name_no_machine_and_make_the_twin_again(pages):
    shown = pages["tasks/avb-type.html"].shown
    assert "affectbench twin hume-vocalburst --out DATA --scale 0.002 --seed 0" in shown
    run = "affectbench run avb-type --system FILE.py:NAME --seed 0 --seed 1 --data DATA"
    assert run in shown or run.replace(" --seed 0 --seed 1", "") in shown
    assert "affectbench score RESULTS/avb-type --labels LABELS --draws 40" in shown


def test_hardest_clips_of_a_twin_can_be_heard(pages):
    page = pages["tasks/avb-type.html"]
    sounds = [told["src"] for tag, told in page.tags if tag == "audio"]
    assert len(sounds) == clips.SHOWN
    assert all(sound.startswith("data:audio/mpeg;base64,") for sound in sounds)
    assert all(told["controls"] is None for tag, told in page.tags if tag == "audio")


@pytest.fixture
def licensed(made, tmp_path):
    """Results of the licensed folder alone."""
    folder = tmp_path / "results/avb-high/licensed"
    return Path(shutil.copytree(made.results / "avb-high/licensed", folder)).parents[1]


def test_no_licensed_clip_is_shown_or_heard(made, licensed):
    site = write(licensed, licensed.parent / "site").parent
    pages = pages_of(site)
    page = pages["tasks/avb-high.html"]
    assert page.count("audio") == 0
    assert "are licensed, and are not shown" in page.shown
    assert "in hexagons" in page.shown  # no dot that could be read off
    told = " ".join(each.shown for each in pages.values())
    told += " ".join(path.read_text() for path in site.glob("cards/*"))
    ids = set(pl.read_csv(made.licensed / "labels/high_info.csv")["File_ID"].str.strip_chars("[]"))
    ids -= set(re.findall(r"\b\d{5}\b", guide.task_page(TASKS["avb-high"])))  # [00123]
    assert len(ids) == 143
    assert not ids & set(re.findall(r"\b\d{5}\b", told))


def test_licensed_audio_has_to_be_asked_for_and_comes_without_labels_and_names(licensed):
    write(licensed, licensed.parent / "site", licensed_audio=True)
    page = Page((licensed.parent / "site/tasks/avb-high.html").read_text())
    assert page.count("audio") == clips.SHOWN
    labels = [told for tag, told in page.tags if told.get("aria-label", "").startswith("Labels of")]
    assert labels == []
    heard = [told["aria-label"] for tag, told in page.tags if tag == "audio"]
    assert heard == [f"Play Clip {number}" for number in range(1, 1 + clips.SHOWN)]


def test_a_folder_that_is_gone_or_changed_is_not_listened_to(made, copied):
    for path in copied.glob("*/*/*/run.json"):
        facts = json.loads(path.read_text())
        path.write_text(json.dumps({**facts, "data": str(made.twin.parent / "nowhere")}))
    site = write(copied, copied.parent / "site").parent
    page = Page((site / "tasks/avb-type.html").read_text())
    assert page.count("audio") == 0
    assert "The folder of the data is not there any more" in page.shown
    corpus = Page((site / "corpora/hume-vocalburst.html").read_text())
    assert "What the results recorded of it" in corpus.shown
    for path in copied.glob("*/*/*/run.json"):  # another corpus lies there now
        facts = json.loads(path.read_text())
        path.write_text(json.dumps({**facts, "data": str(made.licensed)}))
    twins = [data for data in gather(copied).data if data.origin == "twin"]
    assert [data.root for data in twins] == [None]


def test_markup_in_names_notes_and_clips_is_text(tmp_path):
    results = tmp_path / "results"
    place = board_cases.store(results, EVIL.replace("/", ""), origin="twin")
    summary = json.loads((place / "summary.json").read_text())
    board_cases.change(place / "summary.json", notes=[*summary["notes"], EVIL])
    complete(place)
    site = write(results, tmp_path / "site").parent
    for name, page in pages_of(site).items():
        assert (page.wrong, page.open) == ([], []), name
        assert page.count("img") == 0, name
        assert not any("onerror" in told for _, told in page.tags), name
        assert "\u202e" not in page.text
    assert "<img src=x onerror=alert(1)>" in Page((site / "tasks/avb-type.html").read_text()).shown
    (card,) = (site / "cards").iterdir()
    assert slug(clean(EVIL.replace("/", ""))) in card.name
    assert "<img" not in re.sub(r"`[^`]*`", "", card.read_text())


def complete(place: Path) -> None:
    """What the results of ``board_cases`` leave out and a run always writes."""
    for path in place.glob("seed*/result.json"):
        result = json.loads(path.read_text())
        data, task = result["data"], TASKS["avb-type"]
        data["split"] |= {"name": task.split.name, "version": 1, "released": True}
        for counts in data["parts"].values():
            counts |= {"readable": counts["clips"], "speakers": 12}
        system = {**result["system"], "refit": False, "settings": {}, "source": ""}
        more = {
            "findings": [],
            "versions": {"affectbench": "0.1.0"},
            "features": {"name": "levels", "dim": 3, "identity": {"version": "1"}},
        }
        board_cases.change(path, data=data, system=system, **more)


def test_clips_with_markup_in_their_names(made, tmp_path):
    detail = gather(made.results).tasks[-1].details[0]
    (worst,) = clips.errors(detail).head(1)["clip"]
    path = tmp_path / "x.wav"
    soundfile.write(path, 0.1 * np.ones(1600), 16_000)
    told = joined(clips._clip(detail, worst, 1.0, str(path), "x"))
    assert f"Play {worst}" in told
    for one in detail.systems.values():
        renamed = pl.col("clip").replace(worst, EVIL)
        tables = {part: tuple(t.with_columns(renamed) for t in held)
                  for part, held in one.tables.items()}  # fmt: skip
        object.__setattr__(one, "tables", tables)
    page = Page(joined(clips._clip(detail, EVIL, 1.0, str(path), "x")))
    assert (page.wrong, page.open, page.count("img")) == ([], [], 0)
    assert EVIL.replace("\u202e", "") in page.shown


def test_a_board_of_published_and_measured_rows_says_which_is_which(tmp_path):
    board_cases.store(tmp_path, "mine", seeds=(0, 1), fit_and_predict_s=2.0)
    board = of_task(board_cases.TASK, results=tmp_path)
    test = board_cases.group(board, "Test")
    page = Page(group_table(board, test, lambda row: "card.md" if row.kind == "own" else None))
    assert page.wrong == []
    assert page.links.count("card.md") == 1
    marked = [told for tag, told in page.tags if tag == "tr" and told.get("class") == "first"]
    assert len(marked) == 1
    assert "measured 2 seeds, 2.0 s of training, 1,000 parameters" in page.shown
    assert "reported" in page.shown
    assert "HCAI" in page.shown
    alone = Page(
        group_table(board, replace(test, rows=tuple(board_cases.own(test))), lambda _: None)
    )
    assert "training s" in alone.shown
    assert "measured" not in alone.shown


@given(st.text())
def test_text_is_never_markup(text):
    page = Page(el("p", text, title=text))
    assert [tag for tag, _ in page.tags] == ["p"]
    assert page.wrong == page.open == []


def test_elements():
    assert el("p", "a", None, ["<", Html("<br>")], class_="x", hidden=True, id=None) == (
        '<p class="x" hidden>a&lt;<br></p>'
    )
    assert el("meta", data_value=1.5) == '<meta data-value="1.5">'
    assert joined("a", 0, by=" ") == "a 0"
    told = sourced("Lin 1989, doi:10.2307/2532051, arXiv:2207.03572; github.com/x/y@0")
    assert re.findall('href="([^"]+)"', told) == [
        "https://doi.org/10.2307/2532051",
        "https://arxiv.org/abs/2207.03572",
        "https://github.com/x/y",
    ]


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_the_guide_is_rendered_whole(task):
    page = Page(rendered(guide.task_page(task), deeper=1, prefix="p"))
    assert (page.wrong, page.open) == ([], [])
    assert len(page.ids) == len(set(page.ids))
    assert not re.search(r"```|\*\*|^\||\]\(|<!--", page.shown)
    assert task.title in guide.task_page(task)
    assert "Split" in page.shown
    for metric in (task.metric, *task.also):
        assert metric.key in page.shown


def test_a_card_tells_score_cost_limits_licences_and_how_to_run(made):
    card = (made.site / "cards/avb-type--nearest.md").read_text()
    summary = json.loads((made.results / "avb-type/nearest/summary.json").read_text())
    score = summary["scores"]["test"]["uar.truth"]
    bounds = f"[{score['low']:.3f}, {score['high']:.3f}]"
    assert f"| test | `uar.truth` (ranks) | {score['value']:.3f} | {bounds} |" in card
    sections = re.findall(r"^## (.*)", card, re.MULTILINE)
    assert sections == [
        *("Data", "Score", "Fit", "Cost", "Limits", "Licences", "Run it", "Versions")
    ]
    assert "must not be used to judge one" in card
    assert "synthetic" in card
    assert f"digest of all inputs: `{summary['inputs']}`" in card
    assert card.count("```") % 2 == 0


def test_sources_are_cited_once_each(made):
    text = (made.site / "CITATION.bib").read_text()
    keys = re.findall(r"@misc\{(.*),", text)
    assert len(keys) == len(set(keys))
    assert text.count("{") == text.count("}")
    assert {"arxiv-2207.03572", "arxiv-2205.01780", "arxiv-2403.14048"} <= set(keys)
    entry = next(part for part in text.split("@misc") if part.startswith("{arxiv-2207.03572"))
    assert "author = {Baird and others}" in entry
    assert "task avb-high" in entry


def test_a_task_and_a_corpus_of_ones_own(tmp_path):
    results = tmp_path / "results"
    complete(board_cases.store(results, task_name="my-task", origin="twin"))
    write(results)
    page = Page((results / "tasks/my-task.html").read_text())
    assert "my-task is no task of this package" in page.shown
    assert "a task of your own" in Page((results / "index.html").read_text()).shown


def test_results_that_cannot_be_used_are_told_without_their_place(copied):
    path = copied / "avb-type/nearest/seed0/dev.parquet"
    table = pl.read_parquet(path)
    table.with_columns(pl.col("prediction.Voc_Type").shuffle(seed=1)).write_parquet(path)
    site = write(copied, copied.parent / "site").parent
    for name in ("index.html", "tasks/avb-type.html"):
        page = Page((site / name).read_text())
        assert "Results that cannot be used" in page.shown
        assert "RESULTS/avb-type/nearest/seed0: the predictions for dev were changed" in page.shown
        assert str(copied) not in page.text


def test_no_results_no_folder_no_matplotlib(made, tmp_path, monkeypatch):
    with pytest.raises(MissingData, match="is not a folder"):
        write(tmp_path / "nowhere", tmp_path / "site")
    with pytest.raises(MissingData, match="holds no results"):
        write(tmp_path, tmp_path / "site")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("affectbench.report.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"affectbench\[report\]"):
        write(made.results, tmp_path / "site")


SITE = {"index.html": "x", "tasks/a.html": "y", "cards/a--b.md": "z"}


def test_a_site_is_written_to_new_empty_and_own_folders(tmp_path):
    results, site = tmp_path / "results", tmp_path / "site"
    folder.write(site, results, SITE)
    assert {name: (site / name).read_text() for name in SITE} == SITE
    (site / "notes.txt").write_text("mine")
    folder.write(site, results, {"index.html": "new"})
    assert (site / "index.html").read_text() == "new"
    assert not (site / "tasks/a.html").exists()
    assert (site / "notes.txt").read_text() == "mine"
    with pytest.raises(ResultConflict, match=r"notes\.txt"):
        folder.write(site, results, {**SITE, "notes.txt": "over"})
    empty = tmp_path / "empty"
    empty.mkdir()
    folder.write(empty, results, SITE)


def test_a_folder_of_others_is_never_touched(tmp_path):
    site = tmp_path / "home"
    site.mkdir()
    (site / "index.html").write_text("mine")
    with pytest.raises(ResultConflict, match=r"no report of ours wrote: index\.html"):
        folder.write(site, tmp_path / "results", SITE)
    assert [path.name for path in site.iterdir()] == ["index.html"]
    assert (site / "index.html").read_text() == "mine"
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(ResultConflict, match="is a file"):
        folder.check(file, tmp_path / "results")


def test_among_results_only_ones_own_pages_are_replaced(tmp_path):
    (tmp_path / "avb-high").mkdir()
    folder.write(tmp_path, tmp_path, SITE)
    folder.write(tmp_path, tmp_path, SITE)
    other = tmp_path / "other"
    (other / "cards").mkdir(parents=True)
    (other / "cards/a--b.md").write_text("mine")
    with pytest.raises(ResultConflict, match=r"cards/a--b\.md"):
        folder.write(other, other, SITE)
    assert not (other / "index.html").exists()


def test_a_killed_run_leaves_a_folder_that_the_next_one_knows(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folder, "write_atomic", stop)
        with pytest.raises(KeyboardInterrupt):
            folder.write(tmp_path / "site", tmp_path, SITE)
    folder.write(tmp_path / "site", tmp_path, SITE)
    assert (tmp_path / "site/index.html").read_text() == "x"


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"files": 3}', '{"files": ["../../etc/passwd"]}', '{"files": ["/index.html"]}'],
)
def test_a_damaged_list_of_files_is_refused(tmp_path, content):
    (tmp_path / folder.MARKER).write_text(content)
    with pytest.raises(ResultConflict, match="is damaged, or not of ours"):
        folder.write(tmp_path, tmp_path, SITE)
    assert [path.name for path in tmp_path.iterdir()] == [folder.MARKER]


def test_names_of_files():
    assert slug("avb-high") == "avb-high"
    assert slug("..") != ".."
    strange = [slug(name) for name in ("a/b", "a b", "ä", "", "x" * 300, "a\\b", "..", "Ä")]
    assert len(set(strange)) == len(strange)
    assert all(re.fullmatch(r"[\w-]{1,80}", name, re.ASCII) for name in strange)


def test_paths_are_taken_out_the_longest_first():
    roots = {"/a": "RESULTS", "/a/b&c": "DATA", "/": "x"}
    assert without_paths("/a/b&c/d /a/b&amp;c /a/x", roots) == "DATA/d DATA RESULTS/x"


def test_a_long_clip_is_cut_and_a_broken_one_is_not_heard(tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, 0.5 * np.sin(np.arange(4 * 8_000) / 5), 8_000)
    heard = sound_of(path)
    assert len(heard.samples) == LONGEST_S * 16_000
    assert (heard.cut, heard.whole_s) == (True, pytest.approx(4, abs=0.01))
    assert abs(int(heard.samples[-1])) < 100
    assert heard.address() == sound_of(path).address()
    path.write_bytes(b"RIFF")
    assert sound_of(path) is None
    assert sound_of(tmp_path / "nowhere.wav") is None


def test_the_verb(call, made, tmp_path):
    code, out, err = call("report", made.results, "--out", tmp_path / "site")
    assert (code, err) == (0, "")
    assert out == f"Open {tmp_path / 'site' / 'index.html'}\n"
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/thesis.tex").write_text("mine")
    code, out, err = call("report", made.results, "--out", tmp_path / "taken")
    assert (code, out) == (2, "")
    assert "thesis.tex" in err
