"""Builds the wheel under a name of its own: `app`, `sandbox` and `migrations` become parts of the
package `woo_vtiger`, with their imports changed to match.

So nothing of the project lies at the top of site-packages under a name that others use too. In the
repository, and in an editable install, the folders keep their names (decision 27)."""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "woo_vtiger"
FOLDERS = ("app", "sandbox", "migrations")
ADD_ON = "vtiger-addon"  # the service serves it as a zip
ENTRY = '''"""Keeps WooCommerce and Vtiger CRM in agreement."""

from {app}.__main__ import main

__all__ = ["main"]
'''
_IMPORT = re.compile(rf"^(\s*)(from|import) ({'|'.join(FOLDERS)})(?=[.\s])", re.MULTILINE)
_BARE = re.compile(rf"^(\s*)import ({'|'.join(FOLDERS)})$", re.MULTILINE)


class WheelHook(BuildHookInterface[Any]):
    """Stages the renamed sources; `editable` gets only the entry point."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._stage = Path(tempfile.mkdtemp())
        if version == "editable":
            entry = self._stage / f"{PACKAGE}.py"
            entry.write_text(ENTRY.format(app="app"))
            build_data["force_include_editable"][str(entry)] = entry.name
            return
        for folder in FOLDERS:
            for path in sorted((Path(self.root) / folder).rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    target = self._stage / PACKAGE / path.relative_to(self.root)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, target)
                    if path.suffix == ".py":
                        target.write_text(renamed(path.read_text()))
        (self._stage / PACKAGE / "__init__.py").write_text(ENTRY.format(app=f"{PACKAGE}.app"))
        (self._stage / PACKAGE / "__main__.py").write_text(
            f'"""`python -m {PACKAGE}`."""\n\nfrom {PACKAGE} import main\n\nmain()\n'
        )
        build_data["force_include"][str(self._stage / PACKAGE)] = PACKAGE
        build_data["force_include"][str(Path(self.root) / ADD_ON)] = f"{PACKAGE}/{ADD_ON}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        del version, build_data, artifact_path
        shutil.rmtree(self._stage)


def renamed(source: str) -> str:
    """The source of a file with every import of our folders below the package's name."""
    source = _BARE.sub(rf"\1from {PACKAGE} import \2", source)
    return _IMPORT.sub(rf"\1\2 {PACKAGE}.\3", source)
