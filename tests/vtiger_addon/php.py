"""Whether this machine has what the add-on's tests need: PHP on the command line, with curl."""

import functools
import shutil
import subprocess

ABSENT = (
    "THE TESTS OF THE VTIGER ADD-ON (PHP) DID NOT RUN: there is no PHP with curl on this machine "
    "and it could not be installed. On Debian: apt-get install php-cli php-curl, then run again."
)


@functools.cache
def has_php() -> bool:
    if shutil.which("php") is None:
        return False
    modules = subprocess.run(["php", "-m"], capture_output=True, text=True, check=False)
    return "curl" in modules.stdout.split()
