"""Twins with and without planted speaker offsets, and the picture of what support clips gain."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from affectbench.corpora.twin.cast import draw_cast
from affectbench.corpora.twin.latent import draw_latent
from affectbench.corpora.twin.vocalburst import one_voice, write_vocalburst
from affectbench.errors import AffectBenchError, BadData
from affectbench.report.figures.shots import shots
from affectbench.systems.personal.speakers import prior
from affectbench.types import Score


def drawn(**options):
    rng = np.random.default_rng(3)
    cast = draw_cast(0.02, rng)
    return cast, draw_latent(cast, rng, **options)


def test_an_offset_is_added_to_the_ratings_of_a_speaker_and_not_heard():
    (cast, plain), (_, planted) = drawn(), drawn(speaker_offset=1.5)
    np.testing.assert_array_equal(plain.control, planted.control)
    np.testing.assert_array_equal(plain.kind, planted.kind)
    for name in ("high", "two", "culture"):
        added = planted.ratings[name].logit - plain.ratings[name].logit
        for who in range(3):
            own = added[cast.speaker == who]
            np.testing.assert_allclose(own, np.broadcast_to(own[:1], own.shape), atol=1e-5)
        assert 1 < added.std() < 2
    added = planted.ratings["culture"].logit - plain.ratings["culture"].logit
    np.testing.assert_allclose(added, np.broadcast_to(added[:, :1], added.shape), atol=1e-5)


def test_alike_speakers_differ_in_nothing():
    cast, alike = drawn(alike=True)
    _, usual = drawn()
    who = [str(speaker) for speaker in cast.speaker]
    assert np.median(prior(usual.z, who).strength) < 20
    assert np.median(prior(alike.z, who).strength) > 50
    voices = one_voice(cast)
    assert len(np.unique(voices.f0_hz)) == len(np.unique(voices.tract_cm)) == 1
    assert voices.age is cast.age  # a label


@pytest.mark.parametrize("offset", [-1.0, math.nan, math.inf])
def test_an_offset_that_makes_no_sense_is_refused(offset, tmp_path):
    with pytest.raises(AffectBenchError, match="speaker offset"):
        write_vocalburst(tmp_path / "twin", speaker_offset=offset)
    assert not (tmp_path / "twin").exists()


def score(value, low=math.nan, high=math.nan):
    return Score(
        value=value, low=low, high=high, level=0.95, clips=9, groups=3, group_by="speaker",
        draws=100, undefined=0, method="jackknife",
    )  # fmt: skip


CURVES = {
    "<planted>": {0: score(0.3, 0.2, 0.4), 1: score(0.4, 0.3, 0.5), 2: score(0.45, 0.35, 0.55)},
    "none": {2: score(0.31), 0: score(0.3, 0.2, 0.4), 1: score(math.nan)},
}


def test_shots_tells_all_scores_in_words():
    figure = shots(CURVES, name="k", metric="ccc <population>", title="Gain & more")
    told = ET.fromstring(figure).find("{http://www.w3.org/2000/svg}desc").text
    assert "<planted>: with 0 clips 0.300, interval 0.200 to 0.400; with 1 clip 0.400" in told
    assert "none: with 0 clips 0.300, interval 0.200 to 0.400; with 1 clip n/a; with 2" in told
    assert "#" not in figure.replace('"#', "").replace("(#", "")  # no colour of its own
    assert figure == shots(CURVES, name="k", metric="ccc <population>", title="Gain & more")
    assert len(figure.encode()) < 10 * 1024


def test_shots_of_nothing_and_of_too_much():
    assert "No scores." in shots({}, name="k", metric="ccc")
    assert "No scores." in shots({"a": {0: score(math.nan)}}, name="k", metric="ccc")
    with pytest.raises(BadData, match="5 curves"):
        shots({str(i): CURVES["none"] for i in range(5)}, name="k", metric="ccc")
