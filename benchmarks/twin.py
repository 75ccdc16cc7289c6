"""How fast a twin of HUME-VOCALBURST is written: clips a second with one and two processes.

    python benchmarks/twin.py [scale]

Times the whole of ``write_vocalburst``: latent model, labels, ceiling, synthesis and writing, the
start of the processes included. "CPU" is what this process took with one worker, which other load
on the machine disturbs least. Both runs must give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from pathlib import Path

from affectbench.corpora.twin import write_vocalburst

WANTED = 300  # clips a second, on two cores


def fingerprint(root: Path) -> str:
    """Digest of the names and bytes of all files under ``root``."""
    state = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file():
            state.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return state.hexdigest()


def main(scale: float) -> None:
    """Print a line for each number of processes, then the ratio."""
    rates, prints = {}, set()
    with tempfile.TemporaryDirectory() as folder:
        for workers in (1, 2):
            root = Path(folder) / str(workers)
            wall, cpu = time.perf_counter(), time.process_time()
            write_vocalburst(root, scale=scale, workers=workers)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            clips = len(list((root / "audio" / "wav").iterdir()))
            rates[workers] = clips / wall
            note = f", {1000 * cpu / clips:.2f} ms CPU a clip" if workers == 1 else ""
            print(f"{workers} process(es): {clips:,} clips, {rates[workers]:6.0f} clips/s{note}")
            prints.add(fingerprint(root))
    if len(prints) != 1:
        raise SystemExit("the twins written with one and with two processes differ")
    ratio = rates[2] / rates[1]
    verdict = "met" if rates[2] >= WANTED else "missed"
    print(f"same bytes; two processes are {ratio:.2f} times as fast as one")
    print(f"{WANTED} clips/s on two processes: {verdict} (load {os.getloadavg()[0]:.1f})")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.1)
