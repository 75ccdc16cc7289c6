"""The command line: names in, objects out.

Exit codes: 0 fine, 1 a check failed, 2 the call or the input is wrong, 130 interrupted.
"""

from __future__ import annotations

import signal
import sys

import typer

from affectbench.cli import boards, folders, judging, reports, runs, scores, stream, submit, tables
from affectbench.errors import AffectBenchError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: rich takes longer to import than all the rest
    help="Benchmarks for emotion in the voice: a system, a task, a number and how sure it is.",
)
app.command("list")(runs.list_rows)
for verb in (
    *(runs.show, runs.run, runs.fuse, scores.score, scores.compare, scores.ceiling, reports.report),
    *(
        folders.twin,
        folders.get,
        folders.check,
        folders.prepare,
        folders.cut,
        folders.audit,
        folders.export,
    ),
    *(boards.board, tables.reproduce),
    *(judging.seal, judging.judge, judging.verify),
):
    app.command()(verb)
app.add_typer(submit.app, name="submit")
app.add_typer(stream.app, name="stream")


def main() -> None:
    """Entry point: one message and exit code 2 for the user's errors, a traceback for ours."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        app()
    except AffectBenchError as error:
        print(f"affectbench: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        message = "interrupted. Finished work is kept: the same command goes on from there."
        print(f"affectbench: {message}", file=sys.stderr)  # noqa: T201
        sys.exit(130)
