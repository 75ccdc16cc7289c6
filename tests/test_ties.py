import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectbench.errors import AffectBenchError, BadData
from affectbench.intervals.paired import compare
from affectbench.intervals.ties import compare_all, holm
from affectbench.metrics import METRICS

NAN = math.nan
CCC = METRICS["ccc.population"]


def board(groups=30, clips=300, **noise):
    """Truth, predictions of a system for each noise, and the groups of the clips."""
    rng = np.random.default_rng(0)
    index = rng.integers(groups, size=clips)
    truth = rng.normal(size=(clips, 1))
    systems = {name: truth + size * rng.normal(size=(1, clips, 1)) for name, size in noise.items()}
    return truth, systems, index


def standings(found):
    return {one.system: (one.best, one.worst) for one in found.standings}


def test_holm_on_the_textbook_case():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1, 1])
    assert holm([0.2]) == pytest.approx([0.2])
    assert holm([]).shape == (0,)


def test_holm_does_not_count_what_is_undefined():
    got = holm([0.01, NAN, 0.03])
    assert got[[0, 2]] == pytest.approx([0.02, 0.03])
    assert math.isnan(got[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_lies_between_no_correction_and_bonferroni_in_the_same_order(p):
    got = holm(p)
    assert (got >= p).all()
    assert (got <= np.minimum(1, len(p) * np.array(p)) + 1e-12).all() or (got <= 1).all()
    order = np.argsort(p, kind="stable")
    assert (np.diff(got[order]) >= 0).all()
    assert got[order[0]] == pytest.approx(min(1, len(p) * min(p)))


@pytest.mark.parametrize("p", [[[0.1, 0.2]], [1.2], [-0.1, 0.5]])
def test_what_are_no_p_values_is_refused(p):
    with pytest.raises(BadData, match="expected a vector"):
        holm(p)


def test_clear_differences_give_clear_ranks_and_others_ranges():
    truth, systems, index = board(poor=2.0, good=0.51, same=0.5, middle=1.0)
    found = compare_all(CCC, truth, systems, index, outputs=1, draws=500)
    assert [one.system for one in found.standings[2:]] == ["middle", "poor"]
    assert standings(found) == {"good": (1, 2), "same": (1, 2), "middle": (3, 3), "poor": (4, 4)}
    assert [one.tied_first for one in found.standings] == [True, True, False, False]
    values = [one.value for one in found.standings]
    assert values == sorted(values, reverse=True)


def test_pairs_are_the_comparisons_of_two_with_holm_over_all():
    truth, systems, index = board(a=0.8, b=0.9, c=1.0)
    found = compare_all(CCC, truth, systems, index, outputs=1, draws=300, seed=2)
    assert len(found.pairs) == 3
    for pair in found.pairs:
        alone = compare(
            CCC, truth, systems[pair.first], systems[pair.second], index,
            outputs=1, draws=300, seed=2,
        )  # fmt: skip
        assert pair.comparison == alone
        assert pair.comparison.difference >= 0
    assert [pair.adjusted for pair in found.pairs] == pytest.approx(
        holm([pair.comparison.p for pair in found.pairs])
    )


def test_a_range_that_overlaps_two_others_is_a_range():
    # the middle one differs from neither, the outer ones differ: no classes could say so
    truth, systems, index = board(clips=400, a=0.8, b=0.84, c=0.9)
    found = compare_all(CCC, truth, systems, index, outputs=1, draws=2_000, level=0.99)
    assert standings(found) == {"a": (1, 2), "b": (1, 3), "c": (2, 3)}
    assert [one.tied_first for one in found.standings] == [True, True, False]


def test_lower_is_better_for_an_error():
    truth, systems, index = board(good=0.2, poor=1.0)
    found = compare_all(METRICS["mae.mean"], truth, systems, index, outputs=1, draws=300)
    assert standings(found) == {"good": (1, 1), "poor": (2, 2)}
    assert (found.pairs[0].first, found.pairs[0].significant) == ("good", True)
    assert found.pairs[0].comparison.difference < 0


def test_an_undefined_system_is_last_has_no_rank_and_does_not_count():
    truth, systems, index = board(good=0.2, poor=1.5)
    systems = {"broken": np.full((1, 300, 1), 0.5), **systems}
    spearman = METRICS["spearman.mean"]  # undefined for a constant
    found = compare_all(spearman, truth, systems, index, outputs=1, draws=300)
    assert standings(found) == {"good": (1, 1), "poor": (2, 2), "broken": (None, None)}
    assert found.standings[-1].system == "broken"
    assert not found.standings[-1].tied_first
    defined = [pair for pair in found.pairs if pair.second != "broken"]
    assert defined[0].adjusted == defined[0].comparison.p
    assert all(math.isnan(p.adjusted) for p in found.pairs if p.second == "broken")


def test_unknown_groups_leave_all_tied():
    truth, systems, index = board(a=0.1, b=2.0)
    found = compare_all(CCC, truth, systems, [None] * len(index), outputs=1)
    assert standings(found) == {"a": (1, 2), "b": (1, 2)}


def test_draws_that_could_show_nothing_are_refused():
    truth, systems, index = board(clips=60, **{f"s{i}": 1.0 for i in range(6)})
    with pytest.raises(AffectBenchError, match="Take 300 draws or more"):
        compare_all(CCC, truth, systems, index, outputs=1, draws=298)
    assert len(compare_all(CCC, truth, systems, index, outputs=1, draws=299).pairs) == 15
    few = index % 4  # all eight ways to swap are tried: no draws would help
    assert compare_all(CCC, truth, systems, few, outputs=1, draws=10).pairs[0].comparison.exact


def test_one_system_is_not_compared():
    truth, systems, index = board(a=1.0)
    with pytest.raises(AffectBenchError, match="1 systems were given"):
        compare_all(CCC, truth, systems, index, outputs=1)
