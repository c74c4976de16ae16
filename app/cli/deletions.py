"""`deletions`: what the brake on deleting holds back, and the word that lets it through."""

from collections.abc import Mapping

from app.cli.chosen_settings import load_cli_settings
from app.cli.console import OUT, new_table, print_json, run
from app.cli.stores import chosen_stores
from app.links.deletions import count_held
from app.module_facts import LABELS
from app.records import Module
from app.runtime import open_runtime
from app.settings import Settings
from app.sync.brake import confirm_deletions

Held = Mapping[tuple[str, str], int]


def deletions(
    *, store: list[str] | None, module: list[Module] | None, confirm: bool, json: bool
) -> None:
    settings = load_cli_settings()
    held = run(_look(settings, store or [], module or [], confirm=confirm))
    if json:
        print_json([{"store": key[0], "module": key[1], "held": held[key]} for key in held])
        return
    table = new_table("Store", "Module", "Confirmed" if confirm else "Held")
    for (name, kind), count in held.items():
        table.add_row(name, LABELS[Module(kind)], str(count))
    OUT.print(table if held else "No deletion is held back.")


async def _look(
    settings: Settings, stores: list[str], modules: list[Module], *, confirm: bool
) -> Held:
    async with open_runtime(settings) as runtime:
        async with runtime.sessions() as session:
            found = await count_held(session)
        for each in set(stores) - {key[0] for key in found}:
            chosen_stores(settings, each)
        chosen = {
            key: count
            for key, count in found.items()
            if (not stores or key[0] in stores) and (not modules or key[1] in modules)
        }
        if not confirm:
            return chosen
        return {key: await confirm_deletions(runtime, key[0], Module(key[1])) for key in chosen}
