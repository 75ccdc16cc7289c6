"""An organiser with sealed labels of A-VB Two, and files that teams hand in."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from affectbench.judging import Judged, judge, seal
from affectbench.scoring import Scoring
from affectbench.tasks import TASKS

CLIPS, SPEAKERS = 96, 12
TRUTH = np.random.default_rng(0).uniform(0.1, 0.9, size=(CLIPS, 2))
LABELS = [f"{value:.7f}" for value in TRUTH.ravel()]  # long enough never to occur by chance


def write_labels(path: Path, *, speakers: bool = True) -> Path:
    """The labels as a CSV with the official headers."""
    who = [f",S{i % SPEAKERS}" if speakers else "" for i in range(CLIPS)]
    rows = [f"[{i:05d}],Test{who[i]},{LABELS[2 * i]},{LABELS[2 * i + 1]}\n" for i in range(CLIPS)]
    header = f"File_ID,Split{',Subject_ID' if speakers else ''},Valence,Arousal\n"
    path.write_text(header + "".join(rows))
    return path


def write_predictions(path: Path, *, seed: int = 0, noise: float = 0.15) -> Path:
    """A submission: the truth with noise."""
    rng = np.random.default_rng(100 + seed)
    values = np.clip(TRUTH + noise * rng.normal(size=TRUTH.shape), 0, 1)
    rows = [f"[{i:05d}],{v:.4f},{a:.4f}\n" for i, (v, a) in enumerate(values)]
    path.write_text("File_ID,Valence,Arousal\n" + "".join(rows))
    return path


class Organiser:
    """A folder with labels, bundle, key, log and cards."""

    def __init__(self, root: Path, **options) -> None:
        root.mkdir(exist_ok=True)
        self.root = root
        self.labels = write_labels(root / "labels.csv")
        self.bundle, self.key = root / "two.bundle", root / "keys" / "two.json"
        self.log, self.cards = root / "log.jsonl", root / "cards"
        self.scoring = Scoring(draws=100)
        self.sealing = seal(
            self.labels,
            TASKS["avb-two"],
            out=self.bundle,
            key=self.key,
            **{"scoring": self.scoring, **options},
        )
        self.fingerprint = self.sealing.fingerprint
        self.files: dict[str, Path] = {}
        self.half = root / "half.csv"
        whole = write_predictions(root / "whole.csv").read_text().splitlines()
        self.half.write_text("\n".join(whole[: CLIPS // 2]) + "\n")

    def write(self, team: str, *, seed: int = 0, noise: float = 0.15) -> Path:
        """A file of a team."""
        path = self.root / f"handed-{len(self.files)}-{seed}.csv"
        self.files[team] = write_predictions(path, seed=seed, noise=noise)
        return path

    def judge(
        self,
        team: str | None,
        *,
        file: Path | None = None,
        seed: int = 0,
        noise: float = 0.15,
        **options,
    ) -> Judged:
        """Judge a file of a team, written anew if none is given."""
        if file is None:
            file = self.write(str(team), seed=seed, noise=noise)
        places = {"bundle": self.bundle, "key": self.key, "log": self.log, "out": self.cards}
        return judge(**{**places, "submission": file, "team": team, **options})
