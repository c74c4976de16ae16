"""`sandbox`: only the two simulated systems, for tests with a separate service."""

import logging
from collections import Counter
from contextlib import closing
from pathlib import Path

from app.cli.commands import AddonVersion, VtigerVersion
from app.cli.console import ERR, OUT, print_json, run, stop_event
from app.cli.failures import port_error
from app.cli.sandbox_day import HOST
from app.domain import ConfigError
from app.http.server import listen, serving
from sandbox.app import Credentials, Sandbox, create_sandbox_app, new_sandbox
from sandbox.vtiger.cloud import Limits
from sandbox.vtiger.workflows import Callback
from sandbox.woocommerce.shopdata import ShopData, ShopDataError, parse_shop_data


def sandbox(
    *,
    port: int,
    shop_data: Path | None,
    json: bool,
    callback_url: list[str] | None,
    cloud: bool,
    vtiger_version: VtigerVersion | None,
    lose_lines: bool,
    latency: int,
    addon: bool,
    addon_version: AddonVersion | None,
    addon_url: str,
    addon_secret: str,
    consumer_key: str | None,
    consumer_secret: str | None,
    webhook_secret: str | None,
    username: str | None,
    access_key: str | None,
) -> None:
    _check_addon(addon_url, addon_secret, addon_version, addon=addon)
    if cloud and vtiger_version is not None:
        raise ConfigError("--cloud and --vtiger-version exclude each other: Cloud has no versions.")
    if cloud and lose_lines:
        raise ConfigError(
            "--cloud and --lose-lines exclude each other: only Community Edition loses lines."
        )
    given = {
        "consumer_key": consumer_key,
        "consumer_secret": consumer_secret,
        "webhook_secret": webhook_secret,
        "username": username,
        "access_key": access_key,
    }
    empty = next((name for name, text in given.items() if text == ""), None)
    if empty is not None:
        raise ConfigError(
            f"--{empty.replace('_', '-')} is empty: give a value, or omit the option."
        )
    credentials = Credentials(**{name: text for name, text in given.items() if text})
    systems = new_sandbox(
        _load(shop_data),
        credentials=credentials,
        cloud=Limits() if cloud else None,
        vtiger_version=vtiger_version or VtigerVersion.V8_2,
    )
    systems.crm.workflows.callbacks += [Callback("Contacts", url) for url in callback_url or ()]
    systems.latency_s = latency / 1000
    if lose_lines:
        systems.crm.lose_lines()
    if addon:
        version = addon_version or AddonVersion.V2_0
        systems.crm.install_addon(addon_url, addon_secret, version=version)
    logging.basicConfig(level="WARNING")
    run(_serve(systems, port, as_json=json))


def _check_addon(url: str, secret: str, version: AddonVersion | None, *, addon: bool) -> None:
    if (url or secret or version) and not addon:
        raise ConfigError("--addon-url, --addon-secret and --addon-version need --addon too.")
    if bool(url) is not bool(secret):
        raise ConfigError(
            "--addon-url and --addon-secret need each other: the add-on signs its requests."
        )


def _load(path: Path | None) -> ShopData | None:
    if path is None:
        return None
    try:
        return parse_shop_data(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    except ShopDataError as error:
        raise ConfigError(f"{path}: {error}.") from None


async def _serve(systems: Sandbox, port: int, *, as_json: bool) -> None:
    try:
        listener = listen(HOST, port)
    except OSError as error:
        raise port_error(HOST, port, error) from None
    with closing(listener):
        async with (
            stop_event() as stop,
            serving(create_sandbox_app(systems), listener) as served,
        ):
            (print_json if as_json else _print)(systems.describe(served.url))
            await stop.wait()
    mails = Counter(mail.kind for mail in systems.shop.mailbox.to_people())
    if mails:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(mails.items()))
        ERR.print(f"A real shop would have sent e-mails to its customers: {counts}.")


def _print(known: dict[str, dict[str, str]]) -> None:
    """Print the credentials as lines for the .env of a service."""
    OUT.print(
        "Simulated WooCommerce and Vtiger, in memory. Ctrl-C stops. For the service's .env:\n"
    )
    for name, value in known["woocommerce"].items():
        OUT.print(f"STORES__main__{name.upper()}={value}")
    for name, value in known["vtiger"].items():
        OUT.print(f"VTIGER__{name.upper()}={value}")
