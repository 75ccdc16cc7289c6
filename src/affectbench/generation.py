"""The score of generated bursts: Fréchet distance to real ones, what listeners heard, S_GEN.

The published distances were made with a classifier whose weights are not at hand, so a distance
here is in the space of a named feature set, standardised by the reference and held to 5 standard
deviations (one clip with an outlying functional would decide it), and never on the scale of Table
6b. The reference of an emotion is the clips whose label for it is 1, the strongest of the
clip, as the ExVo 2022 code selects them.

Intervals leave out the generated clips in turn, in blocks that hold a twentieth of each emotion (a
bootstrap would repeat clips, which the distance punishes).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from affectbench.audio import prepare_all
from affectbench.corpora import labels
from affectbench.corpora.exvo import EMOTIONS
from affectbench.errors import BadData, MissingData, listing
from affectbench.features import extract
from affectbench.intervals.methods import jackknife
from affectbench.metrics import (
    frechet,
    frechet_extrapolated,
    heep,
    kernel_distance,
    moments,
    s_gen,
    s_gen_per_emotion,
    target_matrix,
)
from affectbench.submission import Bundle, read_bundle
from affectbench.submission.archive import opened
from affectbench.types import FeatureSet, Floats, Progress, Score, Task

BLOCKS: Final = 20
FARTHEST: Final = 5.0  # standard deviations of the reference
STRONGEST: Final = 1 - 1e-9  # a label from here on is the strongest of its clip
ENDS: Final = {"frechet": (0.0, np.inf), "heep": (-1.0, 1.0), "s_gen": (-0.5, np.inf)}
LEVEL: Final = 0.95
Values = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Generation:
    """What a bundle of generated clips scores; NaN where there are no clips or no ratings.

    ``scores`` has a row for each of ``frechet.sound``, ``heep.column`` and ``s_gen`` of an emotion,
    and one under "" for what is told of all together: ``heep.matrix``, ``heep.means``,
    ``s_gen.mean`` and ``s_gen.published``. ``extrapolated`` and ``kernel`` are distances of each
    emotion that depend less on the number of clips, ``reference`` counts its real clips.
    """

    scores: Mapping[str, Mapping[str, Score]]
    extrapolated: Mapping[str, float]
    kernel: Mapping[str, float]
    reference: Mapping[str, int]
    rated: int  # generated clips with ratings
    notes: tuple[str, ...]


def score_bundle(  # noqa: PLR0913 - what is optional goes by name
    path: Path,
    task: Task,
    data: Path,
    features: FeatureSet,
    *,
    ratings: Path | None = None,
    per_emotion: int = 100,
    seed: int = 0,
    workers: int = 1,
    progress: Progress | None = None,
) -> Generation:
    """Score a bundle of generated clips against the real clips of dev.

    Args:
        path: folder or zip; see ``submission.read_bundle``.
        task: exvo-generate.
        data: corpus folder with the audio and labels of the reference.
        features: the space of the Fréchet distance.
        ratings: CSV of listeners: ``clip`` and the ten emotions, 0 to 1, a row a clip or a row a
            clip and rater; None where nobody has listened, and HEEP and S_GEN are undefined.
        per_emotion: how many clips of each emotion there must be.
        seed: of the blocks and of the extrapolation.
        workers: processes for audio and features.
        progress: told (stage, done, total).

    Raises:
        Refused: the bundle cannot be used.
        MissingData, BadData: corpus folder or ratings that cannot be used.
    """
    bundle = read_bundle(path, per_emotion=per_emotion)
    meant = np.array([EMOTIONS.index(emotion) for emotion in bundle.clips["emotion"]])
    heard = _ratings(ratings, bundle)
    with tempfile.TemporaryDirectory() as folder:
        made = _features(_unpacked(bundle, Path(folder)), features, workers, progress)
    real = _reference(task, data, features, workers, progress)
    mean, scale = _standard(np.concatenate(list(real.values())))
    made = ((made - mean) / scale).clip(-FARTHEST, FARTHEST)
    real = {name: ((x - mean) / scale).clip(-FARTHEST, FARTHEST) for name, x in real.items()}
    known = {emotion: moments(rows) for emotion, rows in real.items()}

    def values(kept: NDArray[np.bool_]) -> Values:
        distance = np.array(
            [frechet(made[kept & (meant == e)], known[name]) for e, name in enumerate(EMOTIONS)]
        )
        return {"frechet.sound": distance, **_heard(distance, meant[kept], heard[kept])}

    blocks = _blocks(meant, np.random.default_rng(seed))
    whole = values(np.ones(len(meant), dtype=bool))
    without = [values(blocks != block) for block in range(BLOCKS)]
    by_emotion = {e: made[meant == e] for e in sorted(set(meant.tolist()))}
    return Generation(
        scores={key: _scores(key, whole, without, len(meant)) for key in whole},
        extrapolated={
            EMOTIONS[e]: frechet_extrapolated(rows, known[EMOTIONS[e]], seed=seed)
            for e, rows in by_emotion.items()
        },
        kernel={EMOTIONS[e]: kernel_distance(x, real[EMOTIONS[e]]) for e, x in by_emotion.items()},
        reference={emotion: len(rows) for emotion, rows in real.items()},
        rated=int((~np.isnan(heard).any(axis=1)).sum()),
        notes=(*bundle.notes, *_notes(features, real, ratings)),
    )


def _heard(distance: Floats, meant: NDArray[np.intp], heard: Floats) -> dict[str, Floats]:
    """HEEP and S_GEN of distances [C] and the ratings [N, C] of clips, NaN where nobody rated."""
    rated = ~np.isnan(heard).any(axis=1)
    target = target_matrix(meant[rated], len(EMOTIONS))
    if rated.any():
        found = {v: heep(target, heard[rated], variant=v) for v in ("column", "matrix", "means")}
    else:
        nan = np.array(np.nan)
        found = {"column": np.full(len(EMOTIONS), np.nan), "matrix": nan, "means": nan}
    return {
        **{f"heep.{variant}": value for variant, value in found.items()},
        "s_gen": s_gen_per_emotion(distance, found["column"]),
        **{
            f"s_gen.{variant}": np.array(s_gen(distance, found["column"], variant=variant))
            for variant in ("mean", "published")
        },
    }


def _scores(key: str, whole: Values, without: list[Values], clips: int) -> dict[str, Score]:
    """The value of each emotion, or the one of all under "", with its jackknife interval."""
    names = EMOTIONS if whole[key].ndim else ("",)
    left_out = np.stack([values[key].reshape(-1) for values in without])
    rows = zip(names, whole[key].reshape(-1).tolist(), left_out.T, strict=True)
    return {name: _score(key, value, column, clips) for name, value, column in rows}


def _score(key: str, value: float, left_out: Floats, clips: int) -> Score:
    defined = bool(np.isfinite(left_out).all())
    low = high = float("nan")
    if defined:
        strata = np.zeros(BLOCKS, dtype=np.intp)
        low, high = jackknife(value, left_out, LEVEL, strata, ENDS[key.partition(".")[0]])
    known = not np.isnan(low)
    return Score(
        value=value,
        low=low,
        high=high,
        level=LEVEL,
        clips=clips,
        groups=BLOCKS if known else 0,
        group_by="block of clips" if known else "",
        draws=BLOCKS,
        undefined=int((~np.isfinite(left_out)).sum()),
        method="jackknife" if known else "",
    )


def _unpacked(bundle: Bundle, folder: Path) -> list[Path]:
    """The clips of a bundle as files, in its order."""
    paths = []
    with opened(bundle.path) as files:
        for name, origin in bundle.clips.select("name", "origin").iter_rows():
            paths.append(folder / name)
            paths[-1].parent.mkdir(exist_ok=True)
            paths[-1].write_bytes(files.read(origin))
    return paths


def _blocks(meant: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """A block for each clip [N], so that each block has an equal share of every emotion."""
    blocks = np.empty(len(meant), dtype=np.intp)
    for emotion in np.unique(meant):
        rows = np.flatnonzero(meant == emotion)
        blocks[rows] = rng.permutation(np.arange(len(rows)) % BLOCKS)
    return blocks


def _standard(features: Floats) -> tuple[Floats, Floats]:
    """Mean and population standard deviation of the columns, 1 where a column is constant."""
    scale = features.std(axis=0)
    return features.mean(axis=0), np.where(scale > 0, scale, 1.0)


def _features(
    paths: list[Path], features: FeatureSet, workers: int, progress: Progress | None
) -> Floats:
    """[N, D] float64, a row a path.

    Raises:
        BadData: a file cannot be read.
    """
    waves = prepare_all(paths, workers=workers, progress=progress)
    if waves.bad:
        told = [f"{Path(path).name}: {why}" for path, why in waves.bad.items()]
        raise BadData(f"{len(told):,} clips cannot be read: {listing(told)}. Copy them again.")
    values = extract(features, waves, workers=workers, progress=progress).values
    place = {path: row for row, path in enumerate(waves.table["path"])}
    return values[[place[str(path)] for path in paths]].astype(np.float64)


def _reference(
    task: Task, data: Path, features: FeatureSet, workers: int, progress: Progress | None
) -> dict[str, Floats]:
    """Features [M, D] of the dev clips of each emotion."""
    clips = task.corpus.read(data).clips.filter(pl.col("part") == "dev")
    clips = clips.filter(pl.col("path").is_not_null())
    if not set(EMOTIONS) <= set(clips.columns):
        raise MissingData(f"{data} has no labels of emotions. Expected: {task.corpus.layout}.")
    strongest = {name: clips.filter(pl.col(name) >= STRONGEST)["path"] for name in EMOTIONS}
    paths = sorted({path for held in strongest.values() for path in held})
    if not paths:
        raise BadData(f"{data}: no dev clip has a label of 1. Expected ratings over their maximum.")
    values = _features([Path(path) for path in paths], features, workers, progress)
    place = {path: row for row, path in enumerate(paths)}
    return {name: values[[place[path] for path in held]] for name, held in strongest.items()}


def _ratings(path: Path | None, bundle: Bundle) -> Floats:
    """Mean rating [N, C] of each clip of the bundle, NaN where nobody rated it.

    Raises:
        BadData: ratings of clips that are not in the bundle, or out of 0 to 1.
    """
    clips = bundle.clips
    if path is None:
        return np.full((len(clips), len(EMOTIONS)), np.nan)
    table = labels.numbers(path, labels.read_csv(path, ["clip", *EMOTIONS]), EMOTIONS, 0, 1)
    blank = table.filter(pl.any_horizontal(pl.col(EMOTIONS).is_null()))
    labels.refuse(path, labels.bad_cells(path, blank, "clip", "a rating of every emotion"))
    names: dict[str, Any] = {row["origin"]: row["name"] for row in clips.iter_rows(named=True)}
    names |= {name: name for name in clips["name"]}
    foreign = table.filter(~pl.col("clip").is_in(list(names)))
    labels.refuse(path, labels.bad_cells(path, foreign, "clip", "the name of a clip handed in"))
    means = table.with_columns(pl.col("clip").replace(names)).group_by("clip").mean()
    joined = clips.select("name").join(
        means, left_on="name", right_on="clip", how="left", maintain_order="left"
    )
    return joined.select(EMOTIONS).to_numpy().astype(np.float64)


def _notes(features: FeatureSet, real: Mapping[str, Floats], ratings: Path | None) -> list[str]:
    """What has to stand beside the numbers."""
    told = [
        f"The Fréchet distance is of {features.title}, standardised by the reference: it is not "
        "on the scale of Table 6b, whose classifier is not at hand."
    ]
    few = [f"{name} {len(rows):,}" for name, rows in real.items() if len(rows) <= features.dim]
    if few:
        told.append(
            f"The reference has no more clips than features ({features.dim:,}) for {listing(few)}: "
            "the distance is far too large. Read the kernel distance beside it."
        )
    if ratings is None:
        told.append("Nobody has listened (--ratings), so HEEP and S_GEN are undefined.")
    return told
