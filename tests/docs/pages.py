"""The code blocks of README and docs, each with the page it is on and what it needs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cli.processes import ROOT

FENCE = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
NEEDS = {
    "docker": "an engine that runs containers",
    "stopped": "a service that was stopped",
    "root": "an administrator's rights, and a machine to change",
    "domain": "a name and a certificate",
    "make": "would run this very suite, or leave a server behind",
    "vtiger-server": "a shell on the machine that Vtiger runs on",
    "data": "files that the reader has",
}
"""What an example may need that the tests do not have; everything else is executed."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `needs` is "" where nothing keeps it from being executed."""

    page: Path
    language: str
    needs: str
    text: str

    @property
    def name(self) -> str:
        return str(self.page.relative_to(ROOT))


def pages() -> list[Path]:
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(page for page in found if page.name != "CHANGELOG.md")


def blocks(page: Path) -> Iterator[Block]:
    for indent, language, options, text in FENCE.findall(page.read_text()):
        needs = re.search(r"needs=([\w-]+)", options)
        own = re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)
        yield Block(page, language, needs[1] if needs else "", own)


def is_runnable(block: Block) -> bool:
    return block.language in {"sh", "python"} and not block.needs
