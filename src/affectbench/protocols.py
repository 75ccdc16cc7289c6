"""The way through: corpus folder -> clips -> waves -> features -> predictions -> scored result.

``material.py`` brings the clips as far as features, ``fitting.py`` fits and predicts; this file
names the order, stores and scores.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from affectbench import environment, results
from affectbench.errors import BadData, MissingData, ResultConflict, listing
from affectbench.fitting import Fitted, fit_predict, shots_of
from affectbench.fusion import fused
from affectbench.material import Material, extract_features, read
from affectbench.provenance import audio_s, describe, origin
from affectbench.scoring import Result, Scoring, score_system
from affectbench.store import disk_error
from affectbench.systems import SYSTEMS, ours
from affectbench.types import Progress, System, Task


def run(  # noqa: PLR0913 - the flags of the command line, each with its default
    task: Task,
    system: System,
    *,
    data: str | Path,
    out: str | Path = "results",
    mode: str | None = None,
    seeds: Sequence[int] | None = None,
    scoring: Scoring | None = None,
    workers: int | None = None,
    keep_going: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Run a system on a task: fit on train, choose on dev, predict dev and test, score, store.

    Args:
        task: a row of ``TASKS``, or your own.
        system: a row of ``SYSTEMS``, or your own (``from_sklearn``).
        data: root of the corpus folder, in its released layout.
        out: folder of results; ``<task>/<system>/seed<k>`` is written below it.
        mode: ``sound`` or ``official``, where the system has both; None is its default.
        seeds: None is the system's own.
        scoring: draws, level and seed of the intervals, and what is resampled.
        workers: processes for audio and features; None is one a core.
        keep_going: go on although clips cannot be read or do not match. They stay in the
            predictions without a value, and their number stays in the result.
        overwrite: replace a result of other data or settings.
        progress: called with the stage, what is done and what there is in all.

    Returns:
        The result over all seeds. A row of ``SYSTEMS`` on the same data is served from the stored
        predictions, recognised by content, not by name. A system of your own is always fitted
        again, since its code cannot be compared.

    Raises:
        MissingData: folder, files, columns or labels that are not there.
        BadData: labels, audio or features that cannot be used; all of them in one message.
        ResultConflict: a result of other data, settings or code lies there and ``overwrite`` is
            False.
    """
    if task.protocol == "generate":
        raise BadData(
            f"{task.name} is won by generated clips, and {system.name} predicts labels. Score a "
            f"folder of wavs: affectbench score {task.name} FOLDER --labels CORPUS"
        )
    scoring = scoring or Scoring()
    if system.members:
        own: dict[str, Any] = {
            "data": data,
            "out": out,
            "scoring": scoring,
            "workers": workers,
            "keep_going": keep_going,
            "overwrite": overwrite,
            "progress": progress,
        }
        return _run_fusion(task, system, mode, own)
    mode = mode or system.modes[0]
    if mode not in system.modes:
        raise BadData(f"{system.name} has no mode '{mode}'. It has: {', '.join(system.modes)}.")
    seeds = tuple(system.seeds if seeds is None else seeds)
    top = Path(out) / task.name
    check_writable(top / results.label(system, mode))
    started = time.time()
    clips, findings = read(task, Path(data), keep_going=keep_going)
    material = extract_features(
        task,
        clips,
        findings,
        system.features,
        workers=workers,
        keep_going=keep_going,
        progress=progress,
    )
    cost = {
        "read_and_extract_s": time.time() - started,
        "audio_s": audio_s(material),
        "data": str(Path(data).resolve()),
    }
    folders = _store_seeds(
        task, system, mode, seeds, material, top=top, cost=cost, overwrite=overwrite,
        progress=progress,
    )  # fmt: skip
    scored = [score_system(folder, task, scoring) for folder in folders]
    return scored[0]


def _store_seeds(  # noqa: PLR0913 - what a run has gathered
    task: Task,
    system: System,
    mode: str,
    seeds: Sequence[int],
    material: Material,
    *,
    top: Path,
    cost: Mapping[str, Any],
    overwrite: bool,
    progress: Progress | None,
) -> list[Path]:
    """Fit and store the seeds that are not there yet; the folders, the result's own first."""
    came_from = origin(Path(cost["data"]))
    described = {
        shots: describe(task, system, mode, material, came_from, told)
        for shots, told in shots_of(task, system).items()
    }
    folders = {shots: top / told["system"]["label"] for shots, told in described.items()}
    done = [
        clear_the_way(folders[shots], told["inputs"], overwrite=overwrite)
        for shots, told in described.items()
    ]
    kept = set.intersection(*map(set, done)) if ours(system) else set()
    missing = [seed for seed in seeds if seed not in kept]
    tell = progress or (lambda stage, done, total: None)
    label = results.label(system, mode)
    for number, seed in enumerate(missing):
        tell(f"training {label}", number, len(missing))
        started = time.time()
        work = top / f".{label}-seed{seed}.training"
        fitted = fit_predict(task, system, mode, seed, material, work=work, progress=progress)
        facts = {**environment.run_facts(), **cost, "fit_and_predict_s": time.time() - started}
        for shots, one in fitted.items():
            folder = folders[shots] / f"seed{seed}"
            write_fitted(folder, described[shots], seed, one, facts, overwrite=overwrite)
        shutil.rmtree(work, ignore_errors=True)
    tell(f"training {label}", len(missing), len(missing))
    return list(folders.values())


def write_fitted(
    folder: Path,
    described: Mapping[str, Any],
    seed: int,
    fitted: Fitted,
    facts: Mapping[str, Any],
    *,
    overwrite: bool,
) -> None:
    """Store the predictions of one seed with all that they were computed from."""
    predictions = {part: results.content(table) for part, table in fitted.tables.items()}
    result = {**described, "seed": seed, "model": fitted.report, "predictions": predictions}
    results.write_seed(folder, fitted.tables, result, facts, overwrite=overwrite)


def _run_fusion(task: Task, system: System, mode: str | None, own: Mapping[str, Any]) -> Result:
    """Run the members of a fusion, each in the mode if it has it, then fuse what they predict."""
    mode = mode or system.modes[0]
    members = [SYSTEMS[name] for name in system.members]
    folders = [
        run(task, member, mode=mode if mode in member.modes else None, **own).folder
        for member in members
    ]
    options = {name: own[name] for name in ("out", "scoring", "overwrite")}
    return fuse(task, folders, name=results.label(system, mode), **options)


def fuse(
    task: Task,
    folders: Sequence[str | Path],
    *,
    out: str | Path = "results",
    name: str = "late-fusion",
    scoring: Scoring | None = None,
    overwrite: bool = False,
) -> Result:
    """Late fusion: the mean of the raw predictions of several results of one task.

    See ``fusion.fused`` for what is averaged and what must agree.

    Args:
        task: what the results are of.
        folders: of results, ``results/<task>/<system>``, two at least.
        out: folder of results; ``<task>/<name>`` is written below it.
        name: of the fusion.
        scoring: as for ``run``.
        overwrite: replace a fusion of other predictions.

    Raises:
        BadData: the results differ in clips, data, labels or split, or there are fewer than two.
        ResultConflict: another fusion lies under that name and ``overwrite`` is False.
    """
    folder = Path(out) / task.name / name
    check_writable(folder)
    started = time.time()
    described, fitted = fused(task, [Path(one) for one in folders], name)
    if not clear_the_way(folder, described["inputs"], overwrite=overwrite):
        facts = {**environment.run_facts(), "fit_and_predict_s": time.time() - started}
        roots = {results.run_of(Path(one)).get("data") for one in folders}
        if len(roots) == 1:
            facts["data"] = roots.pop()
        write_fitted(folder / "seed0", described, 0, fitted, facts, overwrite=overwrite)
    return score_system(folder, task, scoring or Scoring())


def check_writable(folder: Path) -> None:
    """Find out before the work whether results can be written at all."""
    probe = folder / f".write-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise disk_error(error, folder) from error


def clear_the_way(folder: Path, inputs: str, *, overwrite: bool) -> list[int]:
    """The seeds that are stored with the same inputs; others are removed if that is allowed.

    Raises:
        ResultConflict: a stored seed is of other inputs, or damaged, and ``overwrite`` is False.
    """
    done = []
    conflicts = []
    for path in results.seed_folders(folder):
        try:
            result, _ = results.read_seed(path)
            same = result["inputs"] == inputs
        except (MissingData, ResultConflict):
            same = False
        if same:
            done.append(int(path.name.removeprefix("seed")))
        else:
            conflicts.append(path)
    if conflicts and not overwrite:
        raise ResultConflict(
            f"{listing(conflicts)}: a result of other data, labels, split, settings or versions "
            "lies there. Nothing was changed. Choose another --out, or replace it with --overwrite."
        )
    for path in conflicts:
        results.remove(path)
    return done
