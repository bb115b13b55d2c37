"""The command `kukkiri`: sub-commands, errors in one line, exit codes."""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import Annotated

import typer

import kukkiri
from kukkiri.cli import (
    blur,
    calibrate,
    compare,
    degrade,
    demo,
    doctor,
    evaluate,
    list_metrics,
    measure,
    quality,
    restore,
    train,
    weights,
)
from kukkiri.errors import InputError, KukkiriError, MissingExtraError, one_line

app = typer.Typer(
    name="kukkiri",
    help="How sharp is a picture, in pixels, and how good?",
    epilog="Exit codes: 0 done, 1 some input failed or a gate was not met, 2 wrong use.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("measure")(measure.command)
app.command("blur")(blur.command)
app.command("quality")(quality.command)
app.command("compare", cls=compare.Command)(compare.command)
app.command("restore")(restore.command)
app.command("calibrate")(calibrate.command)
app.command("degrade")(degrade.command)
app.command("train")(train.command)
app.command("list")(list_metrics.command)
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(weights.app, name="weights")
app.command("demo")(demo.command)
app.command("doctor")(doctor.command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kukkiri {kukkiri.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done, to standard error.")] = False,
) -> None:
    """How sharp is a picture, in pixels, and how good?"""
    level = logging.DEBUG if verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")


def run() -> None:
    """Run the command line; every error becomes one line on standard error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe that cannot take '↑' gets '?', not a traceback
    try:
        app()
    except KukkiriError as error:
        typer.echo(f"kukkiri: {error}", err=True)
        sys.exit(2 if isinstance(error, (InputError, MissingExtraError)) else 1)
    except BrokenPipeError:  # the reader of a pipe has gone: nothing is left to say, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:  # a fault of ours: one line for people, the trace on request
        logging.getLogger("kukkiri").debug("unforeseen", exc_info=error)
        line = one_line(f"{type(error).__name__}: {error}")
        typer.echo(
            f"kukkiri: expected this to work, got {line}; run 'kukkiri -v …' for the trace, and report it", err=True
        )
        sys.exit(1)
