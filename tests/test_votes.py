"""The ceiling of rating noise for a corpus that counts its raters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from affectbench import CORPORA, METRICS
from affectbench.errors import MissingData
from affectbench.intervals import ceilings
from affectbench.types import Reading
from affectbench.votes import ceilings_of

CREMA_D = CORPORA["crema-d"]
TABLES = Path(__file__).parents[1] / "../shared/data/crema-d"
CCC, UAR = METRICS["ccc.population"], METRICS["uar.truth"]


def corpus_of(raters: int, clips: int = 60):
    """CREMA-D with that many raters a clip, drawn from true shares."""
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.full(6, 0.4), clips)
    columns = {}
    for target in CREMA_D.targets[:3]:
        votes = rng.multinomial(raters, shares)
        columns |= {name: votes[:, i] / raters for i, name in enumerate(target.columns)} | {
            CREMA_D.raters[target.name]: np.full(clips, raters)
        }
    table = pl.DataFrame(columns)
    return replace(CREMA_D, read=lambda _: Reading(table)), table


def test_votes_are_counted_back_from_their_shares():
    corpus, table = corpus_of(9)
    found = ceilings_of(corpus, Path(), [CCC, UAR], draws=20)
    assert list(found) == ["voice votes", "face votes", "audiovisual votes"]
    voice = corpus.targets[0].columns
    votes = np.rint(table.select(voice).to_numpy() * 9).astype(int)
    assert found["voice votes"] == ceilings([CCC, UAR], votes, draws=20)


def test_more_raters_raise_the_ceiling():
    few, many = (
        ceilings_of(corpus_of(raters)[0], Path(), [CCC], draws=10)["face votes"][0]
        for raters in (4, 40)
    )
    assert few.high < many.low < 1


def test_clips_without_votes_are_told():
    corpus, table = corpus_of(9)
    blank = [pl.when(pl.int_range(pl.len()) > 1).then(pl.col(c)).alias(c) for c in table.columns]
    unrated = replace(corpus, read=lambda _: Reading(table.with_columns(blank)))
    assert ceilings_of(unrated, Path(), [CCC], draws=5)["voice votes"][0].unrated == 2


def test_a_corpus_without_counted_raters_is_told(call, tmp_path):
    code, _, err = call("ceiling", "hume-vocalburst", "--data", tmp_path)
    assert code == 2
    assert "how many raters chose what" in err
    with pytest.raises(MissingData):
        ceilings_of(CORPORA["ravdess"], tmp_path, [CCC])


def test_the_command_line_prints_the_ceilings_of_crema_d(call):
    if not TABLES.is_dir():
        pytest.skip("no folder ../shared/data/crema-d")
    code, out, err = call("ceiling", "crema-d", "--data", TABLES, "--draws", 3)
    assert (code, err) == (0, "")
    assert "voice votes  (7,442 clips, 9.2 votes a clip, 0 unrated)" in out
    assert out.count("uar.truth") == 3
