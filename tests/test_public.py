"""The face of the package: names, what an import loads, that the core needs no torch, layers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import affectbench

HEAVY = {
    *("torch", "sklearn", "scipy", "pandas", "polars", "opensmile", "av", "joblib", "soundfile"),
    *("torchaudio", "torchvision", "torchcodec", "rich", "matplotlib"),
}
SOURCE = Path(affectbench.__file__).parent


def loaded(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after running ``code``."""
    tail = "\nimport sys; print('\\n' + ' '.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code + tail], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_all_public_names_are_there():
    assert affectbench.__all__ == sorted(
        affectbench.__all__, key=lambda n: (not n.isupper(), n[0].islower(), n)
    )
    assert set(affectbench.HOMES) == set(affectbench.__all__)
    for name in affectbench.__all__:
        assert getattr(affectbench, name) is not None
    with pytest.raises(AttributeError):
        affectbench.nothing  # noqa: B018


def test_the_function_run_is_not_hidden_by_a_module():
    loaded("import affectbench.protocols; from affectbench import run; run.__kwdefaults__")


def test_importing_loads_nothing_heavy():
    assert loaded("import affectbench") & (HEAVY | {"numpy", "typer"}) == set()


def test_help_loads_nothing_heavy():
    code = """
import contextlib, affectbench.cli as cli
with contextlib.suppress(SystemExit):
    cli.app(["--help"])"""
    assert loaded(code) & (HEAVY - {"rich"}) == set()


def test_metrics_are_numpy_only():
    assert loaded("import affectbench.metrics, affectbench.intervals") & HEAVY == set()


def test_the_core_needs_no_torch():
    """With torch hidden, every table loads and a linear system trains."""
    code = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'torch', 'torchaudio', 'torchvision', 'torchcodec'}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hide())
import numpy as np
from affectbench import SYSTEMS, TASKS
from affectbench.types import Part
rng = np.random.default_rng(0)
task, n = TASKS['avb-type'], 80
def part():
    x = rng.standard_normal((n, 88)).astype('float32')
    return Part(tuple(map(str, range(n))), x, np.arange(n) % 8, ('a',) * n)
train, dev = part(), part()
model = SYSTEMS['egemaps-svm'].build(task, 0, 'sound').fit(train, dev)
assert model.predict(dev).shape == (n, 8)
from affectbench.errors import MissingExtra
try:
    SYSTEMS['egemaps-mlp'].build(task, 101, 'sound').fit(train, dev)
except MissingExtra as error:
    assert "affectbench[neural]" in str(error)
else:
    raise AssertionError('trained without torch')
"""
    loaded(code)


def test_nothing_imports_the_torch_satellites():
    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        assert not any(
            f"import {name}" in text for name in ("torchaudio", "torchvision", "torchcodec")
        )


def test_layers_hold():
    tool = Path(sys.executable).with_name("lint-imports")
    root = SOURCE.parents[1]
    done = subprocess.run(
        [tool, "--no-cache"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_files_and_functions_stay_small():
    import ast

    for path in SOURCE.rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                skip = 1 if ast.get_docstring(node) and len(node.body) > 1 else 0
                assert node.end_lineno - node.body[skip].lineno < 50, f"{path}: {node.name}"
