"""Figures of the report: arrays in, a string of inline SVG out.

    forest             systems with their intervals            forest.py
    gaps               groups, and their gap against chance    groups.py
    scatter_agreement  predicted against true, and the CCC     agreement.py
    confusion          which class is taken for which          confusion.py
    curve              loss or metric by epoch                 training.py
    histogram, bars    distributions of values and of classes  distributions.py
    waveform           what a clip looks like                  waveform.py

Every figure takes ``name``, which the ids in it begin with: a page gives each of its figures
another. Equal arguments give equal bytes. Text is in the page's font. Colours are the variables
of ``COLOURS``, which the page defines, for instance by ``stylesheet()``; without them a figure is
in the colour of the text around it. Numbers are told in words in ``<desc>``, and colour never
says alone what is what. A figure is as wide as what it stands in, up to a width of its own.
"""

from __future__ import annotations

from affectbench.report.figures.agreement import scatter_agreement
from affectbench.report.figures.confusion import confusion
from affectbench.report.figures.distributions import bars, histogram
from affectbench.report.figures.forest import forest
from affectbench.report.figures.groups import gaps
from affectbench.report.figures.rows import Mark
from affectbench.report.figures.sheet import COLOURS, stylesheet
from affectbench.report.figures.shots import shots
from affectbench.report.figures.training import curve
from affectbench.report.figures.waveform import waveform

__all__ = [
    "COLOURS",
    "Mark",
    "bars",
    "confusion",
    "curve",
    "forest",
    "gaps",
    "histogram",
    "scatter_agreement",
    "shots",
    "stylesheet",
    "waveform",
]
