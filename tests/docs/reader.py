"""Somebody who types the examples of a page, one after the other, in a folder of their own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.pages import Block

LONGEST_S = 200


@dataclass(slots=True)
class Reader:
    """`ports` replaces the ports of the texts by free ones; `settings` are added to each .env."""

    folder: Path
    env: Mapping[str, str]
    ports: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    started: list[int] = field(default_factory=list)

    def follows(self, block: Block) -> None:
        """Types it, or saves it as .env; an example that fails fails the test."""
        if block.language == "ini":
            added = "".join(f"{name}={value}\n" for name, value in self.settings.items())
            (self.folder / ".env").write_text(self._fitted(block.text) + added)
            return
        code, output = self._run(self._command(block))
        assert code == 0, f"{block.name}:\n{block.text}\n{output}"

    def leaves(self) -> None:
        """Whatever the examples left running is ended with the reader's shell."""
        for group in self.started:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def _command(self, block: Block) -> list[str]:
        text = self._fitted(block.text)
        if block.language == "python":
            return [sys.executable, "-c", text]
        return ["bash", "-euo", "pipefail", "-c", text]

    def _fitted(self, text: str) -> str:
        for written, port in self.ports.items():
            text = re.sub(rf"(?<=[: ]){written}\b", port, text)
        return text

    def _run(self, command: list[str]) -> tuple[int, str]:
        """Into a file: what runs on in the background would hold a pipe open."""
        with (self.folder / "output.txt").open("w+") as output:
            shell = subprocess.Popen(
                command,
                cwd=self.folder,
                env=dict(self.env),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self.started.append(shell.pid)
            code = shell.wait(timeout=LONGEST_S)
            output.seek(0)
            return code, output.read()
