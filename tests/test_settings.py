"""A wrong setting stops the service with a sentence that names it; a secret never shows."""

import os
from pathlib import Path

import pytest

from app.config.reference import setting_names, settings_reference
from app.config.settings import Settings, load_settings
from app.domain import ConfigError

ROOT = Path(__file__).parent.parent
STORE = {
    "STORES__main__URL": "https://shop.example.com/",
    "STORES__main__CONSUMER_KEY": "ck_f00dfeed-0123456789",
    "STORES__main__CONSUMER_SECRET": "cs_f00dfeed-0123456789",
    "STORES__main__WEBHOOK_SECRET": "w3bh00k-signing-9",
}
VTIGER = {
    "VTIGER__URL": "https://crm.example.com/vtiger",
    "VTIGER__USERNAME": "woosync",
    "VTIGER__ACCESS_KEY": "Zq81access-9ab42",
    "VTIGER__CALLBACK_SECRET": "c4llback-token-7",
}
SECRETS = [name for name in (STORE | VTIGER) if name.endswith(("_KEY", "_SECRET"))]

PLACEHOLDERS = (
    *("changeme", "Change-Me!", "secret", "password", "todo", "xxx", "ck_xxxxxxxx", "cs_..."),
    *("your-key", "<key>", "replace-me", "replace_me_please", "********"),
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if "__" in name or name in set(setting_names()):
            monkeypatch.delenv(name)


def _load(tmp_path: Path, **values: str) -> Settings:
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return load_settings(file)


def _fault(tmp_path: Path, **values: str) -> str:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, **values)
    assert caught.value.__cause__ is None
    return str(caught.value)


def test_nothing_set_is_not_configured(tmp_path: Path) -> None:
    settings = _load(tmp_path)
    assert not settings.is_configured
    assert settings.database_url is None
    assert settings.http.read_timeout == 30


def test_store_and_vtiger_make_it_configured(tmp_path: Path) -> None:
    settings = _load(tmp_path, **STORE, **VTIGER, HTTP__READ_TIMEOUT="7")
    assert settings.is_configured
    assert settings.stores["main"].url == "https://shop.example.com"
    assert settings.vtiger is not None
    assert settings.vtiger.api == "webservice"
    assert settings.http.read_timeout == 7
    assert settings.http.connect_timeout == 5


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "9001")
    assert _load(tmp_path, PORT="9002").port == 9001


def test_several_stores_by_key(tmp_path: Path) -> None:
    french = {name.replace("main", "shop-fr"): value for name, value in STORE.items()}
    french["STORES__shop-fr__WEBHOOK_SECRET"] = "w3bh00k-signing-fr"
    assert set(_load(tmp_path, **STORE, **french, **VTIGER).stores) == {"main", "shop-fr"}


def test_api_tokens_are_separated_by_commas(tmp_path: Path) -> None:
    one, other = "first-token" * 3, "second-token" * 3
    tokens = _load(tmp_path, API_TOKENS=f"{one}, {other},").api_tokens
    assert [token.get_secret_value() for token in tokens] == [one, other]


def test_a_token_that_could_be_guessed_is_refused(tmp_path: Path) -> None:
    fault = _fault(tmp_path, API_TOKENS=f"{'a' * 32},{'b' * 31}")
    assert fault.startswith("API_TOKENS has fewer than 32 characters")
    assert "openssl rand -hex 32" in fault


@pytest.mark.parametrize("entity", ["&amp;", "&#039;", "&#x26;", "&LT;", "&quot;"])
def test_a_webhook_secret_that_the_shop_would_change_is_refused(
    tmp_path: Path, entity: str
) -> None:
    """It signs with the decoded text, so that every webhook would be refused."""
    secret = {"STORES__main__WEBHOOK_SECRET": f"one{entity}two-and-three"}
    fault = _fault(tmp_path, **(STORE | VTIGER | secret))
    assert fault.startswith(f"STORES__main__WEBHOOK_SECRET contains {entity}")
    secret = {"STORES__main__WEBHOOK_SECRET": "a & b; <c> é & d-e"}
    assert _load(tmp_path, **(STORE | VTIGER | secret)).is_configured


def test_other_peoples_variables_are_ignored(tmp_path: Path) -> None:
    assert not _load(tmp_path, SOMETHING_ELSE="1").is_configured


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("STORE__main__URL", "STORES__main__URL"),
        ("STORES_main_CONSUMER_KEY", "STORES__main__CONSUMER_KEY"),
        ("STORES_shop-fr_URL", "STORES__shop-fr__URL"),
        ("WOO__main__URL", "STORES__main__URL"),
        ("WOOCOMMERCE_URL", "STORES__main__URL"),
        ("VTIGER_URL", "VTIGER__URL"),
        ("VTIGR__USERNAME", "VTIGER__USERNAME"),
        ("vtiger_access_key", "VTIGER__ACCESS_KEY"),
        ("VTIGER_PASSWORD", "docs/configuration.md"),
        ("SYNC_POLL_INTERVAL", "SYNC__POLL_INTERVAL"),
        ("SYNCS__NONSENSE", "SYNC__..."),
        ("API_TOKEN", "API_TOKENS"),
        ("PUBLIC_URI", "PUBLIC_URL"),
        ("DATABSE_URL", "DATABASE_URL"),
        ("HTTP__REED_TIMEOUT", "HTTP__READ_TIMEOUT"),
        ("FOO__BAR", "docs/configuration.md"),
    ],
)
def test_a_misspelt_name_in_the_file_is_told_with_the_right_one(
    tmp_path: Path, name: str, meant: str
) -> None:
    fault = _fault(tmp_path, **{name: "1"})
    assert fault.startswith(name if name in fault else name.upper())
    assert "is not a setting" in fault
    assert meant in fault


def test_what_other_programs_keep_in_the_file_is_none_of_ours(tmp_path: Path) -> None:
    others = ("POSTGRES_PASSWORD", "OTEL_EXPORTER_OTLP_ENDPOINT", "COMPOSE_PROJECT_NAME", "TZ")
    assert not _load(tmp_path, **dict.fromkeys(others, "1")).is_configured


@pytest.mark.parametrize("name", ["VTIGER_URL", "STORE__main__URL", "STORES_MAIN_URL"])
def test_a_name_in_the_environment_that_only_we_would_use_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://x.example")
    assert _fault(tmp_path).startswith(f"{name} in the environment is not a setting; did you mean")


def test_a_name_in_the_environment_that_others_may_use_is_only_doubted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    others = ("HTTP_PROXY", "VTIGER_PORT_80_TCP", "VTIGER_SERVICE_HOST", "HOSTNAME", "MY__OWN")
    for name in ("API_TOKEN", *others):
        monkeypatch.setenv(name, "1")
    assert not _load(tmp_path).is_configured
    assert [record.getMessage() for record in caplog.records] == [
        "API_TOKEN in the environment is not a setting; did you mean API_TOKENS?"
    ]


def test_a_file_that_cannot_be_read_is_told_by_its_line(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=9000\nthis is no setting\n")
    with pytest.raises(ConfigError, match=r"^Line 2 of .*\.env cannot be read"):
        load_settings(file)
    file.write_bytes(b"PORT=\xff\n")
    with pytest.raises(ConfigError, match=r"\.env cannot be read"):
        load_settings(file)


def test_the_mark_that_editors_put_before_a_text_is_not_part_of_a_name(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"\xef\xbb\xbfPORT=9000\n")
    assert load_settings(file).port == 9000


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    "value",
    ["", "  ", *PLACEHOLDERS],
)
def test_an_empty_or_placeholder_secret_is_named(tmp_path: Path, name: str, value: str) -> None:
    fault = _fault(tmp_path, **(STORE | VTIGER | {name: f'"{value}"'}))
    assert fault.startswith(f"{name} ")
    assert "\n" not in fault
    assert ".env" in fault


@pytest.mark.parametrize(
    "value", ["a-8Zk2-0123456789", "xylophone-9123456", "secretariat-4421", "your123456789012"]
)
def test_a_real_secret_that_resembles_a_placeholder_is_taken(tmp_path: Path, value: str) -> None:
    values = STORE | VTIGER | {"VTIGER__ACCESS_KEY": value}
    vtiger = _load(tmp_path, **values).vtiger
    assert vtiger is not None
    assert vtiger.access_key.get_secret_value() == value


@pytest.mark.parametrize("name", [n for n in (STORE | VTIGER) if not n.endswith("__API")])
def test_a_missing_part_is_named(tmp_path: Path, name: str) -> None:
    values = STORE | VTIGER
    values.pop(name)
    assert _fault(tmp_path, **values).startswith(f"{name} is not set")


def test_each_fault_has_its_sentence(tmp_path: Path) -> None:
    faults = _fault(tmp_path, PORT="many", API_TOKENS="changeme", HTTP__REED_TIMEOUT="3")
    assert [line.split()[0] for line in faults.splitlines()] == [
        "PORT",
        "API_TOKENS",
        "HTTP__REED_TIMEOUT",
    ]


def test_a_store_without_vtiger_says_what_is_missing(tmp_path: Path) -> None:
    assert "VTIGER__URL" in _fault(tmp_path, **STORE)


def test_vtiger_without_a_store_says_what_is_missing(tmp_path: Path) -> None:
    assert "STORES__main__URL" in _fault(tmp_path, **VTIGER)


@pytest.mark.parametrize("key", ["Shop_FR", "a" * 33])
def test_a_store_key_that_does_not_fit_is_refused(tmp_path: Path, key: str) -> None:
    values = {name.replace("main", key): value for name, value in STORE.items()}
    assert "a store's key has" in _fault(tmp_path, **values, **VTIGER)


@pytest.mark.parametrize("url", ["shop.example.com", "ftp://shop", "https://u:p@shop", "https://"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    fault = _fault(tmp_path, **(STORE | VTIGER | {"STORES__main__URL": url}))
    assert fault.startswith("STORES__main__URL must ")


@pytest.mark.parametrize("name", ["STORES", "VTIGER", "HTTP", "STORES__main"])
def test_a_group_given_as_text_is_refused(tmp_path: Path, name: str) -> None:
    assert name.split("__")[0] in _fault(tmp_path, **{name: "nonsense"})


def test_a_heartbeat_slower_than_the_lease_is_refused(tmp_path: Path) -> None:
    assert _fault(tmp_path, WORKER__HEARTBEAT="7").startswith("WORKER__HEARTBEAT must")


def test_secrets_show_neither_in_repr_nor_in_faults(tmp_path: Path) -> None:
    database = {"DATABASE_URL": "postgresql://me:hush@db/woo"}
    settings = _load(tmp_path, **STORE, **VTIGER, **database, API_TOKENS="t0ken-one" * 4)
    shown = repr(settings) + str(settings) + _fault(tmp_path, **STORE, **database, PORT="x")
    assert settings.secret_values() == {
        *(value for name, value in (STORE | VTIGER).items() if name in SECRETS),
        "postgresql://me:hush@db/woo",
        "t0ken-one" * 4,
    }
    assert not [secret for secret in settings.secret_values() if secret in shown]
    assert "hush" not in shown


def test_the_configuration_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "configuration.md").read_text() == settings_reference()


def test_every_setting_has_a_meaning() -> None:
    page = settings_reference()
    assert all(f"| `{name}` |" in page for name in setting_names())
    assert "| None |" not in page


def test_the_example_file_leaves_the_sandbox_on() -> None:
    assert not load_settings(ROOT / ".env.example").is_configured


def test_the_example_file_filled_in_asks_for_the_secrets_alone(tmp_path: Path) -> None:
    lines = (ROOT / ".env.example").read_text().replace("\n#", "\n").splitlines()
    values = dict(line.split("=", 1) for line in lines if line.split("=")[0] in setting_names())
    faulty = {line.split()[0] for line in _fault(tmp_path, **values).splitlines()}
    assert faulty == {*SECRETS, "API_TOKENS"}
