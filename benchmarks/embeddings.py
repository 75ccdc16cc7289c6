"""Embeddings: throughput against the bare model called clip after clip, and memory by length.

    python benchmarks/embeddings.py                       # a stand-in of wav2vec 2.0, 80 clips
    python benchmarks/embeddings.py --family whisper --clips 12
    python benchmarks/embeddings.py --model hubert-base-ls960 --clips 500

The bare model is what a reader of the documentation writes: preprocessor, model, mean over the
last hidden state, one clip at a time (of Whisper, the states of the true length). Both sides have
the same weights, clips and threads, and run in turn in this one process; the largest difference
between their vectors stands beside the ratio. Memory (Linux alone) is the peak of a fresh process
for one clip, beyond what it holds when model and clip are there; a clip of 20 min must not need
much more than one of the length of a chunk.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from affectbench.features.embeddings import FAMILIES, embedding, stand_in
from affectbench.features.embeddings.hub import find, source_of

RATE_HZ = 16_000
LENGTHS_S = (0.05, 10.0, 30.0, 1_200.0)
TARGET = 0.95
CHILD = """
import sys
import numpy as np
import torch
from pathlib import Path
from affectbench.features.embeddings import embedding

def peak():
    status = Path("/proc/self/status").read_text()
    return next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))

torch.set_num_threads(int(sys.argv[3]))
embed = embedding(Path(sys.argv[1]), device="cpu").many()
embed([np.zeros(RATE, np.int16)])
wave = np.random.default_rng(0).integers(-9_000, 9_000, int(float(sys.argv[2]) * RATE), np.int16)
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
before = peak()
assert np.isfinite(embed([wave])).all()
print(before, peak())
""".replace("RATE", str(RATE_HZ))


def clips(count: int) -> list[NDArray[np.int16]]:
    """Noise bursts of 0.5 to 4 s, 2.25 s on average as those of HUME-VOCALBURST."""
    rng = np.random.default_rng(0)
    lengths = rng.uniform(0.5, 4.0, count)
    return [(rng.normal(0, 3_000, int(s * RATE_HZ))).astype(np.int16) for s in lengths]


def bare(folder: Path, waves: list[NDArray[np.int16]]) -> tuple[float, NDArray[np.float32]]:
    """Seconds and vectors of the model called one clip after the other."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    reader = transformers.AutoFeatureExtractor.from_pretrained(folder)
    network = model.encoder if model.config.model_type == "whisper" else model
    found = []
    began = time.perf_counter()
    with torch.inference_mode():
        for wave in waves:
            read = reader(wave / np.float32(32_768), sampling_rate=RATE_HZ, return_tensors="pt")
            states = network(read[network.main_input_name]).last_hidden_state[0]
            if network is not model:
                states = states[: -(-len(wave) // 320)]
            found.append(states.mean(0).numpy())
    return time.perf_counter() - began, np.stack(found)


def ours(folder: Path, waves: list[NDArray[np.int16]]) -> tuple[float, NDArray[np.float32]]:
    """The same through the feature set."""
    embed = embedding(folder, device="cpu").many()
    began = time.perf_counter()
    found = embed(waves)
    return time.perf_counter() - began, found


def memory(folder: Path, seconds: float) -> tuple[float, float]:
    """MiB with the model loaded, and at the peak of one clip of that length."""
    command = [sys.executable, "-c", CHILD, str(folder), str(seconds), str(torch.get_num_threads())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    before, peak = (int(kib) / 1024 for kib in done.stdout.split())
    return before, peak


def main() -> None:
    """Time both sides in turn, then measure memory by length of a clip."""
    parser = argparse.ArgumentParser(description="Embeddings against the bare model.")
    parser.add_argument("--family", default="wav2vec2", choices=[*FAMILIES], help="of a stand-in")
    parser.add_argument("--dim", type=int, default=256, help="D of the stand-in")
    parser.add_argument("--layers", type=int, default=4, help="of the stand-in")
    parser.add_argument("--model", help="a model that is on this machine, instead of a stand-in")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3, help="of both; the best of each counts")
    parser.add_argument("--threads", type=int, help="of torch (default: as many as it takes)")
    parser.add_argument("--no-memory", action="store_true", help="throughput alone")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as scratch:
        if options.model:
            folder = find(source_of(options.model)).folder
        else:
            sizes = {"dim": options.dim, "layers": options.layers}
            folder = stand_in(options.family, Path(scratch) / "model", **sizes)
        waves = clips(options.clips)
        audio_s = sum(map(len, waves)) / RATE_HZ
        print(
            f"{options.model or f'stand-in of {options.family}'}, {len(waves)} clips, "
            f"{audio_s:.0f} s of audio, torch {torch.__version__}, threads: "
            f"{torch.get_num_threads()}"
        )
        bare(folder, waves[:3])
        ours(folder, waves[:3])
        theirs, mine = [], []
        for _ in range(options.repeats):
            theirs.append(bare(folder, waves))
            mine.append(ours(folder, waves))
        slow, fast = min(s for s, _ in theirs), min(s for s, _ in mine)
        apart = np.abs(theirs[0][1] - mine[0][1]).max()
        print(f"bare model, clip after clip   {slow:7.2f} s, {audio_s / slow:6.1f} x real time")
        print(f"ours                          {fast:7.2f} s, {audio_s / fast:6.1f} x real time")
        print(f"ratio of throughput           {slow / fast:7.2f}   (target: {TARGET} or more)")
        print(f"largest difference            {apart:7.0e}")
        for seconds in () if options.no_memory else LENGTHS_S:
            before, peak = memory(folder, seconds)
            print(f"peak for one clip of {seconds:7.2f} s: {before:.0f} + {peak - before:.0f} MiB")


if __name__ == "__main__":
    main()
