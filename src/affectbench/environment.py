"""What a number was made with: versions, the commit of this code, the machine and its cost."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("affectbench", "numpy", "scipy", "polars", "scikit-learn")
EXTRAS: Final = {
    "neural": ("torch", "numba"),
    "embeddings": ("torch", "transformers"),
}


def version(package: str) -> str | None:
    """Installed version of a package, None if it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions(*extras: str) -> dict[str, str | None]:
    """Versions of what computes predictions and scores, those of extras included."""
    more = [package for extra in extras for package in EXTRAS.get(extra, ())]
    return {package: version(package) for package in (*PACKAGES, *more)}


def commit() -> dict[str, Any]:
    """Commit and dirtiness of the checkout that this code runs from; None outside a checkout."""
    top = Path(__file__).resolve().parents[2]
    if not (top / ".git").exists():
        return {"commit": None, "dirty": None}
    git = ["git", "-C", str(top)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
        status = subprocess.run(
            [*git, "status", "--porcelain"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
    return {"commit": head.stdout.strip(), "dirty": bool(status.stdout.strip())}


def run_facts() -> dict[str, Any]:
    """Date, machine and peak memory so far, of this process and the largest of its children."""
    peak_kib = {
        "self": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "largest_child": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,
    }
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "peak_memory_mib": {who: kib / 1024 for who, kib in peak_kib.items()},
    }
