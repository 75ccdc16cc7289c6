"""Leave-sentence-out on MODULATE-SONATA, and what words alone reach with and without it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from affectbench import splits
from affectbench.corpora import modulate_sonata as sonata
from affectbench.corpora.sonata_script import EMOTIONS, WORDS, published
from affectbench.corpora.sonata_splits import SAME, SENTENCES, line_parts
from affectbench.corpora.twin.sonata import write_sonata
from affectbench.errors import BadData
from affectbench.features.text import TEXT
from affectbench.systems.floors import TEXT_ONLY
from affectbench.tasks import TASKS
from affectbench.types import PARTS, Part

TASK = TASKS["sonata-emotion"]


def whole(speakers: int = 23) -> pl.DataFrame:
    """Every line of the published script by each speaker."""
    lines = [(key, name) for key, name in published().items() if key not in SAME]
    rows = [
        (f"S{who:02d}.{key}", f"/S{who:02d}.{key}.wav", f"S{who:02d}", name, 1, key)
        for who in range(speakers)
        for key, name in lines
    ]
    names = ("clip", "path", "speaker", "emotion", "lines", "sentence")
    clips = pl.DataFrame(rows, schema=names, orient="row")
    return clips.with_columns(part=pl.lit(None, pl.String))


def test_no_speaker_and_no_sentence_is_in_two_parts():
    before = whole()
    clips = splits.apply(SENTENCES, before)
    assert splits.shared(clips, "speaker") == []
    assert splits.shared(clips, "sentence") == []
    assert splits.audit(SENTENCES, clips) == []
    sizes = dict(clips.group_by("part").agg(pl.struct("speaker", "sentence").n_unique()).rows())
    short = sum(len(words) == 2 for words in WORDS.values())
    lines = {"train": 72 - 25 - (25 - short), "dev": 25 - short, "test": 25}
    assert sizes == {p: n * lines[p] for p, n in zip(PARTS, (16, 4, 3), strict=True)}
    for part in ("train", "test"):
        assert set(clips.filter(part=part)["emotion"]) == set(EMOTIONS)
    (told,) = splits.unused(SENTENCES, before, clips)
    assert len(told.items) == len(before) - len(clips)
    assert not told.fatal


def test_the_speakers_are_those_of_table_3():
    speakers = dict(splits.apply(sonata.TABLE3, whole()).select("speaker", "part").iter_rows())
    clips = splits.apply(SENTENCES, whole())
    assert all(speakers[who] == part for who, part in clips.select("speaker", "part").iter_rows())


def test_order_and_size_of_the_folder_do_not_count():
    parts = line_parts(whole(2))
    assert line_parts(whole(3).sample(fraction=1, shuffle=True, seed=1)) == parts
    assert Counter(parts.values()) == {"train": 32, "dev": 15, "test": 25}


def test_other_readings_of_a_line_are_in_its_part():
    assert set(SAME) | set(SAME.values()) <= set(published())
    assert set(SAME) == {key for key in published() if key not in set(whole(1)["sentence"])}
    for other, line in SAME.items():
        assert published()[other] == published()[line]
        clips = whole().with_columns(pl.col("sentence").replace(line, other))
        assert splits.split_hash(splits.apply(SENTENCES, clips)) == splits.split_hash(
            splits.apply(SENTENCES, whole())
        )


def test_a_sentence_of_two_classes_is_in_no_part():
    clips = whole()
    shared = clips.filter(emotion="fear")["sentence"][0]
    both = clips.filter(sentence=shared).with_columns(
        clip=pl.col("clip") + "b", path=pl.col("path") + "b", emotion=pl.lit("awe")
    )
    with pytest.raises(BadData, match="the class 'fear' has one sentence"):
        splits.apply(SENTENCES, pl.concat([clips, both]))
    longer = clips.filter(emotion="realization")["sentence"][0]
    both = clips.filter(sentence=longer).with_columns(
        clip=pl.col("clip") + "b", path=pl.col("path") + "b", emotion=pl.lit("awe")
    )
    found = splits.apply(SENTENCES, pl.concat([clips, both]))
    assert longer not in set(found["sentence"])


def test_blocks_and_uncut_recordings_are_refused():
    blocks = whole().with_columns(lines=pl.lit(3))
    with pytest.raises(BadData, match="cut modulate-sonata --by line"):
        splits.apply(SENTENCES, blocks)
    with pytest.raises(BadData, match="uncut recordings"):
        splits.apply(SENTENCES, whole().with_columns(path=pl.lit("/a.mp3")))


def test_a_speaker_without_a_part_is_not_left_out_in_silence():
    part = pl.when(pl.col("speaker") != "S00").then(pl.lit("train"))
    with pytest.raises(BadData, match=r"clips into no part: S00\."):
        splits.apply(SENTENCES, whole().with_columns(part=part))


def parts_of(clips: pl.DataFrame) -> list[Part]:
    codes = {name: code for code, name in enumerate(EMOTIONS)}
    found = []
    for part in PARTS:
        some = clips.filter(part=part)
        labels = np.array([codes[name] for name in some["emotion"]])
        values = TEXT.of_clips(some)
        found.append(Part(tuple(some["clip"]), values, labels, tuple(some["speaker"])))
    return found


def test_words_alone_are_perfect_until_no_sentence_is_shared(tmp_path):
    root = write_sonata(tmp_path / "twin", scale=0.1, line_s=0.3, rate_hz=16_000, workers=1)
    uar = {}
    for by, split in (("block", sonata.TABLE3), ("line", sonata.TABLE3), ("line", SENTENCES)):
        clips = sonata.read(root, by=by).clips.with_columns(path="/" + pl.col("clip"))  # as if cut
        train, dev, test = parts_of(splits.apply(split, clips))
        model = TEXT_ONLY.build(replace(TASK, split=split), 0, "sound")
        model.fit(train, dev).refit(train, dev)
        said = model.predict(test).argmax(axis=1)
        metric = TASK.metric
        uar[by, split.name] = metric.combine(metric.compute(test.labels, said, len(EMOTIONS)))
    assert uar["block", "modulate-sonata/table3"] == 1
    assert uar["line", "modulate-sonata/table3"] == 1
    assert uar["line", "modulate-sonata/sentences"] == pytest.approx(1 / 25)  # chance
