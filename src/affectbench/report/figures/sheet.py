"""The sheet that figures are drawn on: sizes in CSS pixels, colours by their role, one style."""

from __future__ import annotations

import io
import threading
import unicodedata
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Literal

from affectbench.errors import BadData, MissingExtra
from affectbench.report.figures import svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Grid = Literal["x", "y", "both"]
# Stand-ins that matplotlib draws with, to be replaced by the variable of their role.
INK, MUTED, LINE, PAPER = "#000001", "#000002", "#000003", "#000004"
ACCENT, SECOND, THIRD, FILL = "#000005", "#000006", "#000007", "#000008"
ROLES: Final = {
    INK: "var(--ink,currentColor)",
    MUTED: "var(--muted,currentColor)",
    LINE: "var(--line,currentColor)",
    PAPER: "var(--paper,Canvas)",
    ACCENT: "var(--accent,currentColor)",
    SECOND: "var(--second,currentColor)",
    THIRD: "var(--third,currentColor)",
    FILL: "var(--fill,currentColor)",
}
# Role -> in a light page, in a dark one. Accents: Okabe and Ito 2008. Text on ``fill`` is ink.
COLOURS: Final[Mapping[str, tuple[str, str]]] = {
    "ink": ("#1b1b1f", "#ececf0"),
    "muted": ("#5b5b63", "#a9a9b2"),
    "line": ("#d9d9de", "#3b3b42"),
    "paper": ("#ffffff", "#131316"),
    "accent": ("#0072b2", "#56b4e9"),
    "second": ("#d55e00", "#e69f00"),
    "third": ("#009e73", "#2bc49a"),
    "fill": ("#56b4e9", "#006aa6"),
}
SIZE: Final = 12  # px of the text
SMALL: Final = 11
ROW: Final = 25  # px from one row of a figure to the next
WIDTH: Final = 480  # px of a figure that has no other reason for its width
LEADING: Final = 14  # px from line to line
RISE: Final = 0.36  # of the size of the text: from the baseline to the middle of a digit
EM: Final = 0.57  # of the size of the text: a character, on average, in a wide font
SAMPLE: Final = 24  # px of a line or a bar in a key
SAME: Final = 1e-9  # difference, to their size, of values that are the same on an axis
DRAWING: Final = threading.Lock()  # the settings of matplotlib are those of the whole process
SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "affectbench",
    "text.parse_math": False,
    "font.size": SIZE,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": SIZE,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-4, 5),
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 6,
    "ytick.major.pad": 6,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "hatch.linewidth": 0.8,
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A figure of a width and a height in CSS pixels."""

    figure: Figure
    width: float
    height: float

    def axes(
        self, left: float, top: float, right: float, bottom: float, *, grid: Grid = "x"
    ) -> Axes:
        """Axes with these margins, in pixels: an axis at the bottom, and a grid."""
        across, down = self.width - left - right, self.height - top - bottom
        axes = self.figure.add_axes(
            (left / self.width, bottom / self.height, across / self.width, down / self.height),
            facecolor="none",
        )
        axes.spines[["left", "top", "right"]].set_visible(False)
        axes.grid(visible=True, axis=grid)
        axes.locator_params(nbins=5)
        return axes

    def rows(self, axes: Axes) -> None:
        """Count y in pixels from the top of the axes down, without ticks."""
        axes.set_ylim(axes.get_position().height * self.height, 0)
        axes.set_yticks([])

    def text(self, x: float, y: float, text: str, **how: Any) -> None:
        """Lines of text around a height, in pixels from the left and from the top."""
        lines = text.split("\n")
        first = y - LEADING * (len(lines) - 1) / 2 + RISE * how.get("size", SIZE)
        for index, line in enumerate(lines):
            down = first + LEADING * index
            self.figure.text(x / self.width, 1 - down / self.height, line, va="baseline", **how)

    def key(self, x: float, y: float, entries: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """What lines, marks or bars are: a sample of each and its name, side by side."""
        from matplotlib.lines import Line2D
        from matplotlib.patches import Rectangle

        for label, style in entries:
            if "facecolor" in style:
                corner = x / self.width, 1 - (y + 5) / self.height
                size = SAMPLE / self.width, 10 / self.height
                patch = Rectangle(corner, *size, transform=self.figure.transFigure, **style)
                self.figure.add_artist(patch)
            else:
                places = [(x + share * SAMPLE) / self.width for share in (0, 0.5, 1)]
                line = Line2D(places, [1 - y / self.height] * 3, markevery=[1], **style)
                line.set_transform(self.figure.transFigure)
                self.figure.add_artist(line)
            self.text(x + SAMPLE + 6, y, label, size=SMALL, color=MUTED)
            x += SAMPLE + 20 + width_of(label, SMALL)

    def svg(self, *, name: str, title: str, told: str) -> str:
        """The figure as inline SVG; ``told`` says in words what it shows."""
        drawn = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the page's font
            self.figure.savefig(drawn, format="svg", facecolor="none")
        whole = svg.root(name, self.width, self.height, title, told)
        svg.adopt(whole, drawn.getvalue(), name, ROLES)
        return svg.written(whole)


@contextmanager
def sheet(width: float, height: float) -> Iterator[Sheet]:
    """A sheet to draw on, with the style of all figures while it is in use.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtra("matplotlib", "report") from error
    with DRAWING, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield Sheet(Figure((width / 72, height / 72), dpi=72), width, height)


def blank(name: str, title: str, why: str) -> str:
    """A figure of nothing: its title, and why there is nothing."""
    with sheet(WIDTH, 2 * ROW) as page:
        page.text(0, ROW / 2, svg.plain(title), weight="bold")
        page.text(0, ROW * 1.5, why, color=MUTED)
        return page.svg(name=name, title=title, told=why)


def stylesheet() -> str:
    """CSS that gives the variables of ``COLOURS`` their values in light and dark pages."""
    light, dark = (
        "".join(f"--{role}:{pair[scheme]};" for role, pair in COLOURS.items()) for scheme in (0, 1)
    )
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def number(value: float, digits: int = 3) -> str:
    """A value as it is printed: ``n/a`` where it is not finite, no negative zero."""
    if not isfinite(value):
        return "n/a"
    return f"{round(value, digits) + 0.0:,.{digits}f}".replace("-", "\N{MINUS SIGN}")


def clips(count: float) -> str:
    """How many clips."""
    return f"{count:,.0f} clip{'' if count == 1 else 's'}"


def span(values: Sequence[float], room: float = 0.0) -> tuple[float, float]:
    """Limits of an axis that shows all values which are finite.

    Args:
        values: in any order.
        room: share of their range to leave free on either side.

    Returns:
        0 and 1 where no value is finite; a range of 1 around values that are the same.
    """
    known = [value for value in values if isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    if high - low <= SAME * max(abs(low), abs(high)):
        return low - 0.5, high + 0.5
    return low - room * (high - low), high + room * (high - low)


def checked(limits: tuple[float, float]) -> tuple[float, float]:
    """Limits that an axis can have.

    Raises:
        BadData: they are not two finite numbers, the lower one first.
    """
    low, high = limits
    if not (isfinite(low) and isfinite(high) and low < high):
        raise BadData(f"Limits are {low} and {high}; expected finite numbers, the lower one first.")
    return low, high


def width_of(text: str, size: float = SIZE) -> float:
    """About how wide text is, in pixels."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return size * (EM * (len(text) - wide) + wide)
