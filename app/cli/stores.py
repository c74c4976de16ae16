"""Which shops a command is about."""

from app.errors import ConfigError
from app.settings import Settings

NO_STORE = (
    "No shop is set: copy .env.example to .env and fill it in. (While the demo of"
    " `woo-vtiger serve` runs in this folder, this command is about it.)"
)


def chosen_stores(settings: Settings, store: str | None) -> list[str]:
    """Raises ConfigError if there is none of this key."""
    if not settings.stores:
        raise ConfigError(NO_STORE)
    if store is None:
        return list(settings.stores)
    if store not in settings.stores:
        known = ", ".join(settings.stores)
        raise ConfigError(f"There is no store {store}; the settings know {known}.")
    return [store]
