"""The add-on's zip is what Module Manager takes (contract page Vtiger extension §1)."""

import os
import re
import shutil
import stat
import xml.etree.ElementTree as ElementTree
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from app.vtiger.addon_package import SOURCES, addon_version, build_package
from tests.vtiger_addon.crm import place_of


def package() -> ZipFile:
    return ZipFile(BytesIO(build_package().content))


def manifest() -> ElementTree.Element:
    return ElementTree.fromstring(package().read("manifest.xml"))  # noqa: S314 our own file


def test_the_manifest_is_of_an_extension_that_is_in_no_menu() -> None:
    """Without its type it would become a module of records."""
    found = manifest()
    assert found.tag == "module"
    assert (found.findtext("name"), found.findtext("type")) == ("WooSync", "extension")
    assert found.find("parent") is not None
    assert not found.findtext("parent")


def test_the_manifest_names_the_least_vtiger_and_a_version_that_fits_its_column() -> None:
    least = manifest().findtext("dependencies/vtiger_version", "")
    assert [int(part) for part in least.split(".")] >= [6, 0, 1]
    assert 0 < len(addon_version()) <= 10


def test_what_an_update_would_not_renew_is_not_left_to_the_manifest() -> None:
    """Events of a manifest are ignored by an update, and crons can break it."""
    assert {child.tag for child in manifest()} == {
        "name",
        "label",
        "parent",
        "type",
        "description",
        "version",
        "license",
        "dependencies",
    }


def test_the_page_that_asks_before_an_import_shows_the_version() -> None:
    shown = manifest().findtext("license/file", "")
    assert package().read(shown).decode().startswith(f"WooSync {addon_version()}\n\nMIT License\n")


def test_every_file_has_a_place_that_module_manager_fills() -> None:
    names = set(package().namelist())
    assert "manifest.xml" in names
    assert [name for name in names - {"manifest.xml"} if place_of(name) is None] == []


def test_module_folder_and_class_have_one_name() -> None:
    assert "class WooSync\n" in package().read("modules/WooSync/WooSync.php").decode()


def test_classes_of_pages_are_named_after_their_files() -> None:
    kinds = {"views": "View", "actions": "Action", "models": "Model"}
    prefixes = {"settings": "Settings_WooSync", "modules/WooSync": "WooSync"}
    seen = set()
    for name in package().namelist():
        if found := re.fullmatch(r"(settings|modules/WooSync)/(\w+)/(\w+)\.php", name):
            text = package().read(name).decode()
            wanted = f"{prefixes[found[1]]}_{found[3]}_{kinds[found[2]]}"
            assert f"class {wanted} extends" in text
            seen.add(wanted)
    assert seen >= {"Settings_WooSync_Index_View", "WooSync_Badge_View", "WooSync_SyncNow_Action"}


def test_whatever_a_template_shows_is_escaped() -> None:
    """Names and messages are people's, and the service's answers are not ours."""
    shown = {
        value: name
        for name in package().namelist()
        if name.endswith(".tpl")
        for value in re.findall(r"\{(\$[^}]*)\}", package().read(name).decode())
    }
    assert len(shown) > 20
    assert [value for value in shown if not value.endswith("|escape")] == []


def test_every_action_refuses_what_is_not_a_post_with_its_token() -> None:
    actions = [name for name in package().namelist() if "/actions/" in name]
    assert len(actions) == 4
    for name in actions:
        assert "$request->validateWriteAccess();" in package().read(name).decode()


def test_the_version_is_the_same_in_name_manifest_and_code() -> None:
    version = addon_version()
    rules = package().read("modules/WooSync/WooSyncRules.php").decode()
    assert build_package().name == f"WooSync-{version}.zip"
    assert f"const VERSION = '{version}';" in rules


def test_the_same_sources_give_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the times, the rights and the order of the files."""
    copy = tmp_path / "copy"
    for path in sorted(SOURCES.rglob("*"), reverse=True):
        if path.is_file():
            target = copy / path.relative_to(SOURCES)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(stat.S_IRUSR)
            os.utime(target, (1_000_000_000, 1_000_000_000))
    assert build_package(copy) == build_package()


def test_a_changed_source_gives_another_zip(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(SOURCES, copy)
    (copy / "modules/WooSync/WooSync.php").write_text("<?php\n")
    assert build_package(copy) != build_package()


def test_files_can_be_read_by_the_web_server() -> None:
    modes = {entry.external_attr >> 16 for entry in package().infolist()}
    assert modes == {stat.S_IFREG | 0o644}
