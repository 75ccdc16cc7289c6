"""How long ``import affectbench``, its metrics and ``affectbench --help`` take.

Best of several fresh processes, compared with the bare interpreter of the same run. With --limit
it fails when one of ``HELD`` takes longer than so many seconds.
"""

import argparse
import subprocess
import sys
import time

COMMANDS = {
    "python": ["-c", "pass"],
    "import affectbench": ["-c", "import affectbench"],
    "import numpy": ["-c", "import numpy"],
    "import affectbench.metrics": ["-c", "import affectbench.metrics"],
    "affectbench --help": ["-m", "affectbench", "--help"],
}

HELD = ("import affectbench", "affectbench --help")  # to the limit; the others are NumPy's doing


def best(arguments: list[str], repeats: int) -> float:
    """Seconds of the fastest of ``repeats`` runs of the interpreter with these arguments."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> int:
    """Print the table; 1 if a limit is given and not held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, help="seconds that each may take")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    taken = {name: best(arguments, options.repeats) for name, arguments in COMMANDS.items()}
    for name, seconds in taken.items():
        print(f"{name:<26} {seconds:.3f} s  {seconds / taken['python']:5.1f} x python")
    held = max(taken[name] for name in HELD)
    return int(options.limit is not None and held > options.limit)


if __name__ == "__main__":
    sys.exit(main())
