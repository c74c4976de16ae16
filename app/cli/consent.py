"""Asking before something that cannot be taken back, where somebody is there to answer."""

import sys

import typer

from app.cli.console import ERR
from app.errors import ConfigError

UNANSWERED = "Nobody is there to say yes: nothing was done. `--yes` goes on without asking."
NO = "Nothing was done."


def can_ask() -> bool:
    """Whether somebody sits at the terminal."""
    return sys.stdin.isatty()


def ask(told: str) -> None:
    """Returns if the person agrees. Raises typer.Exit if not, and ConfigError where nobody can be
    asked: standard input is no terminal."""
    ERR.print(told)
    if not can_ask():
        raise ConfigError(UNANSWERED)
    if not typer.confirm("Go on?", err=True):
        ERR.print(NO)
        raise typer.Exit(1)
