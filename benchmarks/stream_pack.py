"""Shards of MODULATE-STREAM: packing against ``tar``, reading against a reader of tar streams.

    python benchmarks/stream_pack.py                 # 20,000 Opus files of 13.4 s on average: 1 GB
    python benchmarks/stream_pack.py --clips 5000 --mean-s 53   # files as large as the corpus's

The files are those of a twin: 100 different clips, copied under as many names as are asked for, or
those of a folder in the corpus's layout (--data). Packing reads the files from the page cache, as
``tar`` does; it also takes digests, writes JSON and offsets, and syncs each shard to the disk, so
``tar`` is timed with and without a sync. The cores must be free: ``tar`` uses one of them, packing
all. Clips are read from the shards in random order and in order, with digests compared and without,
against ``tarfile`` in streaming mode, which is what WebDataset reads with (and against WebDataset
itself where it is installed).
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from affectbench.corpora.twin.stream import HEADER, MEAN_S, draw_stream, name, opus, talk
from affectbench.stream import Form, Policy, Shards, StreamIndex, build, pack, select

ALL = Policy(include_children=True)
DIFFERENT = 100


def write_corpus(root: Path, clips: int, mean_s: float) -> None:
    """So many Opus files and their table."""
    drawn = draw_stream(DIFFERENT, 10, mean_s, seed=0)
    kinds = []
    for i in range(DIFFERENT):
        facts = float(drawn.child[i]), float(drawn.female[i]), int(drawn.game[i])
        wave = talk(int(drawn.duration_ms[i]), *facts, np.random.default_rng(i))
        kinds.append(opus(wave, serial=i))
    with (root / "stream.tsv").open("w") as table:
        table.write(HEADER)
        for i in range(clips):
            kind = i % DIFFERENT
            path = root / name(i)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(kinds[kind])
            facts = drawn.child[kind], drawn.female[kind], f"Game {drawn.game[kind]}"
            cells = (name(i), drawn.duration_ms[kind], "bla", *facts)
            table.write("\t".join(map(str, cells)) + "\n")


def cpu_s() -> float:
    """CPU seconds of this process and of the ended ones that it started."""
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(who) for who in both]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    wall, cpu = time.perf_counter(), cpu_s()
    work()
    return time.perf_counter() - wall, cpu_s() - cpu


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    """A folder that is not there before and after."""
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def tar(index: StreamIndex, names: Path, out: Path, *, sync: bool) -> tuple[float, float]:
    """The same files in one archive, by the program."""
    with emptied(out):
        out.mkdir()
        archive = str(out / "all.tar")
        command = ["tar", "-cf", archive, "-C", str(index.data), "-T", str(names)]

        def work() -> None:
            subprocess.run(command, check=True)
            if sync:
                subprocess.run(["sync", archive], check=True)

        return timed(work)


def ours(index: StreamIndex, out: Path, shard_mb: float, workers: int) -> tuple[float, float]:
    """The same files in shards."""
    chosen = select(index, policy=ALL)
    with emptied(out):
        return timed(
            lambda: pack(index, chosen, out, form=Form(shard_mb=shard_mb), workers=workers)
        )


def packing(index: StreamIndex, folder: Path, shard_mb: float, repeats: int) -> None:
    """Time both, in turn, and print the best of each."""
    clips = index.clips(ALL).collect()
    names = folder / "names"
    names.write_text("\n".join(clips["clip"]) + "\n")
    size_mb = sum((index.data / clip).stat().st_size for clip in clips["clip"]) / 1e6
    cores = os.cpu_count() or 1
    works = {
        "tar": lambda: tar(index, names, folder / "tar", sync=False),
        "tar, synced": lambda: tar(index, names, folder / "tar", sync=True),
        "pack, 1 worker": lambda: ours(index, folder / "out", shard_mb, 1),
        f"pack, {cores} workers": lambda: ours(index, folder / "out", shard_mb, cores),
    }
    spent: dict[str, list[tuple[float, float]]] = {title: [] for title in works}
    for _ in range(repeats):
        for title, work in works.items():
            spent[title].append(work())
    print(f"{len(clips):,} files, {size_mb:,.0f} MB, shards of {shard_mb:g} MB")
    print(f"{'':22}  wall s   CPU s    MB/s  of tar's time  of tar's, synced (limit: 1.25)")
    base, synced = min(spent["tar"])[0], min(spent["tar, synced"])[0]
    for title, times in spent.items():
        wall, cpu = min(times)
        ratios = f"{wall / base:14.2f} {wall / synced:17.2f}"
        print(f"{title:22} {wall:7.2f} {cpu:7.2f} {size_mb / wall:7.0f} {ratios}")


def streamed(files: tuple[Path, ...]) -> int:
    """Clips that ``tarfile`` gives from the streams, sound and JSON."""
    clips = 0
    for path in files:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as archive:
            for member in archive:
                data = archive.extractfile(member)
                assert data is not None
                data.read()
                clips += member.name.endswith(".opus")
    return clips


def webdataset(files: tuple[Path, ...]) -> int:
    """Clips that WebDataset gives, undecoded."""
    import webdataset

    return sum(1 for _ in webdataset.WebDataset([str(path) for path in files], shardshuffle=False))


def reading(folder: Path, repeats: int) -> None:
    """Clips a second of every way to read."""
    shards = Shards(folder, policy=ALL)
    order = np.random.default_rng(0).permutation(len(shards)).tolist()

    def each(numbers: list[int], check: bool) -> int:
        return sum(1 for number in numbers if shards.read(number, check=check))

    in_order = sorted(order)
    works = {
        "tarfile, in order": lambda: streamed(shards.files),
        "Shards, in order": lambda: each(in_order, False),
        "Shards, random": lambda: each(order, False),
        "Shards, in order, checked": lambda: each(in_order, True),
        "Shards, random, checked": lambda: each(order, True),
    }
    if find_spec("webdataset"):
        works["WebDataset, in order"] = lambda: webdataset(shards.files)
    print(f"{'':26} clips/s  of tarfile's (random: 2 or more; in order: 1 or more)")
    best = dict.fromkeys(works, 0.0)
    for _ in range(repeats):
        for title, work in works.items():
            start = time.perf_counter()
            clips = work()
            best[title] = max(best[title], clips / (time.perf_counter() - start))
    for title, rate in best.items():
        print(f"{title:26} {rate:7,.0f} {rate / best['tarfile, in order']:7.2f}")
    start = time.perf_counter()
    Shards(folder, policy=ALL)
    print(f"opened in {time.perf_counter() - start:.3f} s")


def main() -> None:
    """Write a corpus, pack it, read it."""
    parser = argparse.ArgumentParser(description="Packing against tar; reading against tarfile.")
    parser.add_argument("--clips", type=int, default=20_000, help="Opus files to make")
    parser.add_argument(
        "--mean-s", type=float, default=MEAN_S, help="seconds of a clip; 53 for files of 200 kB"
    )
    parser.add_argument("--data", type=Path, help="a folder of the corpus instead")
    parser.add_argument("--shard-mb", type=float, default=250.0, help="millions of bytes a shard")
    parser.add_argument("--repeats", type=int, default=3, help="the best of each counts")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data = options.data
        if data is None:
            data = folder / "data"
            data.mkdir()
            write_corpus(data, options.clips, options.mean_s)
        cores = os.cpu_count() or 1
        index = build(data, folder / "index", headers=True, workers=cores)
        packing(index, folder, options.shard_mb, options.repeats)
        form = Form(shard_mb=options.shard_mb)
        pack(index, select(index, policy=ALL), folder / "kept", form=form, workers=2)
        reading(folder / "kept", options.repeats)


if __name__ == "__main__":
    main()
