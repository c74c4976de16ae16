"""The `woo-vtiger` command. Loading takes a second or two, in which Ctrl-C just ends it."""

import signal

found = signal.getsignal(signal.SIGINT)
if found is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from app.cli import app  # noqa: E402 - what takes its time


def main() -> None:
    signal.signal(signal.SIGINT, found)
    app(prog_name="woo-vtiger")


if __name__ == "__main__":
    main()
