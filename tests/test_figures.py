import builtins
import math
import re
import subprocess
import sys
from functools import cache, partial
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affectbench.errors import BadData, MissingExtra
from affectbench.intervals.groups import Group, GroupReport, by_group
from affectbench.metrics import METRICS
from affectbench.report import figures
from affectbench.report.figures import sheet as sheets
from affectbench.report.figures import svg as svgs
from affectbench.report.figures.agreement import agreement
from affectbench.types import Score

NAN = math.nan
SVG = "{http://www.w3.org/2000/svg}"
MARKUP = '<script>alert("a & b")</script> $x_1$ \\frac'


def pairs(clips, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.beta(1.3, 2.2, clips)
    return truth, np.clip(0.2 + 0.6 * truth + 0.1 * rng.normal(size=clips), 0, 1)


def report(groups=4, permutations=20, metric="ccc.population"):
    rng = np.random.default_rng(0)
    truth = rng.random((groups * 20, 1))
    label = np.arange(groups * 20) % groups
    noise = 0.05 + 0.3 * label[:, None] / groups
    prediction = (truth + noise * rng.normal(size=truth.shape))[None]
    speakers = label * 5 + np.arange(groups * 20) // groups % 5
    return by_group(
        METRICS[metric], truth, prediction, [f"group {i:03}" for i in label], speakers,
        outputs=1, draws=50, permutations=permutations,
    )  # fmt: skip


def confusions(classes):
    rng = np.random.default_rng(1)
    return rng.poisson(3, (classes, classes)) + np.diag(rng.poisson(60, classes))


ROWS = [
    ("egemaps-mlp", 0.523, 0.49, 0.551, "measured"),
    ("End2You", 0.5686, NAN, NAN, "published"),
    (MARKUP, 0.47, 0.43, 0.51, "measured"),
    ("broken", NAN, NAN, NAN, "measured"),
]
CLASSES = ["Cry", "Gasp", "Groan", MARKUP]
SAMPLES = (9000 * np.sin(np.arange(16_000) * 0.05)).astype(np.int16)
EPOCHS = np.arange(1, 11)

# One call of each figure, with markup wherever there is text, to be given a name.
CALLS = {
    "forest": partial(figures.forest, ROWS, metric=MARKUP, title=MARKUP, ceiling=0.8, chance=0.0),
    "points": partial(figures.scatter_agreement, *pairs(200), title=MARKUP, limits=(0, 1)),
    "hexagons": partial(figures.scatter_agreement, *pairs(5000), title=MARKUP, limits=(0, 1)),
    "confusion": partial(figures.confusion, confusions(4), CLASSES, title=MARKUP),
    "many classes": partial(
        figures.confusion, confusions(25), [f"class {i}" for i in range(25)], title=MARKUP
    ),
    "gaps": partial(figures.gaps, report(), title=MARKUP),
    "curve": partial(
        figures.curve, EPOCHS, {MARKUP: np.exp(-EPOCHS), "dev": np.ones((2, 10))},
        kept=4, label=MARKUP, title=MARKUP,
    ),
    "histogram": partial(
        figures.histogram, {MARKUP: pairs(500)[0], "dev": pairs(99)[1]}, title=MARKUP, label=MARKUP
    ),
    "bars": partial(figures.bars, CLASSES, [1, 2, NAN, 4], title=MARKUP, label=MARKUP),
    "parts": partial(
        figures.bars, CLASSES, {"train": [1, 2, 3, 4], MARKUP: [0, 0, 0, 0]}, title=MARKUP
    ),
    "waveform": partial(figures.waveform, SAMPLES, 16_000, title=MARKUP),
    "blank": partial(figures.forest, [], metric=MARKUP, title=MARKUP),
}  # fmt: skip
each = pytest.mark.parametrize("kind", CALLS)


@cache
def drawn(kind):
    """The figure named ``a``."""
    return CALLS[kind](name="a")


def texts(figure):
    """What is drawn as text, without title and description."""
    return ["".join(node.itertext()) for node in ET.fromstring(figure).iter(f"{SVG}text")]


def told(figure):
    return ET.fromstring(figure).find(f"{SVG}desc").text


def ids(figure):
    return re.findall(r'\bid="([^"]+)"', figure)


@each
def test_a_figure_is_xml_that_a_page_can_take_in(kind):
    figure = drawn(kind)
    root = ET.fromstring(figure)
    assert figure.startswith("<svg ")
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "a-title"
    assert root.get("aria-describedby") == "a-desc"
    assert "width:100%" in root.get("style")
    assert len(root.get("viewBox").split()) == 4
    for absent in ("<metadata", "<style", "<!DOCTYPE", "<?xml", "xlink", "font-family", "<image"):
        assert absent not in figure


@each
def test_equal_arguments_give_equal_bytes(kind):
    assert CALLS[kind](name="a") == drawn(kind)


@each
def test_a_name_is_all_that_two_figures_differ_by(kind):
    one, other = drawn(kind), CALLS[kind](name="b-2_x")
    assert other.replace("b-2_x", "a") == one


def test_ids_are_unique_over_a_page_and_all_references_have_one():
    page = [call(name=f"f{i}") for i, call in enumerate(CALLS.values())]
    found = [each for figure in page for each in ids(figure)]
    assert len(found) == len(set(found))
    for figure in page:
        references = set(re.findall(r'(?:href="#|url\(#)([^")]+)', figure))
        assert references <= set(ids(figure))
        labels = {ET.fromstring(figure).get(f"aria-{key}") for key in ("labelledby", "describedby")}
        assert set(ids(figure)) == references | labels  # no id that nobody needs


@each
def test_no_colour_is_absolute(kind):
    figure = drawn(kind)
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?![^<]*</(title|desc|text))", figure)
    assert not re.search(r"rgb\(|hsl\(", figure)
    values = re.findall(r"(?:fill|stroke):([^;\"]+)", figure)
    assert values
    assert {v for v in values if not v.startswith(("var(--", "url(#"))} <= {"none"}
    assert not re.search(r'\b(?:fill|stroke)="', figure)  # attributes take no variables


@each
def test_variables_are_those_that_the_stylesheet_defines(kind):
    used = set(re.findall(r"var\(--([a-z]+)", drawn(kind)))
    assert used <= set(figures.COLOURS)
    assert all(f"--{role}:" in figures.stylesheet() for role in used)


@each
def test_text_is_escaped_and_kept_as_it_is(kind):
    figure = drawn(kind)
    assert "<script" not in figure
    title = ET.fromstring(figure).find(f"{SVG}title").text
    assert title == MARKUP
    if kind != "waveform":
        assert any("<script>alert" in text for text in texts(figure))


@pytest.mark.parametrize("name", ["", "1a", "a b", 'a"', "a>b", "é"])
def test_a_name_that_can_begin_no_id_is_a_mistake(name):
    with pytest.raises(ValueError, match="figure is named"):
        figures.waveform(SAMPLES, 16_000, name=name)
    with pytest.raises(ValueError, match="figure is named"):
        figures.forest(ROWS, name=name, metric="m")


@given(st.text(max_size=40))
@settings(max_examples=30, deadline=None)
def test_any_text_is_drawn(text):
    figure = figures.bars([text], [1], name="a", title=text)
    ET.fromstring(figure)
    assert "\n" not in figures.waveform(SAMPLES, 1, name="a", title=text)


def test_what_xml_cannot_hold_is_replaced():
    assert svgs.plain("a\x00b\x1b c\n\td\ud800") == "a\ufffdb\ufffd c d\ufffd"


def test_settings_of_matplotlib_are_left_as_they_were():
    import matplotlib

    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 31, "svg.fonttype": "path", "lines.marker": "*"}):
        theirs = dict(matplotlib.rcParams)
        figure = CALLS["curve"](name="a")
        assert dict(matplotlib.rcParams) == theirs
    assert dict(matplotlib.rcParams) == before
    assert figure == drawn("curve")


def test_matplotlib_is_loaded_only_where_it_draws():
    code = (
        "import sys, affectbench.report.figures as f, numpy as np; "
        "f.waveform(np.zeros(9, np.int16), 9, name='a'); f.stylesheet(); "
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_matplotlib_is_told(monkeypatch):
    known = builtins.__import__

    def without(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(name)
        return known(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"affectbench\[report\]"):
        figures.forest(ROWS, name="a", metric="m")


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def contrast(one, other):
    low, high = sorted(luminance(figures.COLOURS[role][scheme]) for role, scheme in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrasts_are_those_that_wcag_asks_for(scheme):
    on = {role: contrast((role, scheme), ("paper", scheme)) for role in figures.COLOURS}
    assert min(on["ink"], on["muted"]) >= 4.5  # text
    assert min(on["accent"], on["second"], on["third"]) >= 3  # graphics
    assert contrast(("ink", scheme), ("fill", scheme)) >= 4.5  # numbers in cells


# Numbers as they are printed


@pytest.mark.parametrize(
    ("value", "digits", "printed"),
    [
        (0.5236, 3, "0.524"),
        (-0.25, 2, "−0.25"),
        (-0.0001, 3, "0.000"),
        (1234567, 0, "1,234,567"),
        (NAN, 3, "n/a"),
        (math.inf, 3, "n/a"),
    ],
)
def test_numbers(value, digits, printed):
    assert sheets.number(value, digits) == printed


@pytest.mark.parametrize(
    ("values", "limits"),
    [
        ([], (0, 1)),
        ([NAN, math.inf], (0, 1)),
        ([3, 3], (2.5, 3.5)),
        ([0, 0], (-0.5, 0.5)),
        ([0, 1, NAN], (-0.1, 1.1)),
        ([1, math.nextafter(1, 2)], (0.5, 1.5)),
    ],
)
def test_span(values, limits):
    assert sheets.span(values, 0.1) == pytest.approx(limits)


# Systems


def test_forest_tells_all_rows_in_words():
    figure = figures.forest(ROWS, name="a", metric="CCC", ceiling=0.8125, chance=0)
    words = told(figure)
    assert "egemaps-mlp: 0.523, interval 0.490 to 0.551." in words
    assert "End2You, published: 0.569." in words
    assert "broken: n/a." in words
    assert "Ceiling: 0.812." in words
    assert {"chance 0.000", "ceiling 0.812", "n/a", "0.569"} <= set(texts(figure))


def test_forest_explains_hollow_marks_where_there_are_both():
    assert "published" in texts(figures.forest(ROWS, name="a", metric="m"))
    for kind in (0, 1):
        assert "published" not in texts(figures.forest([ROWS[kind]], name="a", metric="m"))


def test_forest_without_limits_has_no_lines_for_them():
    figure = figures.forest(ROWS, name="a", metric="m", ceiling=NAN)
    assert not [text for text in texts(figure) if text.startswith(("chance", "ceiling"))]


@pytest.mark.parametrize(
    "rows",
    [
        [("a", NAN, NAN, NAN, "measured")],
        [("a", 0.0, NAN, NAN, "measured")],
        [("a", 0.5, 0.5, 0.5, "measured")],
        [("", 1e9, -1e9, 1e9, "published")],
        [("a", 0.5, math.inf, -math.inf, "measured")],
    ],
)
def test_forest_of_odd_rows(rows):
    ET.fromstring(figures.forest(rows, name="a", metric="", chance=0.5))


def test_a_long_label_is_cut_in_the_figure_and_whole_in_its_words():
    label = " ".join(f"word{i}" for i in range(40))
    figure = figures.forest([(label, 0.5, NAN, NAN, "measured")], name="a", metric="m")
    assert label in told(figure)
    assert any(text.endswith("…") for text in texts(figure))


# Groups


def test_gaps_tells_groups_and_gap():
    found = report()
    words = told(figures.gaps(found, name="a"))
    assert f"Gap {found.gap:.3f}: best {found.best}, worst {found.worst}." in words
    assert f"within {found.envelope:.3f} with probability 95%" in words
    assert ("beyond chance" in words) == found.beyond_chance
    assert all(group.name in words for group in found.groups)
    assert f"p {found.p:.3f}, 20 permutations of speakers" in words


def test_gaps_without_permutations_or_groups():
    words = told(figures.gaps(report(permutations=0), name="a"))
    assert "Gap" in words
    assert "ignores" not in words
    one = report(groups=1)
    figure = figures.gaps(one, name="a")
    assert "no gap" in told(figure)
    assert "gap of best and worst" not in texts(figure)


def test_gaps_of_many_groups_draws_the_best_and_the_worst():
    found = report(groups=50, permutations=0)
    figure = figures.gaps(found, name="a")
    drawn = [text for text in texts(figure) if text.startswith("group ")]
    assert len(drawn) == 30
    assert drawn[0].startswith(found.best)
    assert drawn[-1].startswith(found.worst)
    assert "… 20 more …" in texts(figure)
    assert all(group.name in told(figure) for group in found.groups)


def test_gaps_of_a_metric_of_which_less_is_better():
    found = report(metric="mae.mean")
    drawn = [t for t in texts(figures.gaps(found, name="a")) if t.startswith("group ")]
    assert drawn[0].startswith(found.best)
    assert drawn[-1].startswith(found.worst)


def undefined(name):
    return Group(
        name=name,
        score=Score(
            value=NAN, low=NAN, high=NAN, level=0.95, clips=1, groups=0, group_by="", draws=0,
            undefined=0, method="",
        ),
    )  # fmt: skip


@pytest.mark.parametrize("groups", [0, 1, 31, 80])
def test_gaps_of_groups_without_values(groups):
    found = GroupReport(
        metric="m", groups=tuple(undefined(f"g{i}") for i in range(groups)), best="", worst="",
        gap=NAN, envelope=NAN, p=NAN, level=0.95, permuted="", permutations=0,
        undefined_permutations=0, undefined=(), unlabelled=7,
    )  # fmt: skip
    figure = figures.gaps(found, name="a")
    ET.fromstring(figure)
    assert ("7 clips of no known group" in told(figure)) == (groups > 0)


# Agreement


def test_parts_of_the_ccc_multiply_to_it():
    for seed in range(5):
        truth, prediction = pairs(100, seed)
        found = agreement(truth, prediction)
        assert found.ccc == pytest.approx(found.r * found.bias)
        assert found.scale == pytest.approx(prediction.std() / truth.std())


def test_parts_of_the_ccc_by_hand():
    truth = np.array([0.0, 1, 2, 3])
    found = agreement(truth, 2 * truth + 1)
    # v = 2, u = (4 - 1.5) / sqrt(2 * 1.25)
    assert found.r == pytest.approx(1)
    assert found.scale == pytest.approx(2)
    assert found.location == pytest.approx(2.5 / math.sqrt(2.5))
    assert found.bias == pytest.approx(2 / (2 + 0.5 + 2.5))
    assert found.ccc == pytest.approx(0.4)


def test_agreement_is_told_in_words():
    truth = np.array([0.0, 0.1, 0.2, 0.3])
    figure = figures.scatter_agreement(
        truth, 2 * truth + 0.1, name="a", title="t", limits=(0, 0.65)
    )
    words = told(figure)
    assert "CCC 0.400 = r 1.000 × C_b 0.400" in words
    assert "scale shift 2.00" in words
    assert "location shift 1.58: mean 0.250 higher" in words
    assert "1 outside the axes" in words  # 0.7
    assert "4 clips" in texts(figure)


@pytest.mark.parametrize(
    ("truth", "prediction", "says"),
    [
        ([0.1, 0.9], [0.5, 0.5], "CCC 0.000, r n/a"),
        ([0.5, 0.5], [0.5, 0.5], "CCC n/a, r n/a"),
        ([0.4], [0.5], "1 clip"),
        ([0.1, 0.9, NAN, 0.3], [0.2, 0.8, 0.5, math.inf], "2 left out"),
        ([], [], "No clip"),
        ([NAN], [1], "No clip"),
        ([5, 6], [7, 9], "2 outside"),
        ([0, 1], [1, 0], "CCC −1.000"),
    ],
)
@pytest.mark.parametrize("points", [0, 500])
def test_agreement_of_odd_input(truth, prediction, says, points):
    figure = figures.scatter_agreement(
        truth, prediction, name="a", title="t", limits=(0, 1), points=points
    )
    assert says in told(figure)
    assert "1 clips" not in told(figure)


def test_many_points_become_hexagons_that_hold_them_all():
    truth, prediction = pairs(5000)
    figure = figures.scatter_agreement(truth, prediction, name="a", title="t", limits=(0, 1))
    most = int(re.search(r"hexagons of up to (\d+)", told(figure))[1])
    assert 10 < most < 500
    assert figure.count("<use") < 800
    few = figures.scatter_agreement(
        truth[:200], prediction[:200], name="a", title="t", limits=(0, 1)
    )
    assert few.count("<use") >= 200
    assert "hexagons" not in few


@pytest.mark.parametrize(
    ("truth", "prediction", "limits"),
    [
        ([1, 2], [1], (0, 1)),
        ([[1, 2]], [[1, 2]], (0, 1)),
        ([1], [1], (1, 0)),
        ([1], [1], (0, NAN)),
    ],
)
def test_agreement_refuses(truth, prediction, limits):
    with pytest.raises(BadData, match="expected"):
        figures.scatter_agreement(truth, prediction, name="a", title="t", limits=limits)


# Confusions


def test_confusion_holds_shares_and_counts():
    figure = figures.confusion([[8, 2, 0], [1, 3, 0], [0, 0, 0]], ["a", "b", "c"], name="x")
    assert {"80", "20", "25", "75", "8", "2", "1", "3", "10", "4", "0"} <= set(texts(figure))
    words = told(figure)
    assert "a: 10 clips, 80% right, most often taken for b (20%)." in words
    assert "c: no clips." in words


def test_confusion_of_many_classes_leaves_rare_cells_empty():
    counts = np.full((12, 12), 1)
    counts[0, 0] = 1000
    counts[1, 1] = 50
    figure = figures.confusion(counts, [f"c{i}" for i in range(12)], name="x")
    drawn = texts(figure)
    assert "99" in drawn  # 1000 of 1011
    assert "82" in drawn  # 50 of 61
    assert "0" not in drawn


@pytest.mark.parametrize("classes", [1, 2, 8, 11, 30])
def test_confusion_of_any_number_of_classes(classes):
    names = [f"Class-{i} name" for i in range(classes)]
    figure = figures.confusion(confusions(classes), names, name="x")
    assert set(names) <= set(texts(figure))


@pytest.mark.parametrize("counts", [[[1, 2]], [[1, -1], [0, 0]], [[NAN, 1], [0, 0]], [1, 2]])
def test_confusion_refuses(counts):
    with pytest.raises(BadData, match=r"expected \[C, C\]"):
        figures.confusion(counts, ["a", "b"], name="x")


def test_confusion_of_nothing():
    assert "No clips." in texts(figures.confusion([[0, 0], [0, 0]], ["a", "b"], name="x"))
    assert "No clips." in texts(figures.confusion(np.zeros((0, 0)), [], name="x"))


# Training


def test_curve_marks_the_kept_epoch_of_each_run():
    values = np.array([[1.0, 0.5, 0.25], [1.0, 0.75, NAN]])
    figure = figures.curve([1, 2, 3], {"dev": values}, name="a", kept=[3, 2])
    assert told(figure) == (
        "dev: from 1.000 to 0.250, 0.250 at epoch 3, kept; from 1.000 to 0.750, 0.750 at epoch 2, "
        "kept."
    )
    assert "kept epoch" in texts(figure)
    assert figure.count("<use") == 3  # one a run, one in the key
    assert "kept" not in figures.curve([1, 2], {"dev": [1, 2]}, name="a")


@pytest.mark.parametrize(
    ("epochs", "series", "words"),
    [
        ([1], {"dev": [0.3]}, "dev: from 0.300 to 0.300"),
        ([1, 2], {"dev": [NAN, NAN], "train": [1, 1]}, "dev: n/a. train: from 1.000 to 1.000"),
        ([1, 2], {"_hidden": [1, 2]}, "_hidden"),
        ([], {}, "No epochs."),
        ([1, 2], {"dev": [NAN, NAN]}, "No epochs."),
    ],
)
def test_curve_of_odd_input(epochs, series, words):
    figure = figures.curve(epochs, series, name="a", kept=1)
    assert words in told(figure)
    if "No" not in words:
        assert set(series) <= set(texts(figure))


@pytest.mark.parametrize(
    ("epochs", "series", "kept"),
    [
        ([1, 2], {"a": [1]}, None),
        ([1, 2], {"a": [[[1, 2]]]}, None),
        ([[1, 2]], {"a": [1, 2]}, None),
        ([1, 2], {str(i): [1, 2] for i in range(5)}, None),
        ([1, 2], {"a": [[1, 2], [3, 4]]}, [1, 2, 2]),
    ],
)
def test_curve_refuses(epochs, series, kept):
    with pytest.raises(BadData, match="expected"):
        figures.curve(epochs, series, name="a", kept=kept)


# Distributions


def test_histogram_tells_quartiles_and_what_is_left_out():
    values = [0.0, 0.25, 0.5, 0.75, 1.0, NAN, NAN, 3.0]
    figure = figures.histogram({"train": values}, name="a", title="t", limits=(0, 1), bins=4)
    assert told(figure) == (
        "train (6): median 0.625, half of the values in 0.312 to 0.938; 2 unknown; "
        "1 outside the axis."
    )
    assert "train (6)" in texts(figure)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "No values."),
        ({"a": [NAN], "b": []}, "No values."),
        ({"a": [], "b": [1, 2]}, "a (0): n/a."),
        ([0.5, 0.5], "median 0.500"),
        ([1e-300, 2e-300], "median 0.000"),
        ([math.inf, 1.0], "1 unknown"),
    ],
)
def test_histogram_of_odd_values(values, words):
    assert words in told(figures.histogram(values, name="a", title="t"))


def test_histogram_and_bars_refuse_what_they_cannot_tell_apart():
    five = {str(i): [1] for i in range(5)}
    with pytest.raises(BadData, match="expected 4 at most"):
        figures.histogram(five, name="a", title="t")
    with pytest.raises(BadData, match="expected 4 at most"):
        figures.bars(["x"], five, name="a", title="t")
    with pytest.raises(BadData, match="lower one first"):
        figures.histogram([1, 2], name="a", title="t", limits=(1, 1))


def test_bars_hold_their_numbers():
    figure = figures.bars(
        ["Cry", "Gasp"], {"train": [1200, 3], "dev": [NAN, -2]}, name="a", title="t"
    )
    assert {"1,200", "3", "n/a", "−2", "train", "dev"} <= set(texts(figure))
    assert told(figure) == "Cry: train 1,200, dev n/a. Gasp: train 3, dev −2."


@pytest.mark.parametrize("values", [[0, 0], [NAN, NAN], [-1, -2], [math.inf, 1]])
def test_bars_of_odd_values(values):
    ET.fromstring(figures.bars(["a", "b"], values, name="a", title="t"))


def test_bars_refuse_another_number_of_values():
    with pytest.raises(BadData, match="2 labels"):
        figures.bars(["a", "b"], [1], name="a", title="t")
    assert "No values." in texts(figures.bars([], [], name="a", title="t"))


# Waveforms


def test_a_waveform_is_small_and_tells_length_and_peak():
    rng = np.random.default_rng(0)
    noise = rng.integers(-(2**15), 2**15, 160_000).astype(np.int16)
    noise[0] = -(2**15)
    figure = figures.waveform(noise, 16_000, name="a")
    assert len(figure.encode()) < 4096
    assert told(figure) == "10.00 seconds, peak at 100.0% of the full range."


def test_a_waveform_shows_where_it_is_loud():
    samples = np.zeros(1200, dtype=np.int16)
    samples[600:610] = 300
    figure = figures.waveform(samples, 1000, name="a")
    points = re.search(r'd="M([\d. L]+)z"', figure)[1].split("L")
    heights = [float(point.split()[1]) for point in points[:120]]
    assert heights.index(min(heights)) == 60
    assert sum(height < 10 for height in heights) == 1


@pytest.mark.parametrize("samples", [[], [0, 0, 0], [5], [-(2**15)] * 3])
def test_waveforms_of_odd_clips(samples):
    ET.fromstring(figures.waveform(np.array(samples, dtype=np.int16), 16_000, name="a"))


def test_a_waveform_refuses():
    with pytest.raises(ValueError, match="expected int16"):
        figures.waveform(np.zeros(4), 16_000, name="a")
    with pytest.raises(ValueError, match="expected int16"):
        figures.waveform(np.zeros((4, 2), dtype=np.int16), 16_000, name="a")
    with pytest.raises(ValueError, match="more than 0"):
        figures.waveform(SAMPLES, 0, name="a")


# Sizes


@pytest.mark.parametrize(
    ("kind", "kilobytes"),
    [("forest", 10), ("points", 20), ("hexagons", 40), ("confusion", 20), ("many classes", 60),
     ("gaps", 10), ("curve", 10), ("histogram", 10), ("parts", 10), ("waveform", 4)],
)  # fmt: skip
def test_sizes(kind, kilobytes):
    assert len(drawn(kind).encode()) < 1024 * kilobytes


def test_a_scatter_of_anything_is_below_60_kilobytes():
    rng = np.random.default_rng(0)
    figure = figures.scatter_agreement(
        rng.random(100_000), rng.random(100_000), name="a", title="t", limits=(0, 1)
    )
    assert len(figure.encode()) < 60 * 1024
