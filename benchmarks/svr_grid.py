"""The grid of Emotion Share, 20 settings x 9 targets: ours against scikit-learn's GridSearchCV.

    python benchmarks/svr_grid.py                                   # 2,000 x 600, two minutes
    python benchmarks/svr_grid.py --rows 8000 --columns 6373 --baseline-targets 1
    python benchmarks/svr_grid.py --rows 31745 --columns 1024 --kind embeddings --baseline-targets 1

Synthetic features: correlated, noisy, a third of the functionals heavy-tailed, some constant; vote
shares as labels. Both sides get the same arrays in a process of their own, two cores each: the
baseline is GridSearchCV over a pipeline of scaler and MultiOutputRegressor(LinearSVR) with two
jobs. Its time is linear in the targets, so at full size it may fit the first few only, and is
scaled up (labelled so); or a random part of the 20 settings, which is much coarser.

Reported: ratio of wall time; ratio of peak memory (ours: the process's high-water mark; baseline:
proportional memory of all its processes, sampled); the largest excess of our objective over
liblinear's over all fits; the winner by mean absolute error; how far predictions of dev are apart.
liblinear stops early, so for the winner both are compared with liblinear at a tolerance of 1e-8,
which may take several times as long as the rest (--no-converged skips it).
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from affectbench.systems import svr_grid as svr

LOSS = {"epsilon_insensitive": np.abs, "squared_epsilon_insensitive": np.square}


def make(options: argparse.Namespace, folder: Path) -> None:
    """Features and labels of train and dev, a quarter as many clips, as files."""
    random = np.random.default_rng(0)
    clips, columns = options.rows + options.rows // 4, options.columns
    features = 0.4 * random.standard_normal((clips, columns), dtype=np.float32)
    labels = 1.5 * random.standard_normal((clips, options.targets))
    # Few strong factors and many weak ones; some of them move the labels.
    for factors, power, strength in ((min(60, columns), 0.5, 0.7), (min(600, columns), 0.7, 0.6)):
        hidden = random.standard_normal((clips, factors), dtype=np.float32)
        sizes = (1 + np.arange(factors, dtype=np.float32)) ** -power
        loads = random.standard_normal((factors, columns), dtype=np.float32) * sizes[:, None]
        features += hidden @ (loads * (strength / np.sqrt((sizes**2).sum())))
        labels += hidden[:, :20] @ random.standard_normal((min(20, factors), options.targets)) / 3
    if options.kind == "functionals":
        third = columns // 3
        features[:, :third] = np.exp(features[:, :third])
        features[:, third : third + third // 4] **= 3
        features *= np.exp(random.uniform(-4, 6, columns)).astype(np.float32)
        features[:, : max(1, columns // 200)] = 0.25
    shares = np.exp(labels)
    shares = np.round(20 * shares / shares.max(axis=1, keepdims=True)) / 20
    for name, part in (("train", slice(None, options.rows)), ("dev", slice(options.rows, None))):
        np.save(folder / f"{name}.npy", features[part])
        np.save(folder / f"{name}.labels.npy", shares[part])


def read(folder: Path) -> tuple[np.ndarray, ...]:
    """Features and labels of train, then of dev."""
    names = ("train", "train.labels", "dev", "dev.labels")
    return tuple(np.load(folder / f"{name}.npy") for name in names)


def keep(folder: Path, setting: svr.Setting, weights: np.ndarray, values: np.ndarray) -> None:
    """Weights [D + 1, C] and predictions of dev [N, C] of one setting."""
    number = svr.SETTINGS.index(setting)
    np.savez(folder / f"{number:02d}.npz", weights=weights, values=values)


def ours(folder: Path) -> None:
    """Our grid; writes what was found, seconds and peak memory."""
    features, labels, dev, _ = read(folder)
    out = folder / "ours"
    began = time.perf_counter()
    found = []
    for setting, fitted, told in svr.by_gap(features, labels, (0.0, 1.0), svr.SETTINGS):
        keep(out, setting, fitted.weights, fitted.values(dev))
        found.append({**setting.named(), **told})
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    print(json.dumps({"seconds": seconds, "peak": peak, "settings": found}))


def pipeline(setting: svr.Setting, tol: float = svr.TOL):
    """What the baseline fits."""
    from sklearn import preprocessing
    from sklearn.multioutput import MultiOutputRegressor
    from sklearn.pipeline import Pipeline
    from sklearn.svm import LinearSVR

    iterations = svr.MAX_ITER if tol == svr.TOL else 100 * svr.MAX_ITER
    machine = LinearSVR(
        C=setting.c, loss=setting.loss, dual=True, tol=tol, max_iter=iterations, random_state=42
    )
    scaler = getattr(preprocessing, setting.scaler)()
    return Pipeline([("scaler", scaler), ("machines", MultiOutputRegressor(machine))])


def weights_of(fitted) -> np.ndarray:
    """[D + 1, C] of a fitted pipeline."""
    machines = fitted.named_steps["machines"].estimators_
    return np.stack([np.append(m.coef_, m.intercept_) for m in machines], axis=1)


class Scorer:
    """Negative mean absolute error; keeps weights and predictions on the way."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, fitted, features: np.ndarray, labels: np.ndarray) -> float:
        """Score one setting."""
        machine = fitted.named_steps["machines"].estimator
        scaler = type(fitted.named_steps["scaler"]).__name__
        values = fitted.predict(features)
        keep(self.folder, svr.Setting(scaler, machine.C, machine.loss), weights_of(fitted), values)
        return -float(np.abs(labels - values).mean())


def baseline(folder: Path, numbers: list[int], targets: int) -> None:
    """GridSearchCV over some settings and targets; writes seconds."""
    from sklearn import preprocessing
    from sklearn.model_selection import GridSearchCV, PredefinedSplit

    features, labels, dev, truth = read(folder)
    both = np.concatenate([features, dev])
    wanted = np.concatenate([labels, truth])[:, :targets]
    split = PredefinedSplit(np.repeat([-1, 0], [len(features), len(dev)]))
    del features, dev
    grid = [
        {
            "scaler": [getattr(preprocessing, setting.scaler)()],
            "machines__estimator__C": [setting.c],
            "machines__estimator__loss": [setting.loss],
        }
        for setting in (svr.SETTINGS[number] for number in numbers)
    ]
    search = GridSearchCV(
        pipeline(svr.SETTINGS[0]),
        grid,
        scoring=Scorer(folder / "baseline"),
        cv=split,
        refit=False,
        n_jobs=2,
        error_score="raise",
    )
    began = time.perf_counter()
    search.fit(both, wanted)
    print(json.dumps({"seconds": time.perf_counter() - began}))


def family(pid: int) -> list[int]:
    """The process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(below for child in children for below in family(int(child)))]


def proportional_bytes(pid: int) -> int:
    """Memory of a process and all below it; a page that several share counts once."""
    total = 0
    for one in family(pid):
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            total += int(rollup.split("Pss:")[1].split()[0]) * 1024
        except (OSError, IndexError):
            continue  # it has just ended
    return total


def side(folder: Path, *arguments: str) -> dict:
    """Run one side in a process of its own, and watch its memory."""
    command = [sys.executable, __file__, "--side", str(folder), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    seen = [0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            seen.append(proportional_bytes(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    text, _ = process.communicate()
    over.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{arguments[0]} failed with exit code {process.returncode}")
    return {"peak": max(seen), **json.loads(text.splitlines()[-1])}


def objectives(scaled: np.ndarray, labels: np.ndarray, setting: svr.Setting, weights) -> np.ndarray:
    """[C] values of what liblinear minimises."""
    left = labels - scaled @ weights[:-1] - weights[-1]
    return (weights**2).sum(axis=0) / 2 + setting.c * LOSS[setting.loss](left).sum(axis=0)


def compare(folder: Path, numbers: list[int], targets: int) -> svr.Setting:
    """Print objectives, winners and predictions; the winner of the baseline."""
    from sklearn import preprocessing

    features, labels, _, truth = read(folder)
    labels, truth = labels[:, :targets], truth[:, :targets]
    errors, excess, apart = {}, {}, {}
    for name, group in itertools.groupby(numbers, lambda number: svr.SETTINGS[number].scaler):
        scaler = getattr(preprocessing, name)(copy=False)
        scaled = scaler.fit_transform(features.astype(np.float64))
        for number in group:
            setting = svr.SETTINGS[number]
            pair = [np.load(folder / who / f"{number:02d}.npz") for who in ("ours", "baseline")]
            one, two = (
                objectives(scaled, labels, setting, file["weights"][:, :targets]) for file in pair
            )
            values = [file["values"][:, :targets] for file in pair]
            excess[setting] = (one / two - 1).max()
            apart[setting] = np.abs(values[0] - values[1])
            errors[setting] = [np.abs(truth - value).mean() for value in values]
    winners = [min(errors, key=lambda setting: errors[setting][who]) for who in (0, 1)]
    print(
        f"excess of our objective over liblinear's   {max(excess.values()):9.1e}   (at most 1e-3)"
    )
    print(f"winner by MAE on dev: ours {' '.join(map(str, winners[0]))}")
    print(f"          scikit-learn's {' '.join(map(str, winners[1]))}")
    worst = max(apart, key=lambda setting: apart[setting].max())
    mean = np.mean([apart[setting].mean() for setting in apart])
    print(
        f"predictions of dev apart, winner           {apart[winners[1]].max():9.1e} at most, "
        f"{apart[winners[1]].mean():.1e} on average\n"
        f"predictions of dev apart, any setting      {apart[worst].max():9.1e} at most "
        f"({' '.join(map(str, worst))}), {mean:.1e} on average"
    )
    return winners[1]


def converge(folder: Path, setting: svr.Setting, targets: int) -> None:
    """Both sides against liblinear at a tolerance at which it is done, for one setting."""
    features, labels, dev, _ = read(folder)
    done = pipeline(setting, tol=1e-8).fit(features, labels[:, :targets]).predict(dev)
    number = svr.SETTINGS.index(setting)
    for who, words in (("ours", "ours         "), ("baseline", "scikit-learn's")):
        values = np.load(folder / who / f"{number:02d}.npz")["values"][:, :targets]
        print(f"winner, {words} from liblinear at 1e-8  {np.abs(values - done).max():9.1e} at most")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="The SVR grid against GridSearchCV, two jobs.")
    parser.add_argument("--rows", type=int, default=2_000, help="N, clips of train")
    parser.add_argument("--columns", type=int, default=600, help="D, features")
    parser.add_argument("--targets", type=int, default=9, help="C, columns of labels")
    parser.add_argument("--kind", choices=("functionals", "embeddings"), default="functionals")
    parser.add_argument("--baseline-targets", type=int, help="fit these only, and scale up")
    parser.add_argument("--baseline-settings", type=int, default=20, help="a random part of the 20")
    parser.add_argument("--no-converged", action="store_true", help="skip liblinear at 1e-8")
    parser.add_argument("--side", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("what", nargs="*", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Run both sides in turn and print the ratios."""
    options = arguments()
    if options.side:
        name, *rest = options.what
        if name == "ours":
            ours(options.side)
        else:
            baseline(options.side, json.loads(rest[0]), int(rest[1]))
        return
    targets = min(options.baseline_targets or options.targets, options.targets)
    chosen = np.random.default_rng(0).choice(20, min(options.baseline_settings, 20), replace=False)
    numbers = sorted(map(int, chosen))
    scale = options.targets / targets * 20 / len(numbers)
    print(
        f"{options.rows:,} x {options.columns:,}, {options.targets} targets, {options.kind}; "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for who in ("ours", "baseline"):
            (folder / who).mkdir()
        make(options, folder)
        fast = side(folder, "ours")
        gap = max(row["gap"] for row in fast["settings"])
        steps = sum(row["steps"] for row in fast["settings"])
        print(
            f"ours           {fast['seconds']:9.1f} s {fast['peak'] / 2**20:9,.0f} MiB   largest "
            f"gap {gap:.1e}, {steps} steps",
            flush=True,
        )
        slow = side(folder, "baseline", json.dumps(numbers), str(targets))
        words = "" if scale == 1 else f"   (scaled up {scale:.3g} times)"
        seconds = slow["seconds"] * scale
        print(f"GridSearchCV   {seconds:9.1f} s {slow['peak'] / 2**20:9,.0f} MiB{words}")
        print(f"time ratio     {seconds / fast['seconds']:9.1f}     (at full size: 5 or more)")
        print(
            f"memory ratio   {slow['peak'] / fast['peak']:9.1f}     (at full size: 3 or more)",
            flush=True,
        )
        winner = compare(folder, numbers, targets)
        if not options.no_converged:
            converge(folder, winner, targets)


if __name__ == "__main__":
    main()
