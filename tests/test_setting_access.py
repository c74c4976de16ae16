"""Settings by which strangers could get in or read along are refused at start, all at once."""

from pathlib import Path

import pytest

from app.config.settings import Settings, load_settings
from app.domain import ConfigError
from tests.test_settings import STORE, VTIGER, bare_environment

__all__ = ["bare_environment"]

LONG = "0123456789abcdef"
SECRETS = (
    "STORES__main__CONSUMER_SECRET",
    "STORES__main__WEBHOOK_SECRET",
    "STORES__main__WEBHOOK_SECRET_PREVIOUS",
    "VTIGER__ACCESS_KEY",
    "VTIGER__CALLBACK_SECRET",
)
FRENCH = {
    "STORES__fr__URL": "https://fr.example.com",
    "STORES__fr__CONSUMER_KEY": "ck_of-the-french-shop",
    "STORES__fr__CONSUMER_SECRET": "cs_of-the-french-shop",
    "STORES__fr__WEBHOOK_SECRET": "webhooks-of-the-french-shop",
}


def load(tmp_path: Path, **values: str) -> Settings:
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return load_settings(file)


def faults(tmp_path: Path, **values: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, **(STORE | VTIGER | values))
    return str(caught.value).splitlines()


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_of_fewer_than_16_characters_is_refused(tmp_path: Path, name: str) -> None:
    [fault] = faults(tmp_path, **{name: LONG[:-1]})
    assert fault.startswith(f"{name} has fewer than 16 characters")
    assert LONG[:-1] not in fault
    assert load(tmp_path, **(STORE | VTIGER | {name: LONG})).is_configured


@pytest.mark.parametrize("name", ["STORES__main__WEBHOOK_SECRET", "STORES__fr__CONSUMER_SECRET"])
@pytest.mark.parametrize("other", [*SECRETS, "API_TOKENS"])
def test_no_secret_is_used_twice(tmp_path: Path, name: str, other: str) -> None:
    if name == other or {name, other} == {SECRETS[0], "STORES__fr__CONSUMER_SECRET"}:
        return
    [fault] = faults(tmp_path, **(FRENCH | {name: LONG * 2, other: LONG * 2}))
    assert all(one in fault for one in (name, other))
    assert (" is the same as " in fault, LONG in fault) == (True, False)


def test_two_shops_do_not_share_the_secret_of_their_webhooks(tmp_path: Path) -> None:
    """One could sign in the name of the other."""
    shared = {"STORES__fr__WEBHOOK_SECRET": STORE["STORES__main__WEBHOOK_SECRET"]}
    [fault] = faults(tmp_path, **(FRENCH | shared))
    assert fault.startswith("STORES__fr__WEBHOOK_SECRET is the same as STORES__main__WEBHOOK_SEC")


def test_a_shop_under_two_keys_has_one_consumer_secret(tmp_path: Path) -> None:
    shared = {"STORES__fr__CONSUMER_SECRET": STORE["STORES__main__CONSUMER_SECRET"]}
    assert load(tmp_path, **(STORE | VTIGER | FRENCH | shared)).is_configured


def test_one_token_twice_is_refused(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, API_TOKENS=f"{LONG * 2}, {LONG * 2}")
    assert fault.startswith("API_TOKENS contains a token twice")


@pytest.mark.parametrize("name", ["STORES__main__URL", "VTIGER__URL", "PUBLIC_URL"])
def test_plain_http_leaves_this_machine_only_where_that_was_said(tmp_path: Path, name: str) -> None:
    [fault] = faults(tmp_path, **{name: "http://Woo:8080/shop"})
    assert fault.startswith(f"{name} has http://")
    assert "PLAIN_HTTP_HOSTS=woo" in fault
    allowed = {name: "http://Woo:8080/shop", "PLAIN_HTTP_HOSTS": "crm, WOO"}
    assert load(tmp_path, **(STORE | VTIGER | allowed)).is_configured


@pytest.mark.parametrize(
    "host", ["127.0.0.1:9000", "127.8.9.1", "localhost", "shop.localhost:81", "[::1]:9000"]
)
def test_plain_http_on_this_machine_needs_no_word(tmp_path: Path, host: str) -> None:
    assert load(tmp_path, **(STORE | VTIGER | {"VTIGER__URL": f"http://{host}/crm"})).is_configured


@pytest.mark.parametrize(
    "name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
)
def test_traces_go_to_a_collector_by_plain_http_only_where_that_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://collector:4318")
    [fault] = faults(tmp_path, TRACING="true")
    assert fault.startswith(f"{name} has http://")
    assert load(tmp_path, **STORE, **VTIGER, TRACING="true", PLAIN_HTTP_HOSTS="collector").tracing
    assert not load(tmp_path, **STORE, **VTIGER).tracing


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the file and in the environment, faults of access and of form."""
    monkeypatch.setenv("VTIGER__CALLBACK_SECRET", "short")
    found = faults(
        tmp_path,
        STORES__main__URL="http://shop.example.com",
        STORES__main__WEBHOOK_SECRET="short",
        API_TOKENS="too-short",
        PORT="many",
        TRUSTED_PROXIES="proxy",
    )
    assert [fault.split()[0] for fault in found] == [
        "STORES__main__WEBHOOK_SECRET",
        "VTIGER__CALLBACK_SECRET",
        "VTIGER__CALLBACK_SECRET",
        "STORES__main__URL",
        "PORT",
        "API_TOKENS",
        "TRUSTED_PROXIES",
    ]


@pytest.mark.parametrize(
    ("text", "networks"),
    [
        ("127.0.0.1", ("127.0.0.1/32",)),
        ("10.0.0.0/8, ::1", ("10.0.0.0/8", "::1/128")),
        ("", ()),
    ],
)
def test_proxies_are_addresses_and_networks(
    tmp_path: Path, text: str, networks: tuple[str, ...]
) -> None:
    assert load(tmp_path, TRUSTED_PROXIES=text).trusted_proxies == networks


@pytest.mark.parametrize("text", ["*", "proxy", "10.0.0.1/8", "0.0.0.0/0", "::/0", "127.0.0.1:80"])
def test_what_is_no_proxys_address_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"^TRUSTED_PROXIES contains "):
        load(tmp_path, TRUSTED_PROXIES=text)


@pytest.mark.parametrize("text", ["http://woo", "woo:8080", "woo/shop", "me@woo"])
def test_what_is_no_host_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"^PLAIN_HTTP_HOSTS contains "):
        load(tmp_path, PLAIN_HTTP_HOSTS=text)
