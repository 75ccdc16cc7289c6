"""What two support clips gain: a twin with planted speaker offsets, and one without.

    python benchmarks/personalisation.py --out FOLDER
    python benchmarks/personalisation.py --out FOLDER --system fewshot-lstm --scale 0.1

All speakers of both have one voice and no habits, and their clips are the same to the last sample:
the two differ in their labels alone. (--habits: speakers as in the usual twin, who have both.) Each
is run once, which gives results with 0, 1 and 2 support clips on the same queries. Told are the
scores of test, by the labels that the twin seals, and what the clips gain, with a paired interval
by speaker. FOLDER holds twins, results and the drawing; what lies there is used again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from affectbench import results
from affectbench.corpora.twin.vocalburst import write_vocalburst
from affectbench.fitting import SHOTS
from affectbench.intervals import Comparison, compare
from affectbench.protocols import run
from affectbench.report.figures.shots import shots
from affectbench.scoring import Scoring, arrays, groups_of, score_system
from affectbench.store import write_atomic
from affectbench.systems import SYSTEMS
from affectbench.tasks import TASKS
from affectbench.types import Score, System

TASK = TASKS["exvo-fewshot"]
ADAPTING = sorted(name for name, system in SYSTEMS.items() if system.adapts)


def folders(out: Path, system: System, mode: str | None) -> dict[int, Path]:
    """Where the results with 0, 1 and 2 support clips lie."""
    top = out / TASK.name / results.label(system, mode or system.modes[0])
    return {
        clips: top if clips == SHOTS else top.with_name(f"{top.name}-k{clips}")
        for clips in range(SHOTS + 1)
    }


def gain(more: Path, fewer: Path, part: str) -> Comparison:
    """The first result against the second, on the queries of which both have a prediction."""
    tables = [
        [results.read_seed(seed)[1][part] for seed in results.seed_folders(folder)]
        for folder in (more, fewer)
    ]
    truth, first, outputs = arrays(tables[0], TASK.metric, TASK.targets)
    _, second, _ = arrays(tables[1], TASK.metric, TASK.targets)
    groups = groups_of(tables[0][0], TASK.group)
    return compare(TASK.metric, truth, first, second, groups, outputs=outputs)


def curve_of(twin: Path, out: Path, system: System, mode: str | None, workers: int | None
             ) -> dict[int, Score]:  # fmt: skip
    """Run the system on a twin, print what support clips gain, and give the score by number."""
    result = run(TASK, system, data=twin, out=out, mode=mode, workers=workers, overwrite=True)
    held = folders(out, system, mode)
    curve = {}
    for clips, folder in held.items():
        results.unblind(folder, TASK, twin / "sealed")
        score = score_system(folder, TASK, Scoring()).score
        curve[clips] = score
        line = f"  k = {clips}: {score.value:.4f} [{score.low:.4f}, {score.high:.4f}]"
        if clips:
            found = gain(folder, held[0], "test")
            line += (
                f"   gain {found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}] by "
                f"{found.groups} speakers, p {found.p:.3g}"
            )
        print(line)
    for clips, told in result_support(result.folder).items():
        print(f"  {clips} clips: {told}")
    return curve


def result_support(folder: Path) -> dict[str, str]:
    """What the system says that it does with support clips, by their number."""
    report = results.read_seed(results.seed_folders(folder)[0])[0]["model"]
    support = report.get("support", {})
    return {clips: str(told.get("adapted", told.get("tuned"))) for clips, told in support.items()}


def main() -> None:
    """Make the twins, run, compare and draw."""
    parser = argparse.ArgumentParser(description="What two support clips of a speaker gain.")
    parser.add_argument("--out", type=Path, required=True, help="folder of twins and results")
    parser.add_argument("--system", default="fewshot-zscore", choices=ADAPTING)
    parser.add_argument("--mode", help="sound or official, where the system has both")
    parser.add_argument("--scale", type=float, default=0.05, help="of the published size")
    parser.add_argument("--offset", type=float, default=1.0, help="planted, sd on the logit")
    parser.add_argument("--habits", action="store_true", help="speakers with voices and habits")
    parser.add_argument("--seed", type=int, default=0, help="of the twins")
    parser.add_argument("--workers", type=int, help="processes; all cores by default")
    options = parser.parse_args()
    system = SYSTEMS[options.system]
    curves = {}
    kind = "usual" if options.habits else "alike"
    for name, offset in (("offsets planted", options.offset), ("none planted", 0.0)):
        twin = options.out / f"twin-{kind}-{options.scale:g}-{options.seed}-{offset:g}"
        if not twin.is_dir():
            write_vocalburst(
                twin, scale=options.scale, seed=options.seed, workers=options.workers,
                speaker_offset=offset, alike=not options.habits,
            )  # fmt: skip
        print(f"{options.system}, {name} ({TASK.metric.key} of test):")
        out = options.out / f"results-{twin.name}"
        curves[name] = curve_of(twin, out, system, options.mode, options.workers)
    figure = shots(
        curves, name="shots", metric=TASK.metric.key, title=f"{system.title}: support clips"
    )
    path = options.out / f"shots-{options.system}-{kind}.svg"
    write_atomic(path, lambda file: file.write(figure.encode()))
    print(f"drawn: {path}")


if __name__ == "__main__":
    main()
