"""docs/configuration.md, written from the settings themselves so that it cannot fall behind.

python -m app.config.reference > docs/configuration.md"""

import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.config.settings import GROUPS

HEAD = """# Configuration

Settings come from the environment, or from a file `.env` in the folder where the service starts
(the environment wins). Two underscores nest. With neither a store nor a Vtiger set, the service
runs on its built-in sandbox of both; with only one of the two it refuses to start and says what is
missing, as it does for secrets that are empty, placeholders, shorter than 16 characters (tokens:
32) or used twice, and for `http://` to another machine that `PLAIN_HTTP_HOSTS` does not name. It
names all that is wrong at once.

Any number of shops: choose a key for each (`main` here; a-z, 0-9 and `-`) and repeat the
`STORES__…` settings with it.
"""


def settings_reference() -> str:
    """The whole page, as Markdown."""
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
