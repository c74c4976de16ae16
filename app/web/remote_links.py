"""Links to the screens on which the two systems' own users see a record."""

from dataclasses import dataclass

from app.errors import System
from app.records import Module
from app.remotes.screens import find_screen
from app.settings import Settings
from app.web.words import SYSTEMS


@dataclass(frozen=True, slots=True)
class RemoteLink:
    """A record in one system; `url` is None where no screen shows it."""

    system: System
    record_id: str
    url: str | None

    @property
    def text(self) -> str:
        return f"{SYSTEMS[self.system]} {self.record_id}"


def remote_link(
    settings: Settings, store: str, *, system: System, module: Module | None, record_id: str
) -> RemoteLink:
    """None as `url` for a store or CRM that is not configured any more, too."""
    url = find_screen(settings, store, system=system, module=module, record_id=record_id)
    return RemoteLink(system, record_id, url)
