"""The reference page of all settings, generated from their models.

`python -m app.config.reference > docs/configuration.md` writes it."""

import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.config.settings import GROUPS

HEAD = """# Configuration

Settings come from the environment, or from a file `.env` in the folder where the service starts
(the environment has precedence). Two underscores separate the levels of a name. If neither a store
nor Vtiger is configured, the service runs on its built-in sandbox of both; if only one of the two
is, it refuses to start and names what is missing. It also refuses secrets that are empty,
placeholders, shorter than 16 characters (tokens: 32) or used twice, and `http://` to another
machine unless `PLAIN_HTTP_HOSTS` names it. All errors are reported at once.

Any number of shops can be configured: choose a key for each (`main` here; a-z, 0-9 and `-`) and
repeat the `STORES__…` settings with it.
"""


def settings_reference() -> str:
    """The whole page in Markdown."""
    sections = (_section(prefix, group) for prefix, group in GROUPS.items())
    return "\n".join([HEAD, *sections])


def setting_names() -> Iterator[str]:
    for prefix, group in GROUPS.items():
        yield from (_name(prefix, field) for field in _own_fields(group))


def _section(prefix: str, group: type[BaseModel]) -> str:
    head = f"## {(group.__doc__ or '').strip()}\n"
    rows = (_row(prefix, name, field) for name, field in _own_fields(group).items())
    return "\n".join([head, "| setting | meaning | default |", "|---|---|---|", *rows, ""])


def _own_fields(group: type[BaseModel]) -> dict[str, FieldInfo]:
    nested = {prefix.partition("__")[0] for prefix in GROUPS}
    return {name: field for name, field in group.model_fields.items() if name not in nested}


def _row(prefix: str, name: str, field: FieldInfo) -> str:
    default = "**required**" if field.is_required() else _shown(field.default)
    return f"| `{_name(prefix, name)}` | {field.description} | {default} |"


def _shown(default: Any) -> str:
    if default is None or default == ():
        return "none"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _name(prefix: str, field: str) -> str:
    group = "STORES__main" if prefix == "stores__main" else prefix.upper()
    return "__".join(filter(None, (group, field.upper())))


if __name__ == "__main__":
    sys.stdout.write(settings_reference())
