"""The picture of the report in the README, taken by Chromium.

    python docs/screenshot.py RESULTS

writes docs/report.png: the first page in light, and beside it what lies behind the numbers of a
task, in dark, as ``affectbench report`` makes them.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from pathlib import Path

from affectbench.report import write

WIDTH, HEIGHT, GAP = 960, 1130, 24  # px
LIMIT_BYTES = 300_000


def picture(site: Path, task: str) -> bytes:
    """A PNG of two pages side by side."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("There is no Chromium. Install it: .ci/browser")
    whole = Image.new("RGBA", (2 * WIDTH + GAP, HEIGHT))
    views = (("index.html", "main", "light"), (f"tasks/{task}.html", "agreement", "dark"))
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        size = {"width": WIDTH, "height": HEIGHT}
        for place, (name, part, scheme) in enumerate(views):
            page = browser.new_page(viewport=size, color_scheme=scheme)
            page.goto((site / name).as_uri())
            page.evaluate(f"document.getElementById('{part}').scrollIntoView()")
            taken = Image.open(io.BytesIO(page.screenshot()))
            whole.paste(taken, (place * (WIDTH + GAP), 0))
    file = io.BytesIO()
    whole.quantize(256).save(file, "PNG", optimize=True)
    return file.getvalue()


def main() -> None:
    """Write the site to a temporary folder and take the picture."""
    call = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    call.add_argument("results", type=Path)
    call.add_argument("--task", default="avb-high")
    call.add_argument("--out", type=Path, default=Path(__file__).with_name("report.png"))
    given = call.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        site = write(given.results, Path(folder) / "site").parent
        taken = picture(site, given.task)
    if len(taken) > LIMIT_BYTES:
        sys.exit(f"The picture has {len(taken):,} bytes, more than {LIMIT_BYTES:,}.")
    given.out.write_bytes(taken)
    print(f"{given.out}: {len(taken):,} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
