"""Tests of the add-on need PHP; without it the run's summary says loudly that they did not run."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vtiger_addon.crm import Crm, build_crm
from tests.vtiger_addon.php import has_php
from tests.vtiger_addon.receiver import Receiver, receiving

NEED_PHP = [
    "test_php.py",
    "test_shell.py",
    "test_delivery.py",
    "test_pages.py",
    "test_together.py",
    "test_totals.py",
    "test_save.py",
    "test_order_writer.py",
    "test_read.py",
]

collect_ignore = [] if has_php() else NEED_PHP


@pytest.fixture
def bare_crm(tmp_path: Path) -> Crm:
    """A CRM without the add-on."""
    return build_crm(tmp_path / "crm")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a CRM with the add-on, to be copied."""
    crm = build_crm(tmp_path_factory.mktemp("installed") / "crm")
    crm.install()
    return crm.root


@pytest.fixture
def crm(installed: Path, tmp_path: Path) -> Crm:
    """A CRM with the add-on, which does not know the service yet."""
    shutil.copytree(installed, tmp_path / "crm")
    return Crm(tmp_path / "crm")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened
