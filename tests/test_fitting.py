"""Folds, joint systems, support clips and fusions: what is learnt from what, what is predicted."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from affectbench import SYSTEMS, TASKS, FeatureSet, Scoring, System, run, splits
from affectbench.errors import BadData
from affectbench.features import WAVES
from affectbench.fitting import fit_predict, shots_of
from affectbench.material import Material
from affectbench.protocols import fuse
from affectbench.types import Part

HIGH = TASKS["avb-high"]
MULTI = TASKS["exvo-multitask"]
FEWSHOT = TASKS["exvo-fewshot"]
FAST = Scoring(draws=50)
BLANK = FeatureSet(
    name="blank",
    title="one number a clip",
    dim=1,
    names=lambda: ("number",),
    identity=lambda: {},
    of_clips=lambda clips: np.arange(len(clips), dtype=np.float32)[:, None],
)


class Told:
    """A model that predicts the mean of what it learnt, and writes down what it was given."""

    def __init__(self, task, seed, mode):
        self.task, self.seed, self.seen = task, seed, []

    def fit(self, train, dev):
        self.seen.append(("fit", train.clips, dev.clips))
        self.joint = isinstance(train.labels, tuple)
        self.mean = _mean(self.task, train)
        return self

    def predict(self, part):
        assert np.size(part.labels) == 0
        self.seen.append(("predict", part.clips))
        values = tuple(np.tile(mean, (len(part.clips), 1)) for mean in self.mean)
        return values if self.joint else values[0]

    def adapt(self, support):
        assert len(support.labels) == len(support.clips) == len(support.features)
        other = Told(self.task, self.seed, "sound")
        other.mean, other.joint = _mean(self.task, support), self.joint
        self.seen.append(("adapt", support.clips))
        return other

    def report(self):
        return {"seen": self.seen}


def _mean(task, part: Part):
    labels = part.labels if isinstance(part.labels, tuple) else (part.labels,)
    return [
        np.nanmean(given, axis=0)
        if target.kind == "regression"
        else np.bincount(given, minlength=target.outputs) / len(given)
        for target, given in zip(task.targets, labels, strict=True)
    ]


def system(**fields):
    told = {"name": "told", "title": "", "features": BLANK, "build": Told, "source": "a test"}
    return System(**{**told, **fields})


def material(task, *, per_part=12, speakers=3, seed=0, **columns):
    """Clips of ``speakers`` speakers in each part, labelled at random throughout."""
    rng = np.random.default_rng(seed)
    n = 3 * per_part
    parts = np.repeat(["train", "dev", "test"], per_part)
    frame = {
        "clip": [f"{i:05d}" for i in range(n)],
        "path": ["x"] * n,
        "speaker": [f"{part}{i % speakers}" for i, part in enumerate(parts)],
        "sex": [None] * n,
        "age": rng.uniform(20, 40, n),
        "country": rng.choice(["China", "Venezuela"], n),
        "part": parts,
        "digest": [f"d{i}" for i in range(n)],
        "samples": [16_000] * n,
        "silent": [False] * n,
    }
    for target in task.targets:
        for column in target.columns:
            if column not in frame:
                frame[column] = (
                    rng.choice(target.classes, n) if target.classes else rng.uniform(size=n)
                )
    clips = pl.DataFrame({**frame, **columns}).with_columns(pl.col("sex").cast(pl.String))
    if task.protocol == "personalise":
        clips, _ = splits.with_support(clips)
    return Material(clips, np.arange(n, dtype=np.float32)[:, None], (), BLANK)


def test_a_joint_system_sees_all_targets_at_once(tmp_path):
    held = material(MULTI)
    found = fit_predict(MULTI, system(joint=True), "sound", 0, held, work=tmp_path)
    (one,) = found.values()
    assert one.report["seen"][0][0] == "fit"  # one model
    table = one.tables["test"]
    assert set(table.columns) >= {f"prediction.{column}" for column in MULTI.columns}
    apart = fit_predict(MULTI, system(), "sound", 0, held, work=tmp_path)[2]
    assert table.equals(apart.tables["test"])  # the mean is the mean, together or apart
    assert set(apart.report) == {target.name for target in MULTI.targets}


def test_each_speaker_is_predicted_by_a_model_adapted_to_that_speaker(tmp_path):
    held = material(FEWSHOT)
    adapts = system(adapts=True)
    assert list(shots_of(FEWSHOT, adapts)) == [2, 1, 0]
    assert shots_of(HIGH, adapts) == shots_of(FEWSHOT, system()) == {2: None}
    found = fit_predict(FEWSHOT, adapts, "sound", 0, held, work=tmp_path)
    support = held.clips.filter("support")
    assert support.group_by("speaker").len()["len"].to_list() == [2] * 6
    assert set(support["part"]) == {"dev", "test"}
    tables = {shots: one.tables["test"] for shots, one in found.items()}
    assert all(t["clip"].equals(tables[0]["clip"]) for t in tables.values())
    assert not set(tables[2]["clip"]) & set(support["clip"])  # a support clip is never scored
    for who, rows in tables[2].group_by("speaker"):
        own = support.filter(pl.col("speaker") == who[0]).sort("clip")
        np.testing.assert_allclose(rows["prediction.Awe"], own["Awe"].mean())
        first = tables[1].filter(pl.col("speaker") == who[0])
        np.testing.assert_allclose(first["prediction.Awe"], own["Awe"][0])
    mean = held.clips.filter(pl.col("part") == "train")["Awe"].mean()
    np.testing.assert_allclose(tables[0]["prediction.Awe"], mean)


def test_released_support_labels_are_learnt_from_and_the_speaker_without_is_not_lost(tmp_path):
    held = material(FEWSHOT)
    given = held.clips.filter(pl.col("speaker") == "test1")["clip"].head(2).to_list()
    chosen = pl.col("clip").is_in(given)
    columns = FEWSHOT.columns
    clips = held.clips.with_columns(
        support=chosen,
        **{f"support.{c}": pl.when(chosen).then(0.25) for c in columns},
        **{c: pl.when(pl.col("part") != "test").then(c) for c in columns},
    )
    clips, findings = splits.with_support(clips)
    assert [f.items for f in findings] == [("test0", "test2")]
    held = replace(held, clips=clips)
    table = fit_predict(FEWSHOT, system(adapts=True), "sound", 0, held, work=tmp_path)[2]
    test = table.tables["test"]
    assert set(test["clip"]).isdisjoint(given)
    personal = test.filter(pl.col("speaker") == "test1")
    np.testing.assert_allclose(personal["prediction.Awe"], 0.25)
    rest = test.filter(pl.col("speaker") != "test1")
    assert len(rest) == 8
    assert rest["prediction.Awe"].null_count() == 0
    assert rest["prediction.Awe"].n_unique() == 1


def test_support_clips_are_drawn_without_duplicates_whatever_the_order():
    clips = material(FEWSHOT, digest=["same"] * 2 + [f"d{i}" for i in range(34)]).clips
    doubled = clips.with_columns(
        digest=pl.when(pl.col("clip").is_in(["00012", "00015", "00018"]))
        .then(pl.lit("twice"))
        .otherwise("digest")
    ).drop("support")
    drawn, findings = splits.with_support(doubled)
    assert not set(drawn.filter("support")["clip"]) & {"00012", "00015", "00018"}
    assert [f.items for f in findings] == [("dev0",)]  # one clip without a duplicate is left
    again, _ = splits.with_support(doubled.reverse())
    assert set(again.filter("support")["clip"]) == set(drawn.filter("support")["clip"])
    assert not drawn.filter(pl.col("part") == "train")["support"].any()


def test_folds_are_pooled_and_no_clip_is_predicted_by_a_model_that_saw_it(tmp_path):
    held = material(HIGH, speakers=4)
    who = sorted(set(held.clips["speaker"]))

    def fold(number):
        def assign(clips):
            place = {s: (who.index(s) + number) % 3 for s in who}
            parts = {s: ("test", "dev", "train")[at] for s, at in place.items()}
            return clips["speaker"].replace_strict(parts).alias("part")

        return splits.Split(
            name=f"fold-{number}", version=1, disjoint="speaker", released=False, assign=assign
        )

    folds = tuple(fold(number) for number in range(3))
    task = replace(HIGH, split=replace(folds[0], name="folds", folds=folds))
    (one,) = fit_predict(task, system(), "sound", 0, held, work=tmp_path).values()
    for table in one.tables.values():
        assert table["clip"].equals(held.clips["clip"])
    for fold_report in one.report["folds"]:
        (_, train, dev), *predicted = fold_report["seen"]
        test = set(predicted[-1][1])
        assert not (set(train) | set(dev)) & test
        speakers = dict(held.clips.select("clip", "speaker").iter_rows())
        assert not {speakers[c] for c in train} & {speakers[c] for c in test}
    assert splits.audit(task.split, held.clips) == []


def test_features_by_clip_need_no_audio(avb, tmp_path):
    for wav in (avb / "audio" / "wav").glob("*.wav"):
        wav.write_bytes(b"no audio")
    result = run(HIGH, system(), data=avb, out=tmp_path, scoring=FAST)
    assert any("no audio was read" in note for note in result.notes)
    stored = json.loads((result.folder / "seed0/result.json").read_text())
    assert stored["data"]["parts"]["dev"]["readable"] == 48


class Hears(Told):
    """Predicts the loudness of a wave."""

    def fit(self, train, dev):
        assert train.features.shape == (len(train.clips), 0)
        assert len(train.waves) == len(train.clips)
        return self

    def predict(self, part):
        loud = [np.abs(wave.astype(float)).mean() / 32768 for wave in part.waves]
        return np.tile(np.array(loud)[:, None], (1, self.task.target.outputs))


def test_a_system_may_hear_the_waves(avb, tmp_path):
    hears = system(features=WAVES, build=Hears)
    result = run(HIGH, hears, data=avb, out=tmp_path, scoring=FAST)
    table = pl.read_parquet(result.folder / "seed0/dev.parquet")
    assert table["prediction.Awe"].n_unique() > 40


def test_fusion_is_the_mean_of_members_and_of_their_seeds(avb, tmp_path):
    class Seeded(Told):
        def predict(self, part):
            return np.full((len(part.clips), 10), float(self.seed))

    folders = []
    for name, seeds in (("one", (1, 3)), ("two", (5,))):
        seeded = system(name=name, build=Seeded, seeds=seeds)
        folders.append(run(HIGH, seeded, data=avb, out=tmp_path, scoring=FAST).folder)
    fused = fuse(HIGH, folders, out=tmp_path, scoring=FAST)
    table = pl.read_parquet(fused.folder / "seed0/test.parquet")
    assert set(table["prediction.Awe"]) == {(2 + 5) / 2}
    written = (fused.folder / "seed0/result.json").read_bytes()
    assert fuse(HIGH, folders, out=tmp_path, scoring=FAST).folder == fused.folder  # served
    assert (fused.folder / "seed0/result.json").read_bytes() == written
    with pytest.raises(BadData, match="two systems at least"):
        fuse(HIGH, [folders[0], folders[0]], out=tmp_path)
    with pytest.raises(BadData, match="Expected results of avb-two"):
        fuse(TASKS["avb-two"], folders, out=tmp_path)


def test_votes_decide_a_fused_class_and_the_first_of_a_tie(avb, tmp_path):
    task = TASKS["avb-type"]

    def says(kind):
        class Says(Told):
            def predict(self, part):
                return np.tile(np.arange(8) == kind, (len(part.clips), 1)).astype(float)

        return run(
            task, system(name=f"says{kind}", build=Says), data=avb, out=tmp_path, scoring=FAST
        ).folder

    folders = [says(kind) for kind in (5, 2, 5)[:2]]
    tied = fuse(task, folders, out=tmp_path, name="tied", scoring=FAST)
    classes = task.target.classes
    assert set(_said(tied)) == {classes[2]}
    third = says(6)
    lone = fuse(task, [*folders, third], out=tmp_path, name="three", scoring=FAST)
    assert set(_said(lone)) == {classes[2]}


def _said(result):
    return pl.read_parquet(result.folder / "seed0/dev.parquet")["prediction.Voc_Type"]


def test_systems_of_ours_are_recognised_by_their_code():
    from affectbench.systems import ours

    assert all(ours(one) for one in SYSTEMS.values())
    assert ours(replace(SYSTEMS["egemaps-svm"], features=BLANK))
    assert not ours(system())
