"""Pages about the tasks: equal to what the tables say, every sum worked out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from affectbench import TASKS, guide
from affectbench.errata import ERRATA, of_task

DOCS = Path(__file__).parents[1] / "docs"


def test_the_files_are_what_the_tables_say():
    for name, text in guide.pages().items():
        assert (DOCS / name).read_text() == text, f"{name}: python -m affectbench.guide docs"
    assert {path.stem for path in (DOCS / "protocols").iterdir()} == set(TASKS)


def test_pages_are_written_whole(tmp_path):
    written = guide.write(tmp_path)
    assert len(written) == len(TASKS) + 1
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_page_tells_metric_file_and_errata(task):
    page = guide.task_page(task)
    assert f"`{task.metric.key}` ranks" in page
    assert all(f"`{row.name}`" in page for row in of_task(task.name))
    assert ",".join(task.submission.columns if task.submission else task.columns) in page
    assert "|  |" not in page  # every metric says how it is computed


def test_errata_name_tasks_and_say_what_holds():
    names = [row.name for row in ERRATA]
    assert len(set(names)) == len(names)
    for row in ERRATA:
        assert set(row.tasks) <= set(TASKS), row.name
        assert row.says, row.name
        assert row.holds.endswith("."), row.name
        assert row.source, row.name


SUMS = {
    "equation1-mae": "0.3488",
    "table5-dash": "0.3645",
    "table2-clips": "59,201",
    "table4-sonata": "22,321 s; Table 4.*22,321 s",
    "table1-sizes": "9,925.*10,143",
    "table6b-heep": "Sadness -0.040",
    "table8-s-gen": "0.1725.*0.1917.*0.088",
    "ccc-degrees-of-freedom": "0.8 for 5 clips, 0.9999",
    "mtl-age-matrix": "3.2 GB",
    "mtl-age-rules": "49%.*58%",
    "uar-union": "0.5 over the union, 0.75",
    "type-classes": "= 8",
    "table10": "29.53 s.*0.034",
    "stream-rate": "120 kbit/s",
}


def test_the_arithmetic_comes_out():
    """Worked by hand from the printed numbers."""
    done = {row.name: row.arithmetic() for row in ERRATA if row.arithmetic}
    assert set(done) == set(SUMS)
    for name, expected in SUMS.items():
        assert re.search(expected, done[name]), f"{name}: {done[name]}"
