"""The site in Debian's Chromium: no errors, no overflow, tables sort, players play, axe is content.

``.ci/browser`` brings Chromium and axe-core. Without them, or without Playwright's Python package,
these tests are skipped by name.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from affectbench.report import clips

PAGES = (
    "index.html",
    "tasks/avb-high.html",
    "tasks/avb-type.html",
    "tasks/exvo-multitask.html",
    "corpora/hume-vocalburst.html",
)
AXE = sorted(Path(__file__).parents[1].glob("build/axe-*/package/axe.min.js"))
FLAGS = ("--no-sandbox", "--mute-audio", "--autoplay-policy=no-user-gesture-required")


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium, for this file alone: other tests have event loops of their own."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no Chromium: .ci/browser installs it")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield found
        found.close()


@pytest.fixture
def visit(browser, made):
    """Open a page of the site: at a width, in a scheme, and without its policy for axe."""
    contexts = []

    def open_page(name, *, width=1440, scheme="light", told=None, **options):
        size = {"width": width, "height": 800}
        context = browser.new_context(viewport=size, color_scheme=scheme, **options)
        contexts.append(context)
        page = context.new_page()
        if told is not None:
            page.on("console", lambda message: told.append(message.text))
            page.on("pageerror", lambda error: told.append(str(error)))
            page.on("request", lambda request: told.append(request.url[:60]))
        page.goto((made.site / name).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_without_a_word_and_loads_nothing(visit, made, name):
    told = []
    page = visit(name, told=told)
    page.wait_for_load_state("load")
    address = (made.site / name).as_uri()
    assert [line for line in told if not line.startswith((address[:60], "data:"))] == []
    assert page.locator("h1").count() == 1


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_overflows(visit, name, width):
    page = visit(name, width=width)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    wide, beyond = page.evaluate(
        """() => {
            const box = (one) => one.closest(".wide, pre, .broad > div, .unseen, .skip");
            const out = [...document.body.querySelectorAll("*")]
                .filter((one) => !box(one) && one.getBoundingClientRect().right > innerWidth + 1)
                .map((one) => one.outerHTML.slice(0, 80));
            return [document.documentElement.scrollWidth, out];
        }"""
    )
    assert beyond == []
    assert wide <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(visit, name, scheme):
    if not AXE:
        pytest.skip("there is no axe-core: .ci/browser fetches it")
    page = visit(name, scheme=scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    page.add_script_tag(path=AXE[-1])
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert found["passes"]
    assert [
        (rule["id"], rule["impact"], node["html"][:120])
        for rule in found["violations"]
        for node in rule["nodes"]
    ] == []


def test_the_scheme_follows_the_reader(visit):
    paper = "getComputedStyle(document.body).backgroundColor"
    light, dark = (visit("index.html", scheme=s).evaluate(paper) for s in ("light", "dark"))
    assert light == "rgb(255, 255, 255)"
    assert dark != light


def test_tables_sort_by_number_and_by_text(visit):
    page = visit("tasks/avb-type.html")
    table = page.locator("table.sortable").filter(has_text="HCAI").first
    value, system = (
        table.locator("th", has=page.locator(f"button:text-is('{name}')"))
        for name in ("value", "system")
    )

    def column(head):
        at = head.evaluate("(cell) => cell.cellIndex")
        rows = table.locator("tbody tr").all()
        return [row.locator("th, td").nth(at).inner_text().split("\n")[0] for row in rows]

    first = column(value)
    assert first == sorted(first, reverse=True)
    value.locator("button").click()
    assert value.get_attribute("aria-sort") == "descending"
    value.locator("button").click()
    assert value.get_attribute("aria-sort") == "ascending"
    assert column(value) == first[::-1]
    system.locator("button").press("Enter")
    assert (system.get_attribute("aria-sort"), value.get_attribute("aria-sort")) == (
        "ascending",
        None,
    )
    names = column(system)
    assert names == sorted(names, key=str.lower)


def test_empty_cells_are_sorted_last(visit):
    page = visit("corpora/hume-vocalburst.html")
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    table = page.locator("table.sortable").first
    table.locator("tbody tr").first.locator("td").nth(1).evaluate(
        "(cell) => { cell.textContent = ''; delete cell.dataset.value; }"
    )
    for _ in range(2):
        table.locator("th button").nth(2).click()
        cells = table.locator("tbody tr td:nth-child(3)").all_inner_texts()
        assert cells[-1] == ""
        assert "" not in cells[:-1]


def test_players_load_play_and_take_turns(visit):
    page = visit("tasks/avb-high.html")
    told = page.evaluate(
        """async () => {
            const players = [...document.querySelectorAll("audio")];
            const once = (one, event) =>
                new Promise((done) => one.addEventListener(event, done, { once: true }));
            for (const one of players) {
                if (one.readyState < 1) await once(one, "loadedmetadata");
            }
            await players[0].play();
            await once(players[0], "timeupdate");
            const hand = document.querySelector(".wave i").style.left;
            const paused = once(players[0], "pause");
            await players[1].play();
            await paused;
            return [players.map((one) => one.duration), hand, players[1].paused];
        }"""
    )
    lengths, hand, silent = told
    assert len(lengths) == clips.SHOWN
    assert all(0 < length < 3.3 for length in lengths)
    assert hand.endswith("%")
    assert not silent


def test_the_keyboard_skips_to_the_content(visit):
    page = visit("index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_print_shows_what_is_folded(visit):
    page = visit("tasks/avb-high.html")
    assert page.pdf()[:4] == b"%PDF"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("[...document.querySelectorAll('details')].every((one) => one.open)")
    page.emulate_media(media="print")
    assert not page.locator(".contents").is_visible()
    assert not page.locator("audio").first.is_visible()


def test_pages_can_be_read_without_script(visit):
    page = visit("tasks/avb-high.html", java_script_enabled=False)
    assert page.locator("table.sortable th").first.inner_text() == "#"
    assert page.locator("h2").count() > 5
