"""The line that a training run shows on the terminal, speed and time left included."""

from __future__ import annotations

import time

from affectbench.types import Progress


class Line:
    """``epochs: 3 of 30, loss 0.51, ccc.population 0.41 (best 0.43), 812 clips/s, 4 min left``.

    It is told as the stage, ahead of the clips trained on and those of all epochs. Its part before
    the colon stays the same. The time left is what is left at most: patience may end it earlier.

    Args:
        metric: what dev is judged by.
        clips: N of train.
        epochs: at most.
        done: epochs done before, by a run that was killed.
        progress: whom to tell; None: nobody.
    """

    def __init__(
        self, metric: str, clips: int, epochs: int, done: int, progress: Progress | None
    ) -> None:
        self.metric = metric
        self.clips = clips
        self.epochs = epochs
        self.progress = progress
        self.judgement = ""
        self.began, self.before = time.monotonic(), done * clips

    def trained(self, epoch: int, clips: int, loss: float) -> None:
        """So many clips of this epoch are done, with that mean loss."""
        if self.progress is None:
            return
        total = self.epochs * self.clips
        done = (epoch - 1) * self.clips + clips
        speed = (done - self.before) / max(time.monotonic() - self.began, 1e-9)
        text = (
            f"epochs: {epoch} of {self.epochs}, loss {loss:.3g}{self.judgement}, "
            f"{speed:.3g} clips/s, {left(total - done, speed)}"
        )
        self.progress(text, done, total)

    def judged(self, value: float, best: float) -> None:
        """What dev gave after an epoch, and the best so far; shown from the next look on."""
        self.judgement = f", {self.metric} {value:.3f} (best {best:.3f})"

    def over(self) -> None:
        """The run ended, maybe before its time."""
        if self.progress is not None:
            total = self.epochs * self.clips
            self.progress(f"epochs: done{self.judgement}", total, total)


def left(clips: int, speed: float) -> str:
    """How long so many clips take."""
    seconds = clips / speed
    return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"
