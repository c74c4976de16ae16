#!/bin/sh
# Prints the Python that the virtual environment is made with, or says in a sentence what to install.
set -eu

found=""
for name in python3.13 python3.12 python3.14 python3.11 python3 python; do
    path=$(command -v "$name") || continue
    "$path" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
    found=$path
    if "$path" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "$path"
        exit 0
    fi
done

if [ -n "$found" ]; then
    echo "$found cannot make virtual environments: install its venv package (Debian, Ubuntu: apt install python3-venv)." >&2
else
    echo "No Python 3.11 or newer was found: install one (Debian, Ubuntu: apt install python3 python3-venv)." >&2
fi
exit 1
