"""Splits: shares, hashes, and the audit of what parts share."""

from __future__ import annotations

import polars as pl
import pytest

from affectbench import splits
from affectbench.errors import BadData


def clips_of(speakers: int, each: int = 3) -> pl.DataFrame:
    names = [f"{s:03d}" for s in range(speakers) for _ in range(each)]
    return pl.DataFrame({"clip": [f"c{i}" for i in range(len(names))], "speaker": names})


RULE = splits.by_group("toy/60-20-20")


@pytest.mark.parametrize(
    ("speakers", "sizes"), [(72, (43, 15, 14)), (357, (214, 72, 71)), (5, (3, 1, 1))]
)
def test_whole_speakers_in_exact_shares(speakers, sizes):
    clips = splits.apply(RULE, clips_of(speakers))
    found = clips.group_by("part").agg(pl.col("speaker").n_unique())
    counts = dict(found.iter_rows())
    assert (counts["train"], counts["dev"], counts["test"]) == sizes
    assert splits.shared(clips, "speaker") == []


def test_the_split_does_not_depend_on_the_order_of_rows():
    clips = clips_of(20)
    one = splits.apply(RULE, clips)
    other = splits.apply(RULE, clips.sample(fraction=1, shuffle=True, seed=1))
    assert splits.split_hash(one) == splits.split_hash(other)


def test_name_and_version_make_another_split():
    clips = clips_of(20)
    rules = [RULE, splits.by_group("toy/other"), splits.by_group("toy/60-20-20", version=2)]
    assert len({splits.split_hash(splits.apply(rule, clips)) for rule in rules}) == 3


def test_one_moved_clip_changes_the_hash():
    clips = splits.apply(RULE, clips_of(20))
    moved = clips.with_columns(
        part=pl.when(pl.col("clip") == "c0").then(pl.lit("x")).otherwise("part")
    )
    assert splits.split_hash(clips) != splits.split_hash(moved)


def test_too_few_or_unknown_speakers_are_refused():
    with pytest.raises(BadData, match="cannot fill"):
        splits.apply(RULE, clips_of(2))
    unknown = clips_of(9).with_columns(speaker=pl.lit(None, pl.String))
    with pytest.raises(BadData, match="speaker is unknown"):
        splits.apply(RULE, unknown)


def test_clips_in_no_part_and_empty_parts_are_refused():
    rule = splits.released("toy/released")
    clips = clips_of(3).with_columns(part=pl.Series(["train"] * 3 + ["dev"] * 3 + ["later"] * 3))
    with pytest.raises(BadData, match="3 clips into no part: c6, c7, c8"):
        splits.apply(rule, clips)
    with pytest.raises(BadData, match="leaves test empty"):
        splits.apply(rule, clips.head(6))


def test_clips_that_a_rule_leaves_out_are_dropped_and_told():
    clips = clips_of(4).with_columns(
        part=pl.Series(["train"] * 3 + ["dev"] * 3 + ["test"] * 3 + [splits.UNUSED] * 3)
    )
    rule = splits.released("toy/released")
    kept = splits.apply(rule, clips)
    assert kept["clip"].to_list() == clips["clip"].to_list()[:9]
    (finding,) = splits.unused(rule, clips, kept)
    assert (finding.items, finding.fatal) == (("c9", "c10", "c11"), False)
    assert splits.unused(rule, kept, splits.apply(rule, kept)) == []


def test_a_shared_speaker_is_found():
    clips = clips_of(3).with_columns(
        part=pl.Series(["train", "train", "dev", *["dev"] * 3, *["test"] * 3])
    )
    (finding,) = splits.audit(splits.released("toy/released"), clips)
    assert (finding.items, finding.fatal) == (("000",), True)


def test_duplicates_across_parts_are_fatal_and_silence_is_none():
    clips = pl.DataFrame(
        {
            "clip": list("abcdefg"),
            "part": ["train", "train", "train", "dev", "train", "test", "dev"],
            "digest": ["1", "1", "2", "2", "0", "0", None],
            "silent": [False, False, False, False, True, True, None],
        }
    )
    within, across = splits.duplicates(clips)
    assert (within.items, within.fatal) == (("a = b",), False)
    assert (across.items, across.fatal) == (("c = d",), True)
