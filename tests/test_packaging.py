"""What is handed out: a wheel that runs by itself, an image and a composition that fit the code."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from app.cli import app
from app.config.reference import setting_names
from tests.cli.processes import ROOT, environment

FOR_OTHERS = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
BUILT_FROM = (
    "app",
    "sandbox",
    "migrations",
    "vtiger-addon",
    "pyproject.toml",
    "hatch_build.py",
    "README.md",
    "LICENSE",
)
IMPORT_ALL = """
import pkgutil, importlib, sys, woo_vtiger
for part in ("app", "sandbox"):
    package = importlib.import_module(f"woo_vtiger.{part}")
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
print(sorted(name for name in sys.modules if name.split(".")[0] in ("app", "sandbox")))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the wheel unpacked as pip does it, without any of the checkout beside it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in BUILT_FROM:
        _copy(ROOT / name, source / name)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    options = ("--no-index", "--no-deps", "--no-build-isolation", "--target", str(folder / "site"))
    subprocess.run([*pip, "install", *options, str(source)], check=True, cwd=folder)
    yield folder / "site"
    shutil.rmtree(folder)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _files(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("folder", ["app", "sandbox", "migrations", "vtiger-addon"])
def test_the_wheel_holds_every_file_of_the_folders(installed: Path, folder: str) -> None:
    assert _files(installed / "woo_vtiger" / folder) == _files(ROOT / folder)


def test_the_wheel_installs_one_package_of_its_own_name(installed: Path) -> None:
    names = {path.name.partition("-")[0] for path in installed.iterdir()}
    assert names == {"bin", "woo_vtiger"}


def test_every_module_of_the_wheel_imports_the_others_by_their_new_names(
    installed: Path, tmp_path: Path
) -> None:
    done = _python(tmp_path, environment({"PYTHONPATH": str(installed)}), "-P", "-c", IMPORT_ALL)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_wheel_runs_where_no_checkout_is(
    installed: Path, tmp_path: Path, empty_database_url: str
) -> None:
    """The database is made by the migrations that the wheel brought."""
    env = environment({"PYTHONPATH": str(installed), "DATABASE_URL": empty_database_url})
    place = _python(tmp_path, env, "-c", "import woo_vtiger as it; print(it.__file__)")
    assert place.stdout.startswith(str(installed)), place.stderr
    migrated = _python(tmp_path, env, "-m", "woo_vtiger", "migrate")
    assert (migrated.returncode, migrated.stdout[:14]) == (0, "Applied: 0001,"), migrated.stderr
    assert "up to date" in _python(tmp_path, env, "-m", "woo_vtiger", "migrate").stdout


def _python(
    folder: Path, env: Mapping[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def _commands() -> set[str]:
    return set(CliRunner().invoke(app, ["--help"]).output.split())


def test_the_composition_starts_commands_that_exist() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    ours = [service for service in services.values() if service.get("image") == "woo-vtiger"]
    assert [service["command"][0] for service in ours] == ["serve", "worker"]
    assert {service["command"][0] for service in ours} <= _commands()
    assert all(service["read_only"] and service["tmpfs"] for service in ours)
    assert services["worker"]["deploy"] == {"replicas": 2}


def test_image_and_composition_set_what_is_read() -> None:
    composition = yaml.safe_load((ROOT / "compose.yaml").read_text())
    image = (ROOT / "Dockerfile").read_text()
    given = {*composition["x-service"]["environment"], *re.findall(r"\b([A-Z_]+)=", image)}
    assert given - FOR_OTHERS <= set(setting_names())
    assert {"DATABASE_URL", "BUILD_COMMIT", "BUILD_DATE", "HOST", "PORT"} <= given


def test_the_image_takes_along_what_the_wheel_is_built_from() -> None:
    image = (ROOT / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text().split()
    wanted = [*BUILT_FROM, "requirements.lock"]
    assert not [name for name in wanted if not re.search(rf"COPY .*\b{re.escape(name)}\b", image)]
    assert not [name for name in wanted if f"!{name}" not in ignored]
