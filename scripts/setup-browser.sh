#!/bin/sh
# Makes sure that the browser tests find a Chromium; does nothing when there is one.
set -eu
cd "$(dirname "$0")/.."

for name in chromium chromium-browser google-chrome google-chrome-stable; do
    "$name" --version >/dev/null 2>&1 && exit 0
done

packaged() { # Debian has a Chromium of its own; Ubuntu's is a snap, which servers seldom run
    [ "$(id -u)" = 0 ] && grep -q '^ID=debian' /etc/os-release 2>/dev/null &&
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
}

echo "Installing Chromium for the browser tests"
packaged >/dev/null 2>&1 && exit 0
needs=""
[ "$(id -u)" = 0 ] && needs="--with-deps"
.venv/bin/python -m playwright install $needs chromium
