"""The command as a user starts it: a process of its own, in a folder and environment of its own."""

import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from app.cli import app
from app.config.reference import setting_names

ROOT = Path(__file__).parent.parent.parent
COMMAND = (sys.executable, "-m", "app")
LONGEST_S = 240
END_OF_INPUT = "\x04"
"""What Ctrl-D sends."""


@dataclass(slots=True)
class Process:
    """A command that runs until it is told to stop; both outputs are read as they come."""

    popen: subprocess.Popen[str]
    errors: list[str] = field(default_factory=list)

    def line_with(self, text: str) -> str:
        """Waits for a line of stdout; an output that ends sooner fails the test."""
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            if text in line:
                return line
        raise AssertionError(f"no line with {text!r}; stderr: {''.join(self.errors)}")

    def error_with(self, text: str) -> str:
        """The same of stderr, where the log goes."""
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            self.errors.append(line)
            if text in line:
                return line
        raise AssertionError(f"no line with {text!r}; stderr: {''.join(self.errors)}")

    def stop(self, number: int) -> int:
        """The exit code after a signal."""
        self.popen.send_signal(number)
        _, errors = self.popen.communicate()
        self.errors.append(errors)
        return self.popen.returncode


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Only what a process needs, so that no setting of the machine gets in."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | dict(given or {})


def run(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(env),
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_S,
    )


def at_terminal(
    *arguments: str,
    answer: str,
    folder: Path,
    env: Mapping[str, str] | None = None,
    once_told: tuple[str, Callable[[], None]] | None = None,
) -> subprocess.CompletedProcess[str]:
    """The same with somebody at the keyboard, who types one line; `once_told` is what a line of
    stderr holds and what happens then, before the answer is typed."""
    keyboard, terminal = pty.openpty()
    try:
        with subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            env=environment(env),
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as popen:
            told = ""
            if once_told is not None:
                assert popen.stderr is not None
                told = next(line for line in popen.stderr if once_told[0] in line)
                once_told[1]()
            os.write(keyboard, f"{answer}\n".encode())
            out, errors = popen.communicate(timeout=LONGEST_S)
        return subprocess.CompletedProcess(popen.args, popen.returncode, out, told + errors)
    finally:
        os.close(keyboard)
        os.close(terminal)


class Shell:
    """Short commands, run in this process: quicker than a process of their own."""

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
        return CliRunner().invoke(app, list(arguments), env=_settings_only(env or {}))

    def json(self, *arguments: str, env: Mapping[str, str] | None = None) -> Any:
        return json.loads(self.run(*arguments, "--json", env=env).stdout)


def _settings_only(env: Mapping[str, str]) -> Mapping[str, str | None]:
    """No setting of the machine gets in."""
    foreign = [name for name in os.environ if "__" in name or name in set(setting_names())]
    return dict.fromkeys(foreign) | dict(env)


@contextmanager
def running(
    *arguments: str,
    folder: Path,
    env: Mapping[str, str] | None = None,
    longest_s: float = LONGEST_S,
    command: Sequence[str] = COMMAND,
) -> Iterator[Process]:
    """Killed at the end if it still runs, and after a while whatever it does."""
    popen = subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        env=environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = threading.Timer(longest_s, popen.kill)
    deadline.start()
    try:
        with popen:
            try:
                yield Process(popen)
            finally:
                popen.kill()
    finally:
        deadline.cancel()


def sandbox_environment(line: str, database_url: str) -> dict[str, str]:
    """The settings of a service for the sandbox whose first line this is."""
    known: dict[str, dict[str, Any]] = json.loads(line)
    woo = {f"STORES__main__{name.upper()}": text for name, text in known["woocommerce"].items()}
    vtiger = {f"VTIGER__{name.upper()}": text for name, text in known["vtiger"].items()}
    own = {"VTIGER__CALLBACK_SECRET": "callback-token-7", "DATABASE_URL": database_url}
    return {**woo, **vtiger, **own}
