"""Questions, subsets and samples: what is chosen, what stays chosen, and what the policy leaves."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from affectbench.cli import stream as cli
from affectbench.errors import AffectBenchError, BadData, MissingData, ResultConflict
from affectbench.stream import (
    Policy,
    StreamIndex,
    build,
    query,
    read_subset,
    sample,
    save_subset,
    select,
)
from affectbench.stream.subsets import clips_of, read_definition
from affectbench.stream.table import draws
from stream_cases import SECRET, row, write

ALL = Policy(include_children=True)
GAMES = ("Chess", "Go", "")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)
    rows = [
        row(
            f"{number % 7}/{number}.opus",
            ms=f"{rng.integers(500, 40_000)}",
            child=f"{rng.uniform():.3f}",
            game=GAMES[number % 3],
            text=f"{SECRET} {number}",
        )
        for number in range(400)
    ]
    return write(tmp_path_factory.mktemp("query"), *rows)


@pytest.fixture
def index(data, tmp_path):
    return build(data, tmp_path / "index")


def test_a_statement_and_a_condition(index):
    clips = index.clips().collect()
    assert len(clips) == (index.clips(ALL).collect()["child_risk"] < 0.5).sum() < 400
    found = query(index, "SELECT game, count(*) AS n FROM clips WHERE duration_s > 5 GROUP BY game")
    expected = clips.filter(pl.col("duration_s") > 5)["game"].value_counts()
    assert dict(found.iter_rows()) == dict(expected.iter_rows())
    found = query(index, "game = 'Chess' AND duration_s < 20")
    expected = clips.filter((pl.col("game") == "Chess") & (pl.col("duration_s") < 20))
    assert found.sort("line").equals(expected)
    assert "transcript" not in found.columns


def test_the_policy_holds_in_sql(index):
    assert query(index, "SELECT max(child_risk) AS m FROM clips").item() < 0.5
    assert query(index, "SELECT max(child_risk) AS m FROM clips", policy=ALL).item() > 0.9
    strict = query(index, "SELECT max(child_risk) AS m FROM clips", policy=Policy(threshold=0.2))
    assert strict.item() < 0.2
    # SQL that opens the index past the policy
    for sql in (
        "SELECT * FROM read_parquet('clips.parquet')",
        "clip IN (SELECT clip FROM \"READ_PARQUET\" ('x'))",
    ):
        with pytest.raises(BadData, match="past the policy"):
            query(index, sql)


def test_transcripts_come_when_asked_for(index):
    sql = f"transcript = '{SECRET} 7'"
    assert query(index, sql, transcripts=True, policy=ALL)["clip"].to_list() == ["0/7.opus"]
    with pytest.raises(BadData, match="columns of clips are: clip, line"):
        query(index, sql)


@pytest.mark.parametrize(
    "sql", ["nothing = 1", "SELEC", "SELECT FROM", "game ==== 1", "SELECT 1; SELECT 2"]
)
def test_sql_that_is_wrong_is_one_message(index, sql):
    with pytest.raises(BadData, match="SQL cannot be run") as error:
        query(index, sql)
    assert "\n" not in str(error.value)


def test_a_subset_is_stored_with_its_definition_count_and_hash(index):
    chosen = select(index, "duration_s > 30")
    saved = save_subset(index, "long", chosen)
    about = read_subset(index, "long")
    assert about == json.loads(json.dumps(saved))
    names = sorted(chosen.clips["clip"])
    assert about["digest"] == hashlib.sha256("\n".join(names).encode()).hexdigest()
    assert (about["clips"], about["where"]) == (len(names), "duration_s > 30")
    assert about["policy"] == Policy().json()
    assert about["source"] == index.source
    assert chosen.excluded == len(select(index, "duration_s > 30", policy=ALL).clips) - len(names)
    assert SECRET not in json.dumps(about)
    path = index.folder / "subsets/long.parquet"
    assert json.loads(pl.read_parquet_metadata(path)["policy"]) == Policy().json()
    # It is a table in SQL, and what later choices start from.
    inside = query(index, "SELECT count(*) AS n FROM long WHERE game = 'Go'").item()
    assert inside == chosen.clips["game"].eq("Go").sum()
    again = select(index, "game = 'Go'", subset="long")
    assert again.clips.equals(chosen.clips.filter(pl.col("game") == "Go"))
    assert again.definition["subset"] == "long"


def test_children_in_a_subset_need_the_flag_again(index):
    save_subset(index, "every", select(index, policy=ALL))
    assert read_subset(index, "every")["policy"]["is_child_probability"] == "included"
    without = select(index, subset="every")
    assert without.clips["child_risk"].max() < 0.5
    assert without.excluded + len(without.clips) == 400
    assert query(index, "SELECT max(child_risk) AS m FROM every").item() < 0.5
    assert len(select(index, subset="every", policy=ALL).clips) == 400


def test_a_condition_hears_of_no_child(index):
    longest = "duration_s = (SELECT max(duration_s) AS m FROM clips)"
    kept = index.clips().collect()
    assert select(index, longest).clips["duration_s"].to_list() == [kept["duration_s"].max()]
    of_all = select(index, longest, policy=ALL).clips["duration_s"].to_list()
    assert of_all == [index.clips(ALL).collect()["duration_s"].max()]


def test_a_subset_is_never_overwritten(index):
    save_subset(index, "one", select(index, "game = 'Go'"))
    save_subset(index, "one", select(index, "game = 'Go'"))  # the same
    with pytest.raises(ResultConflict, match="another subset of that name"):
        save_subset(index, "one", select(index, "game = 'Chess'"))
    for name in ("clips", "Large", "a b", "../x", "", "9"):
        with pytest.raises(BadData, match="cannot be named"):
            save_subset(index, name, select(index))


def test_a_subset_that_is_not_there_or_not_as_saved(index):
    with pytest.raises(MissingData, match="Save a subset first"):
        select(index, subset="none")
    save_subset(index, "one", select(index, "game = 'Go'"))
    path = index.folder / "subsets/one.parquet"
    pl.read_parquet(path).head(3).write_parquet(path)
    with pytest.raises(BadData, match="not what was saved"):
        clips_of(index, "one")
    path.write_bytes(b"no")
    with pytest.raises(BadData, match="cannot be read"):
        clips_of(index, "one")
    for text in ("{", "[]"):
        path.with_suffix(".json").write_text(text)
        with pytest.raises(BadData):
            read_definition(path.with_suffix(".json"))


def test_a_selection_refuses_what_it_cannot_mean(index):
    with pytest.raises(BadData, match="takes a condition"):
        select(index, "SELECT * FROM clips")
    with pytest.raises(BadData, match="not both"):
        select(index, hours=0.1, drawn={})
    with pytest.raises(BadData, match="no limits"):
        select(index, drawn={})
    for hours in (0, -1, 1e9, float("nan")):
        with pytest.raises(BadData, match="asked for"):
            select(index, hours=hours)
    for by in (("mood",), ("game", "game")):
        with pytest.raises(BadData, match="cannot be stratified"):
            select(index, hours=0.1, by=by)


# samples


def frame(clips: list[tuple[int, int | None, str | None]]) -> pl.DataFrame:
    """Rows of (number, seconds, game)."""
    names = pl.Series("clip", [f"{number}.opus" for number, _, _ in clips], pl.String)
    return pl.DataFrame(
        {
            "clip": names,
            "line": pl.Series(range(2, len(clips) + 2), dtype=pl.UInt32),
            "duration_s": pl.Series([s for _, s, _ in clips], dtype=pl.Float64),
            "game": pl.Series([game for _, _, game in clips], dtype=pl.String),
            "folder": pl.Series([""] * len(clips), dtype=pl.String),
            "draw": draws(names),
        }
    )


def drawn(rows: pl.DataFrame, hours: float, by=("game", "duration")) -> tuple[set[str], dict]:
    lines, limits = sample.sample(rows.lazy(), hours, by)
    taken = rows.join(lines, on="line", how="semi")["clip"]
    return set(taken), json.loads(json.dumps(limits))


def total_h(rows: pl.DataFrame, names: set[str] | None = None) -> float:
    kept = rows if names is None else rows.filter(pl.col("clip").is_in(list(names)))
    return kept["duration_s"].sum() / 3600


clip_lists = st.lists(
    st.tuples(
        st.integers(0, 999), st.none() | st.integers(1, 40), st.sampled_from(["A", "B", None])
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda clip: clip[0],
)
strata = st.sampled_from([(), ("game",), ("game", "duration"), ("folder", "duration")])


@settings(max_examples=60, deadline=None)
@given(clip_lists, strata, st.floats(0.01, 1), st.floats(0.01, 1), st.randoms())
def test_a_sample_is_of_the_hours_nested_and_blind_to_order(clips, by, one, two, random):
    rows = frame(clips)
    if not total_h(rows):
        return
    small, large = (drawn(rows, share * total_h(rows), by)[0] for share in sorted((one, two)))
    assert small <= large
    longest_h = rows["duration_s"].max() / 3600
    assert abs(total_h(rows, large) - max(one, two) * total_h(rows)) <= longest_h / 2 + 1e-9
    random.shuffle(clips)
    again = frame(clips)
    # The order of the table changes sums in their last digit, and no clip but at a dead heat.
    assert drawn(again, max(one, two) * total_h(rows), by)[0] == large


@settings(max_examples=60, deadline=None)
@given(clip_lists, clip_lists, strata, st.floats(0.01, 1))
def test_adding_rows_moves_no_clip_that_was_drawn(clips, more, by, share):
    old = frame(clips)
    if not total_h(old):
        return
    known = {number for number, _, _ in clips}
    grown = frame(clips + [clip for clip in more if clip[0] not in known])
    hours = share * total_h(old)
    before, limits = drawn(old, hours, by)
    # To the same limits: all stay, and none of the old others comes in.
    lines = sample.like(grown.lazy(), limits)
    after = set(grown.join(lines, on="line", how="semi")["clip"])
    assert after & set(old["clip"]) == before
    # To the same hours: of each stratum the old clips that stay are the first of its order.
    same_hours, _ = drawn(grown, hours, by)
    names = sample._names(by)
    groups = sample._strata(old.lazy(), by).join(old.select("line", "clip"), on="line")
    for _, stratum in groups.sort("draw").group_by(names, maintain_order=True):
        stay = [name in same_hours for name in stratum["clip"]]
        assert stay == sorted(stay, reverse=True)


def test_strata_have_the_share_that_they_have_in_all():
    rng = np.random.default_rng(0)
    clips = [
        (number, int(rng.integers(1, 40)), str(rng.choice(["A", "B"], p=[0.9, 0.1])))
        for number in range(5_000)
    ]
    rows = frame(clips)
    names, _ = drawn(rows, 0.2 * total_h(rows), ("game",))
    for game in ("A", "B"):
        one = rows.filter(pl.col("game") == game)
        assert total_h(one, names) == pytest.approx(0.2 * total_h(one), abs=40 / 3600)


def test_every_clip_has_the_same_chance():
    """Of strata of one clip too: over many names half of them are drawn for half of the hours."""
    share = []
    for start in range(0, 2_000, 20):
        clips = [(start + i, 10, f"game {i}") for i in range(20)]
        share.append(len(drawn(frame(clips), 10 * 10 / 3600, ("game",))[0]))
    assert share == [10] * 100
    firsts = [
        f"{start}.opus"
        in drawn(
            frame([(start, 10, "rare"), *((start + i, 10, "A") for i in range(1, 20))]),
            0.5 * 200 / 3600,
            ("game",),
        )[0]
        for start in range(0, 4_000, 20)
    ]
    assert 0.4 < np.mean(firsts) < 0.6


def test_new_clips_come_in_at_the_rate_of_the_sample():
    old = frame([(number, 10, "A") for number in range(2_000)])
    _, limits = drawn(old, 0.25 * total_h(old))
    grown = frame([(number, 10, "AB"[number % 2]) for number in range(10_000, 20_000)])
    lines = sample.like(grown.lazy(), limits)
    assert len(lines) == pytest.approx(2_500, rel=0.1)  # a known stratum, and a new one


# the command line


def run(*arguments: object):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def test_the_verbs(index, tmp_path):
    place = ("--index", index.folder)
    told = run("query", "game = 'Go'", *place, "--rows", 3, "--save", "go")
    assert told.exit_code == 0, told.output
    assert "Saved as go" in told.output
    assert "excluded" in told.output
    assert SECRET not in told.output
    counted = run("query", "SELECT count(*) AS n FROM go", *place, "--json")
    facts = json.loads(counted.output)
    assert facts["rows"] == [{"n": read_subset(index, "go")["clips"]}]
    assert facts["policy"] == Policy().json()
    assert f"{SECRET} 1" in run("query", *place, "--transcripts", "--rows", 400).output
    listed = run("subsets", *place)
    assert "game = 'Go'" in listed.output
    assert json.loads(run("subsets", *place, "--json").output)[0]["name"] == "go"


def test_rows_are_written_with_their_policy(index, tmp_path):
    out = tmp_path / "rows.parquet"
    place = ("--index", index.folder, "--out", out)
    told = run("query", "--hours", 0.2, "--by", "game", *place, "--include-children")
    assert told.exit_code == 0, told.output
    assert total_h(pl.read_parquet(out)) == pytest.approx(0.2, abs=40 / 7200)
    policy = json.loads(pl.read_parquet_metadata(out)["policy"])
    assert policy == ALL.json()
    assert isinstance(run("query", *place).exception, ResultConflict)


def test_a_grown_corpus_is_drawn_like_the_old_one(index, data, tmp_path):
    run("query", "--hours", 0.3, "--save", "third", "--index", index.folder)
    old = set(clips_of(index, "third")["clip"])
    more = [row(f"new/{n}.opus", ms="9000", game="Go") for n in range(100)]
    lines = (data / "stream.tsv").read_text() + "\n".join(more) + "\n"
    grown = tmp_path / "grown"
    grown.mkdir()
    (grown / "stream.tsv").write_text(lines)
    build(grown, tmp_path / "new")
    third = index.folder / "subsets/third.json"
    told = run("query", "--like", third, "--index", tmp_path / "new", "--save", "third")
    assert told.exit_code == 0, told.output
    now = set(clips_of(StreamIndex(tmp_path / "new"), "third")["clip"])
    assert old < now
    assert all(name.startswith("new/") for name in now - old)


def test_flags_that_do_not_go_together(index):
    for flags in (("--save", "x"), ("--hours", "1"), ("--subset", "x"), ("--like", "x")):
        told = run("query", "SELECT 1", *flags, "--index", index.folder)
        assert isinstance(told.exception, BadData)
    assert isinstance(run("query", "--index", "nowhere").exception, MissingData)
    assert isinstance(run("query").exception, AffectBenchError)
