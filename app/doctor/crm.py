"""Checks of Vtiger: reachability, the API user's preferences, modules, taxes, and fields of the
mapping."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal

from app.doctor.findings import Finding, Subject, check_clock
from app.domain import (
    AuthRejected,
    Direction,
    Module,
    NotFound,
    RateLimited,
    Rejected,
    RemoteError,
    System,
)
from app.mapping.rules import FieldRule
from app.mapping.values import decimal_text
from app.module_facts import FACTS, WITH_ROWS
from app.modules.context import foreign_id_field, label_of, missing_setup_records, rules_of
from app.runtime import Runtime
from app.vtiger.client import check_addon
from app.vtiger.schemas import VtigerModule, VtigerRecord, VtigerTax, damages_orders, fold

# Fields: mapped ones exist, mandatory ones are filled, ids are stored

CRM = Subject("vtiger")
ALWAYS_SENT = frozenset({"assigned_user_id", "invoicestatus", "productid", "quantity"})
NOT_DESCRIBED = frozenset({"LineItems", "tax1"})
MANDATORY = (
    "Make it optional in CRM Settings > Module Management > Module Layouts & Fields, or map it"
    " (Field mapping), so that records created by the service have a value."
)
GONE = (
    "Restore the field in CRM Settings > Module Management > Module Layouts & Fields, or switch its"
    " mapping off."
)
IDS = (
    "Add a text field with this label in CRM Settings > Module Management > Module Layouts &"
    " Fields. Without it, records are only matched by e-mail or SKU after a loss of the database."
)


async def check_fields(runtime: Runtime) -> list[Finding]:
    found: list[Finding] = []
    for module in WITH_ROWS:
        shape = await runtime.vtiger.describe(FACTS[module].vtiger_name)
        filled, mapped = await _fields_of(runtime, module)
        found += _mandatory(shape, filled), _mapped(shape, mapped), *_ids(shape, runtime)
    return found


async def _fields_of(runtime: Runtime, module: Module) -> tuple[set[str], set[str]]:
    """The Vtiger fields that the mappings of all stores fill, and those that any mapping has."""
    rules = [await rules_of(runtime, store, module) for store in runtime.stores]
    filled = [{rule.vtiger for rule in each if _fills(rule)} for each in rules]
    mapped = {rule.vtiger for each in rules for rule in each if rule.direction is not Direction.OFF}
    return set.intersection(*filled), mapped - NOT_DESCRIBED - {""}


def _fills(rule: FieldRule) -> bool:
    return rule.direction.allows(System.VTIGER)


def _mandatory(shape: VtigerModule, mapped: Iterable[str]) -> Finding:
    filled = {*mapped, *ALWAYS_SENT}
    empty = [f.label for f in shape.fields if f.mandatory and f.name not in filled]
    if empty:
        message = f"{shape.name} requires {_listed(empty)}, which no mapping fills"
        return CRM.failed("mandatory fields", f"{message}: new records are refused", MANDATORY)
    return CRM.ok("mandatory fields", f"{shape.name}: all are filled")


def _mapped(shape: VtigerModule, mapped: Iterable[str]) -> Finding:
    missing = sorted(name for name in mapped if shape.find_field(name) is None)
    if missing:
        message = f"{shape.name} has no field {_listed(missing)}: it is not synced"
        return CRM.warning("mapped fields", message, GONE)
    return CRM.ok("mapped fields", f"{shape.name}: all exist")


def _ids(shape: VtigerModule, runtime: Runtime) -> list[Finding]:
    """The field for the WooCommerce id: one for a single shop, or one for each of several."""
    only = len(runtime.stores) == 1
    missing = [s for s in runtime.stores if foreign_id_field(shape, s, only_store=only) is None]
    if not missing:
        return [CRM.ok("id field", f"{shape.name} stores the WooCommerce id")]
    labels = [label_of(store, only_store=only) for store in missing]
    return [CRM.warning("id field", f"{shape.name} has no field labelled {_listed(labels)}", IDS)]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


MODULES = sorted({"Accounts", "Services", *(FACTS[module].vtiger_name for module in WITH_ROWS)})
LEAST_DECIMALS = 5
REACH = (
    "Open the address in a browser from this machine; VTIGER__URL is the folder that Vtiger's"
    " index.php is in, and VTIGER__API must fit it (`rest` for Cloud)."
)
KEY = (
    "Copy the access key again from My Preferences of that user (it changes with the password),"
    " and set VTIGER__USERNAME and VTIGER__ACCESS_KEY."
)
PREFERENCES = "Log in to Vtiger as that user and open My Preferences."
DECIMALS = f"{PREFERENCES} Number Of Currency Decimals: 5, its maximum."
SEPARATORS = f"{PREFERENCES} Decimal separator: a dot."
LANGUAGE = f"{PREFERENCES} Language: US English, so that labels and messages are as expected."
VERSION = (
    "Import WooSync 2.0 from /vtiger-addon.zip of this service in Vtiger's CRM Settings > Module"
    " Management > Modules, and make the API user an administrator; or run Vtiger 8.2. Failed"
    " orders are then retried automatically."
)
ROLE = "Grant the user's profile permission to view, create and edit these modules, or enable them."
MAILS = (
    "CRM Settings > Automation > Workflows, module Contacts: switch off the workflow that e-mails"
    " the owner on every save, before the first full sync."
)
SETUP = "Start a worker, or let `doctor --fix` create it."
LABELS = "Give each tax a unique label in CRM Settings > Inventory > Tax Management."
TAX_MODE = (
    "Choose the tax mode individual for new sales orders, or set taxes that do not apply to 0;"
    " delete Vtiger's own example taxes if they are not used."
)
CURRENCY = (
    "Add it in CRM Settings > Configuration > Currencies, with its conversion rate, as Active."
)

Check = Callable[[Runtime], Awaitable[list[Finding]]]


async def check_crm(runtime: Runtime) -> list[Finding]:
    """Run the checks in order. Checks that depend on a failed one are skipped."""
    reached = await check_reach(runtime)
    found = [*reached, *check_clock(CRM, runtime.vtiger.clock_skew)]
    if reached[0].verdict != "ok":
        return found
    for check in (check_version, check_user, check_modules):
        found += await _run(check, runtime)
    if any(finding.check == "modules" and finding.verdict != "ok" for finding in found):
        return found
    for check in AFTER_MODULES:
        found += await _run(check, runtime)
    return [
        *found,
        CRM.note(
            "mails",
            "Vtiger does not report whether a workflow sends an e-mail on every save",
            MAILS,
        ),
    ]


async def _run(check: Check, runtime: Runtime) -> list[Finding]:
    try:
        return await check(runtime)
    except RemoteError as error:
        name = check.__name__.removeprefix("check_")
        return [CRM.error(name, error, "Correct the error, then repeat the check.")]


async def check_reach(runtime: Runtime) -> list[Finding]:
    try:
        await runtime.vtiger.user_id()
    except AuthRejected as error:
        return [CRM.error("credentials", error, KEY)]
    except RateLimited as error:
        return [CRM.warning("reachable", str(error), "Wait for a while, then repeat the check.")]
    except RemoteError as error:
        return [CRM.error("reachable", error, REACH)]
    return [CRM.ok("reachable", "the API user is logged in")]


async def check_user(runtime: Runtime) -> list[Finding]:
    """Vtiger rounds amounts to the user's decimals when they are written (contract page Vtiger
    §0.3)."""
    try:
        user = await runtime.vtiger.retrieve(await runtime.vtiger.user_id(), "Users")
    except (NotFound, Rejected) as error:
        message = f"the user's preferences cannot be read: {error}"
        return [CRM.note("decimals", message, DECIMALS)]
    return [_decimals(user), _separator(user), _language(user)]


def _decimals(user: VtigerRecord) -> Finding:
    text = user.get("no_of_currency_decimals")
    decimals = int(text) if text.isdecimal() else 0
    if decimals >= LEAST_DECIMALS:
        return CRM.ok("decimals", f"{decimals} currency decimals")
    message = f"the API user has {decimals} currency decimals: Vtiger rounds every price to them"
    return CRM.failed("decimals", message, DECIMALS)


def _separator(user: VtigerRecord) -> Finding:
    separator = user.get("currency_decimal_separator")
    if separator in {"", "."}:
        return CRM.ok("separator", "the decimal separator is a dot")
    message = f"the API user's decimal separator is {separator!r}"
    return CRM.warning("separator", message, SEPARATORS)


def _language(user: VtigerRecord) -> Finding:
    language = user.get("language")
    if language in {"", "en_us"}:
        return CRM.ok("language", "en_us")
    message = f"the API user's language is {language}: Vtiger may translate labels and messages"
    return CRM.warning("language", message, LANGUAGE)


async def check_version(runtime: Runtime) -> list[Finding]:
    """The version, and whether orders can be written: 8.3 and 8.4 accept none without the add-on
    (page Vtiger add-on writes, F2 and F3)."""
    version = await runtime.vtiger.fetch_version()
    if not version:
        return []
    if not damages_orders(version):
        return [CRM.ok("version", f"Vtiger {version}")]
    if await runtime.vtiger.accepts_orders(anew=True):
        return [CRM.ok("version", f"Vtiger {version}, where WooSync writes orders")]
    message = (
        f"Vtiger {version} refuses new orders with lines through its web service, and loses lines"
        " and totals of orders that are changed or deleted through it: no such write is sent,"
        " orders end as failed / needs_addon. Contacts, products and statuses are synced"
    )
    return [CRM.failed("version", message, VERSION)]


async def check_modules(runtime: Runtime) -> list[Finding]:
    seen = set(await runtime.vtiger.list_types())
    hidden = [name for name in MODULES if name not in seen]
    if hidden:
        message = f"the API user does not see {', '.join(hidden)}"
        return [CRM.failed("modules", message, ROLE)]
    return [CRM.ok("modules", f"sees {', '.join(MODULES)}")]


async def check_currencies(runtime: Runtime) -> list[Finding]:
    """The currency of each shop: an order in a currency that Vtiger does not have is skipped."""
    active = {one.code for one in await runtime.vtiger.search_currencies() if one.active}
    found: list[Finding] = []
    for store, woo in runtime.stores.items():
        try:
            code = await woo.get_setting("general", "woocommerce_currency")
        except RemoteError:
            continue  # reported by the checks of the shop
        found.append(_currency(store, code, active))
    return found


def _currency(store: str, code: str, active: set[str]) -> Finding:
    if code in active:
        return CRM.ok("currency", f"{code}, the currency of store {store}, is active")
    message = f"{code}, the currency of store {store}, is not active: its orders are skipped"
    return CRM.failed("currency", message, CURRENCY)


async def check_taxes(runtime: Runtime) -> list[Finding]:
    """The labels of taxes: writing one of two taxes with the same label corrupts the column of the
    other (70-tax-revise)."""
    taxes = await runtime.vtiger.search_taxes()
    labels = [tax.label for tax in taxes]
    counts = Counter(fold(label) for label in labels)
    twice = sorted({label for label in labels if counts[fold(label)] > 1})
    if twice:
        message = f"several taxes have the label {', '.join(map(repr, twice))}"
        found = CRM.warning("taxes", f"{message}: they are not changed", LABELS)
    else:
        found = CRM.ok("taxes", f"{len(labels)} taxes, each with a unique label")
    return [found, *_tax_mode(taxes)]


def _tax_mode(taxes: Sequence[VtigerTax]) -> list[Finding]:
    """The default tax mode: the form of a new sales order has the mode group, with every tax
    (Vtiger 8.2, Inventory/partials/LineItemsEdit.tpl)."""
    charged = [tax.percentage for tax in taxes if tax.percentage]
    if len(charged) < 2:
        return []
    together = decimal_text(sum(charged, Decimal(0)))
    message = (
        f"a new sales order in Vtiger has the tax mode group, with all {len(charged)}"
        f" taxes, {together} % in total; the shop calculates taxes by its own rates"
    )
    return [CRM.note("tax mode", message, TAX_MODE)]


async def check_setup(runtime: Runtime) -> list[Finding]:
    missing: Sequence[str] = await missing_setup_records(runtime)
    if missing:
        message = f"missing: {', '.join(missing).replace('_', ' ')}"
        return [CRM.warning("setup", message, SETUP, can_fix=True)]
    return [CRM.ok("setup", "the prerequisites of orders exist")]


async def check_changes(runtime: Runtime) -> list[Finding]:
    """How changes are found: reported by the add-on, or by polls."""
    report = await check_addon(runtime.vtiger, runtime.settings.public_url)
    found = [CRM.warning("changes", each.message, each.remedy) for each in report.warnings]
    if report.facts is not None:
        facts = report.facts
        message = f"read from WooSync {facts.version}'s outbox, {facts.waiting} to be sent"
        return [CRM.ok("changes", message), *found]
    return found or [CRM.ok("changes", "queried by time: the add-on WooSync is not installed")]


async def check_calls(runtime: Runtime) -> list[Finding]:
    """The quota of calls, which only Vtiger Cloud has."""
    quota = runtime.vtiger.quota
    if quota is None or quota.daily_limit is None:
        return []
    message = f"{quota.daily_left} of {quota.daily_limit} calls left today"
    if quota.is_low:
        return [CRM.warning("calls", message, "Raise SYNC__POLL_INTERVAL, or buy calls.")]
    return [CRM.ok("calls", message)]


AFTER_MODULES = (
    check_fields,
    check_currencies,
    check_taxes,
    check_setup,
    check_changes,
    check_calls,
)
