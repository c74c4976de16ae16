"""Logging: JSON for machines or one short line for people. Every line has its trace id, and none
contains a secret or an e-mail address.

log = logging.getLogger(__name__)
log.info("contact created", extra={"record": "main:contacts:woocommerce:7"})"""

import asyncio
import logging
import re
import sys
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from textwrap import indent
from typing import Any
from urllib.parse import quote

import orjson

from app.domain import pseudonym
from app.escaping import json_printable, printable

STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
SHORTEST_SECRET = 6  # shorter ones would blank out ordinary words
HIDDEN = "[hidden]"
TELLTALE = re.compile(
    r"\b(?:ck|cs)_[0-9a-f]{40}\b"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?i:(?<=[?&]token=)|(?<=sessionName=)|(?<=accessKey=)|(?<=oauth_signature=))[^&\s'\"]+"
    r"|(?i:(?<=bearer )|(?<=basic ))[\w.~+/=-]{8,}"
)
EMAIL = re.compile(r"(?<![\w.+%'-])(?:[\w.+'-]++@|[\w.+%'-]+?%40)[\w-]+(?:\.[\w-]+)*")
_LARGEST = 2**63
QUIET = ("httpx", "httpcore", "alembic", "procrastinate", "uvicorn.access")

_trace: ContextVar[str] = ContextVar("trace", default="")


def configure_logging(
    level: str = "INFO", json: bool | None = None, *, secrets: Iterable[str] = ()
) -> None:
    """Send the process's log to stderr, without `secrets`; if `json` is None, as JSON unless stderr
    is a terminal."""
    as_json = not sys.stderr.isatty() if json is None else json
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((JsonFormatter if as_json else HumanFormatter)(secrets))
    handler.addFilter(_is_relevant)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def _is_relevant(record: logging.LogRecord) -> bool:
    """Whether a line is to be logged: pools and servers report cancellations as errors."""
    cause = record.exc_info[1] if record.exc_info else None
    return not isinstance(cause, asyncio.CancelledError)


def _spellings(secret: str) -> tuple[str, ...]:
    """The secret as it is, encoded in JSON, and encoded in a URL."""
    if len(secret) < SHORTEST_SECRET:
        return ()
    return secret, orjson.dumps(secret).decode()[1:-1], quote(secret, safe="")


class _Formatter(logging.Formatter):
    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        known = {form for secret in secrets for form in _spellings(secret)}
        longest_first = map(re.escape, sorted(known, key=len, reverse=True))
        self._secret = re.compile("|".join([*longest_first, TELLTALE.pattern]))

    def hide(self, text: str) -> str:
        """The text without secrets and e-mail addresses; lone surrogates are replaced."""
        hidden = self._secret.sub(HIDDEN, text)
        hidden = EMAIL.sub(lambda found: pseudonym(found[0]), hidden)
        return hidden.encode("utf-8", "replace").decode()

    def plain(self, value: Any) -> Any:
        """A value of a line as JSON can represent it, with `hide` applied to every text."""
        if isinstance(value, Mapping):
            return {str(name): self.plain(item) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.plain(item) for item in value]
        is_number = isinstance(value, float | int) and abs(value) < _LARGEST
        if value is None or is_number or isinstance(value, datetime):
            return value
        return self.hide(str(value))

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        extra = {name: value for name, value in vars(record).items() if name not in STANDARD}
        values = {"trace": _trace.get(), **extra} if _trace.get() else extra
        return {name: self.plain(value) for name, value in values.items()}

    def fault(self, record: logging.LogRecord) -> str:
        return self.hide(self.formatException(record.exc_info)) if record.exc_info else ""


class JsonFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "message": self.hide(record.getMessage()),
            **self.fields(record),
        }
        if fault := self.fault(record):
            line["exception"] = fault
        return json_printable(orjson.dumps(line, option=orjson.OPT_UTC_Z).decode())


class HumanFormatter(_Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        extra = "".join(f" {name}={value}" for name, value in self.fields(record).items())
        message = self.hide(record.getMessage())
        line = printable(f"{at} {record.levelname:<7} {record.name}: {message}{extra}")
        # Indented, so that no line of an error's message looks like a log line.
        trace = indent(printable(self.fault(record), keep="\n"), "  ", lambda _: True)
        return f"{line}\n{trace}" if trace else line
