"""What every page has: head, way back, contents, foot. Style and script are in the page itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Final

from affectbench import environment
from affectbench.report.figures import stylesheet
from affectbench.report.markup import Child, Html, el, joined

HOME: Final = "AffectBench report"


def page(
    title: str,
    *body: Child,
    up: str = "",
    trail: Sequence[str] = (),
    contents: Sequence[tuple[str, str]] = (),
) -> Html:
    """A whole page.

    Args:
        title: of the window, and the heading of the page.
        *body: what comes below the heading.
        up: from the page to the index: ``../`` or nothing.
        trail: what the page is in, below the index.
        contents: id and title of the sections, for a list beside them.
    """
    steps = [el("li", el("a", HOME, href=f"{up}index.html"))]
    steps += [el("li", step) for step in trail]
    main = el(
        "main",
        el("h1", title),
        _contents(contents) if contents else None,
        *body,
        id="main",
        class_="aside" if contents else None,
    )
    return joined(
        Html("<!doctype html>\n"),
        el(
            "html",
            _head(title),
            el(
                "body",
                el("a", "Skip to the content", class_="skip", href="#main"),
                el("header", el("nav", el("ol", steps), aria_label="Where you are"), class_="top"),
                el("div", main, class_="page"),
                _foot(up),
                el("script", _script()),
            ),
            lang="en",
        ),
        Html("\n"),
    )


def section(name: str, title: str, *body: Child) -> Html:
    """A part of a page with a heading and an id that contents can name."""
    return el("section", el("h2", title, id=f"{name}-title"), *body,
              id=name, aria_labelledby=f"{name}-title")  # fmt: skip


def _head(title: str) -> Html:
    """Nothing may be loaded, and no script may run but ours: its hash is in the policy."""
    shown = title if title == HOME else f"{title} - {HOME}"
    digest = base64.b64encode(hashlib.sha256(_script().encode()).digest()).decode()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; media-src data:; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="generator", content=_maker()),
        el("title", shown),
        el("link", rel="icon", href="data:,"),
        el("style", Html(stylesheet()), _asset("site.css")),
    )


def _contents(sections: Sequence[tuple[str, str]]) -> Html:
    links = [el("li", el("a", title, href=f"#{name}")) for name, title in sections]
    return el(
        "nav",
        el("h2", "On this page", id="contents-title"),
        el("ul", links),
        class_="contents",
        aria_labelledby="contents-title",
    )


def _foot(up: str) -> Html:
    return el(
        "footer",
        el(
            "p",
            f"Written by {_maker()} with ",
            el("code", "affectbench report"),
            " from stored predictions. Sources: ",
            el("a", "CITATION.bib", href=f"{up}CITATION.bib"),
            ".",
        ),
        class_="foot",
    )


def _maker() -> str:
    return f"AffectBench {environment.version('affectbench')}"


@cache
def _asset(name: str) -> Html:
    return Html(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _script() -> Html:
    return _asset("site.js")
