#!/bin/sh
# Makes .venv with the locked dependencies and the project itself; does nothing when all is in place.
# Usage: scripts/setup.sh [requirements.lock | requirements-dev.lock]
set -eu
cd "$(dirname "$0")/.."

lock=${1:-requirements.lock}
stamp=.venv/installed-$lock
state="$PWD $(cat "$lock" pyproject.toml | cksum)" # a moved folder needs new scripts
[ "$(cat "$stamp" 2>/dev/null)" = "$state" ] && exit 0

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(scripts/find-python.sh)
    echo "Making .venv with $python"
    "$python" -m venv --clear .venv
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1
echo "Installing the dependencies of $lock"
.venv/bin/python -m pip install --quiet --require-hashes --requirement "$lock"
.venv/bin/python -m pip install --quiet --no-index --no-deps --no-build-isolation --force-reinstall --editable .
echo "$state" >"$stamp"
