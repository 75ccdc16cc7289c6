"""Late fusion: the mean of what several systems predict for the same clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from affectbench import environment, results
from affectbench.errors import BadData, MissingData, listing
from affectbench.fitting import Fitted, Tables
from affectbench.store import digest_json
from affectbench.types import PARTS, Target, Task

RULE = (
    "regression: unweighted mean of the raw predictions, over the seeds of each member first; "
    "classification: one vote a member, ties to the class that comes first"
)
SOURCE = "ComParE 2023 baseline, late fusion; workshop paper (arXiv:2403.14048), Table 5"


def fused(task: Task, folders: Sequence[Path], name: str) -> tuple[dict[str, Any], Fitted]:
    """The fusion of several results of a task.

    Regression: the unweighted mean of the raw predictions, nothing clipped, scaled or learnt; of a
    member with several seeds its mean over them counts once. Classification: the scores of
    different systems are on no common scale, so each member has one vote for its class (of several
    seeds, a share of it each); ties go to the class that comes first in the target. A clip that a
    member did not predict has no fused prediction.

    Args:
        task: what the results are of.
        folders: of systems, each with seed folders; two at least.
        name: of the fusion, for the description.

    Returns:
        What the result says of its inputs, and predictions of dev and test.

    Raises:
        MissingData: a folder holds no result.
        BadData: fewer than two folders, one twice, or they differ in task, clips, data or split.
    """
    folders = list(dict.fromkeys(folder.resolve() for folder in folders))
    if len(folders) < 2:
        raise BadData(
            f"A fusion of {len(folders)} result: expected the folders of two systems at least."
        )
    members = {folder: _seeds(folder) for folder in folders}
    first = next(iter(members.values()))[0]
    _check_alike(task, members)
    tables = {
        part: _fuse_part(task, part, {f: [t for _, t in seeds] for f, seeds in members.items()})
        for part in PARTS[1:]
    }
    return _described(first[0], members, name), Fitted(tables, {"members": len(members)})


Seed = tuple[dict[str, Any], Tables]


def _seeds(folder: Path) -> list[Seed]:
    found = [results.read_seed(path) for path in results.seed_folders(folder)]
    if not found:
        raise MissingData(f"{folder} holds no result. Expected seed<k>/result.json in it.")
    return found


def _check_alike(task: Task, members: Mapping[Path, list[Seed]]) -> None:
    """All of one task and of the same data.

    Raises:
        BadData: they are not; with the folders.
    """
    wrong = [
        f"{folder} (of {seeds[0][0]['task']['name']})"
        for folder, seeds in members.items()
        if seeds[0][0]["task"]["name"] != task.name
    ]
    if wrong:
        raise BadData(f"Expected results of {task.name}, found {listing(wrong)}.")
    digests = {
        folder: results.data_digest(seeds[0][0]["data"] | {"samples": ""})
        for folder, seeds in members.items()
    }
    if len(set(digests.values())) > 1:
        raise BadData(
            f"Results of different labels or splits cannot be fused: {listing(list(members))}. "
            "Expected systems that were run on the same folder of data."
        )


def _fuse_part(task: Task, part: str, members: Mapping[Path, list[Tables]]) -> pl.DataFrame:
    """Predictions of one part, in the order of the first member.

    Raises:
        BadData: the members did not predict the same clips.
    """
    one, *_ = members.values()
    base = one[0][part]
    order = base["clip"].to_list()
    aligned: list[list[pl.DataFrame]] = []
    for folder, seeds in members.items():
        for tables in seeds:
            odd = sorted(set(order) ^ set(tables[part]["clip"]))
            if odd:
                raise BadData(
                    f"{folder} and {next(iter(members))} did not predict the same clips of {part}: "
                    f"{len(odd):,} are in one alone: {listing(odd)}. Run both on the same data."
                )
        aligned.append(
            [
                base.select("clip").join(t[part], on="clip", how="left", maintain_order="left")
                for t in seeds
            ]
        )
    kept = base.select(pl.exclude(r"^(prediction|score)\..*$"))
    return kept.with_columns(
        column for target in task.targets for column in _fuse_target(target, aligned)
    )


def _fuse_target(target: Target, members: list[list[pl.DataFrame]]) -> list[pl.Series]:
    """The fused columns of one target; [members][seeds] tables in one order."""
    if target.kind == "regression":
        names = [f"prediction.{column}" for column in target.columns]
        values = [
            np.mean([table.select(names).fill_null(np.nan).to_numpy() for table in seeds], axis=0)
            for seeds in members
        ]
        return results.predicted(target, np.mean(values, axis=0))
    classes = np.asarray(target.classes)
    votes = []
    for seeds in members:
        said = [table[f"prediction.{target.columns[0]}"] for table in seeds]
        each = [
            np.where(
                one.is_null().to_numpy()[:, None],
                np.nan,
                one.fill_null("").to_numpy()[:, None] == classes,
            )
            for one in said
        ]
        votes.append(np.mean(each, axis=0))
    return results.predicted(target, np.mean(votes, axis=0))


def _described(
    first: Mapping[str, Any], members: Mapping[Path, list[Seed]], name: str
) -> dict[str, Any]:
    """What the fusion was computed from: the predictions of its members, by content."""
    labels = [seeds[0][0]["system"]["label"] for seeds in members.values()]
    contents = {
        f"{number} {label}": digest_json([result["predictions"] for result, _ in seeds])
        for number, (label, seeds) in enumerate(zip(labels, members.values(), strict=True), 1)
    }
    described = {
        "schema": results.SCHEMA,
        "task": first["task"],
        "system": {
            "label": name,
            "name": name,
            "recipe": None,
            "mode": "sound",  # of the averaging, of which there is but one
            "refit": False,
            "settings": {"members": labels, "rule": RULE},
            "source": SOURCE,
        },
        "features": {"name": "predictions", "dim": 0, "identity": contents, "facts": {}},
        "data": first["data"],
        "versions": environment.versions(),
    }
    return {
        **described,
        "inputs": digest_json({key: value for key, value in described.items() if key != "schema"}),
        "findings": first["findings"],
        "notes": [*first["notes"], f"Mean of the predictions of {listing(labels)}."],
        "code": environment.commit(),
    }
