"""Embeddings: throughput against the bare model called clip after clip, and memory by length.

    python benchmarks/embeddings.py                       # a stand-in of wav2vec 2.0, 60 clips
    python benchmarks/embeddings.py --family whisper --clips 12
    python benchmarks/embeddings.py --model hubert-base-ls960 --clips 500

The bare model is what a reader of the documentation writes: preprocessor, model, mean over the
last hidden state, one clip at a time (of Whisper, the states of the true length). Both sides have
the same weights, clips and threads, and run in turn in this one process, five clips at a time; the
largest difference between their vectors stands beside the ratio. Memory (Linux alone) is the peak
of a fresh process for one clip, beyond what it holds when model and clip are there; a clip of
20 min must not need much more than one of the length of a chunk. With other work on the machine,
--threads 1: threads that wait for each other say nothing of either side.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
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
BLOCK = 5  # clips
Embed = Callable[[list[NDArray[np.int16]]], NDArray[np.float32]]
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


def bare(folder: Path) -> Embed:
    """The model called one clip after the other."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    reader = transformers.AutoFeatureExtractor.from_pretrained(folder)
    network = model.encoder if model.config.model_type == "whisper" else model

    def embed(waves: list[NDArray[np.int16]]) -> NDArray[np.float32]:
        found = []
        with torch.inference_mode():
            for wave in waves:
                read = reader(wave / np.float32(32_768), sampling_rate=RATE_HZ, return_tensors="pt")
                states = network(read[network.main_input_name]).last_hidden_state[0]
                if network is not model:
                    states = states[: -(-len(wave) // 320)]
                found.append(states.mean(0).numpy())
        return np.stack(found)

    return embed


def timed(embed: Embed, waves: list[NDArray[np.int16]]) -> tuple[float, NDArray[np.float32]]:
    """Seconds and vectors of some clips."""
    began = time.perf_counter()
    found = embed(waves)
    return time.perf_counter() - began, found


def compare(theirs: Embed, ours: Embed, waves: list[NDArray[np.int16]], repeats: int) -> None:
    """Time both sides block by block, in turn, so that what else the machine does hits both."""
    blocks = [waves[start : start + BLOCK] for start in range(0, len(waves), BLOCK)]
    timed(theirs, blocks[0])
    timed(ours, blocks[0])
    slow, fast, apart = [], [], 0.0
    for turn in range(repeats * len(blocks)):
        block = blocks[turn % len(blocks)]
        sides = (theirs, ours) if turn % 2 else (ours, theirs)
        found = {side: timed(side, block) for side in sides}
        slow.append(found[theirs][0])
        fast.append(found[ours][0])
        apart = max(apart, float(np.abs(found[theirs][1] - found[ours][1]).max()))
    audio_s = repeats * sum(map(len, waves)) / RATE_HZ
    ratio = np.median(np.array(slow) / np.array(fast))
    print(
        f"bare model, clip after clip   {sum(slow):7.2f} s, {audio_s / sum(slow):6.1f} x real time"
    )
    print(
        f"ours                          {sum(fast):7.2f} s, {audio_s / sum(fast):6.1f} x real time"
    )
    print(
        f"ratio of throughput           {ratio:7.2f}   (median of {len(slow)} blocks; target: "
        f"{TARGET} or more)"
    )
    print(f"largest difference            {apart:7.0e}")


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
    parser.add_argument("--repeats", type=int, default=3, help="of both")
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
        ours = embedding(folder, device="cpu").many()
        compare(bare(folder), ours, waves, options.repeats)
        for seconds in () if options.no_memory else LENGTHS_S:
            before, peak = memory(folder, seconds)
            print(f"peak for one clip of {seconds:7.2f} s: {before:.0f} + {peak - before:.0f} MiB")


if __name__ == "__main__":
    main()
