"""Feature sets side by side: early fusion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from affectbench.audio import prepare_all
from affectbench.errors import BadData
from affectbench.features import DURATION, WAVES, extract
from affectbench.features.joined import concatenated
from affectbench.types import FeatureSet


def _levels():
    return lambda waves: np.array([[wave.min(), wave.max()] for wave in waves], np.float32)


def _batch():
    return lambda waves: np.array([[len(wave), wave[0], wave[-1]] for wave in waves], np.float32)


def set_of(name: str, dim: int, **way: object) -> FeatureSet:
    return FeatureSet(
        name=name,
        title=name,
        dim=dim,
        names=lambda: tuple(f"c{i}" for i in range(dim)),
        identity=lambda: {"version": f"1 of {name}"},
        licence="MIT",
        source=f"of {name}",
        **way,
    )


LEVELS = set_of("levels", 2, many=_levels)
BATCH = set_of("batch", 3, many=_batch, min_samples=400, extra="neural")


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    random = np.random.default_rng(0)
    paths = [folder / f"{name}.wav" for name in ("a", "b", "short")]
    for path, samples in zip(paths, (900, 1200, 160), strict=True):
        soundfile.write(path, 0.3 * random.standard_normal(samples), 16_000)
    return prepare_all(paths, workers=1, cache=folder / "cache")


def test_each_part_is_extracted_as_if_alone_and_from_its_own_cache(waves, tmp_path: Path) -> None:
    alone = [extract(one, waves, workers=1, cache=tmp_path) for one in (LEVELS, DURATION)]
    both = concatenated(LEVELS, BATCH, DURATION, name="all-three", title="all three")
    found = extract(both, waves, workers=1, cache=tmp_path)
    assert found.values.shape == (3, both.dim) == (3, 6)
    assert found.values.dtype == np.float32
    np.testing.assert_array_equal(found.values[:, :2], alone[0].values)
    np.testing.assert_array_equal(found.values[:, 5:], alone[1].values)
    np.testing.assert_array_equal(found.values[2, [2, 5]], [400, np.float32(0.01)])
    assert (found.computed, found.cached) == (3, 6)
    assert found.features is both
    assert [Path(path).stem for path in found.padded] == ["short"]
    again = extract(both, waves, workers=1, cache=tmp_path)
    assert (again.computed, again.cached) == (0, 9)
    np.testing.assert_array_equal(again.values, found.values)
    folders = sorted(path.name.rsplit("-", 1)[0] for path in (tmp_path / "features").iterdir())
    assert folders == ["batch", "duration", "levels"]


def test_what_is_said_of_the_parts_is_said_of_all(waves) -> None:
    both = concatenated(LEVELS, replace(BATCH, facts={"revision": "abc"}), name="two", title="Two")
    assert both.names() == ("levels.c0", "levels.c1", "batch.c0", "batch.c1", "batch.c2")
    assert both.identity() == {
        "levels.dim": "2",
        "levels.min_samples": "1",
        "levels.version": "1 of levels",
        "batch.dim": "3",
        "batch.min_samples": "400",
        "batch.version": "1 of batch",
    }
    assert both.facts == {"batch": {"revision": "abc"}}
    assert both.licence == "MIT"
    assert both.source == "of levels; of batch"
    assert both.extra == "neural"
    assert both.min_samples == 400
    smile = concatenated(replace(LEVELS, extra="smile"), BATCH, name="two", title="Two")
    assert smile.extra == "all"


def test_a_part_that_is_learnt_is_learnt_first(waves, tmp_path: Path) -> None:
    def learn(given, progress):
        version = {"version": f"learnt of {len(given)}"}
        return replace(LEVELS, name="learnt", identity=lambda: version)

    both = concatenated(BATCH, set_of("learnt", 2, learn=learn), name="two", title="Two")
    found = extract(both, waves, workers=1, cache=tmp_path)
    assert found.features.identity()["learnt.version"] == "learnt of 3"
    assert found.features.name == "two"
    assert found.values.shape == (3, 5)


def test_sets_that_are_known_by_clip_are_joined_by_clip() -> None:
    one = set_of("one", 1, of_clips=lambda clips: clips.select("a").to_numpy().astype(np.float32))
    two = set_of("two", 1, of_clips=lambda clips: clips.select("b").to_numpy().astype(np.float32))
    both = concatenated(one, two, name="both", title="both")
    values = both.of_clips(pl.DataFrame({"b": [3.0, 4.0], "a": [1.0, 2.0]}))
    np.testing.assert_array_equal(values, [[1, 3], [2, 4]])
    assert not both.parts


def test_sets_can_be_joined_of_joined_ones(waves, tmp_path: Path) -> None:
    inner = concatenated(BATCH, LEVELS, name="inner", title="")
    outer = concatenated(LEVELS, inner, name="outer", title="")
    assert outer.names()[-1] == "inner.levels.c1"
    assert extract(outer, waves, workers=1, cache=tmp_path).values.shape == (3, 7)


@pytest.mark.parametrize(
    ("features", "match"),
    [
        ((), "none given"),
        ((LEVELS,), "levels given"),
        ((LEVELS, BATCH, LEVELS), "levels, batch, levels given"),
        ((LEVELS, WAVES), "the waves themselves"),
        ((LEVELS, replace(BATCH, rate_hz=44_100)), "16,000 and 44,100 Hz"),
        ((LEVELS, set_of("ids", 1, of_clips=lambda clips: None)), "ids of them known by clip"),
    ],
)
def test_what_does_not_fit_together_is_refused(features, match) -> None:
    with pytest.raises(BadData, match=match):
        concatenated(*features, name="both", title="both")
