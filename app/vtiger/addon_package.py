"""Builds the zip of the add-on that Vtiger's Module Manager installs.

Contract page Vtiger extension §1 (zip layout). The build is reproducible: file times, directory
order and the version of zlib have no influence."""

import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import app

SOURCES = Path(app.__file__).parent.parent / "vtiger-addon"
MANIFEST = "manifest.xml"
LICENSE = "modules/WooSync/LICENSE"
REGULAR_FILE = 0o100644 << 16
UNIX = 3


@dataclass(frozen=True, slots=True)
class AddonPackage:
    """The zip and its file `name`, such as WooSync-1.0.0.zip."""

    name: str
    content: bytes


def build_package(sources: Path = SOURCES) -> AddonPackage:
    """Pack the add-on's sources. Raises FileNotFoundError if they do not exist.

    Module Manager's import page shows the licence and the required version of Vtiger, but not the
    version of the add-on: so that is put before the licence.
    """
    manifest = ElementTree.parse(sources / MANIFEST).getroot()  # noqa: S314 our own file
    title = f"{manifest.findtext('name')} {manifest.findtext('version')}"
    target = BytesIO()
    with ZipFile(target, "w", ZIP_STORED) as package:
        for path in sorted(path for path in sources.rglob("*") if path.is_file()):
            name = path.relative_to(sources).as_posix()
            begin = f"{title}\n\n".encode() if name == LICENSE else b""
            package.writestr(_entry(name), begin + path.read_bytes())
    return AddonPackage(f"{title.replace(' ', '-')}.zip", target.getvalue())


def addon_version(sources: Path = SOURCES) -> str:
    """The version of the add-on that this service ships, such as 1.0.0."""
    manifest = ElementTree.parse(sources / MANIFEST).getroot()  # noqa: S314 our own file
    return manifest.findtext("version", "")


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name)
    entry.external_attr = REGULAR_FILE
    entry.create_system = UNIX
    return entry


def main(folder: str) -> None:
    """Save the zip in a folder, which is created if needed, and print the path."""
    package = build_package()
    target = Path(folder) / package.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(package.content)
    sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main(sys.argv[1])
