"""Every recorded probe of a contact field: what we send comes back equal, the rest is not sent."""

from typing import Any

import pytest

from app.mapping.paths import find_path
from app.mapping.rules import ACCOUNT_NAME_SIZE, CONTACT_SIZES, FieldRule
from app.mapping.values import Patch, PatchOptions
from app.modules.contacts.mapping import (
    COMPANY,
    CONTACT_RULES,
    vtiger_contact,
    vtiger_patch,
    woo_contact,
    woo_patch,
)
from app.vtiger.schemas import VtigerRecord
from app.woocommerce.schemas import WooRecord
from tests.mapping.probes import probed_texts, read_probes
from tests.mapping.systems import vtiger_stores, woo_stores

CUT = PatchOptions(too_long="cut")
TRANSFORM_OF_PATH = {rule.woo[0]: rule.transform for rule in CONTACT_RULES if len(rule.woo) == 1}
TRANSFORM_OF_FIELD = {rule.vtiger: rule.transform for rule in CONTACT_RULES}
COUNTRY = FieldRule("country", ("billing.country",), "mailingcountry", transform="country")
CUSTOM_SIZE = 20

WOO = list(read_probes("woocommerce/readback-customers.jsonl.gz"))
VTIGER = list(read_probes("vtiger/readback-contacts.jsonl.gz"))


def woo_rules(field: str) -> tuple[FieldRule, ...]:
    path = "meta:note" if field == "meta" else field
    transform = TRANSFORM_OF_PATH.get(path, "text")
    given = "country" if transform == "state" else ""
    return (COUNTRY, FieldRule("probe", (path,), "cf_1", transform=transform, given=given))


def vtiger_rules(field: str) -> tuple[FieldRule, ...]:
    if field == "accountname":
        return (FieldRule(COMPANY, ("billing.company",), "account_id"),)
    transform = TRANSFORM_OF_FIELD.get(field, "text")
    given = "country" if transform == "state" else ""
    size = CUSTOM_SIZE if field.startswith("cf_") else None
    rule = FieldRule("probe", ("meta:x",), field, transform=transform, given=given, size=size)
    return (COUNTRY, rule) if field != COUNTRY.vtiger else (rule,)


def settled(patch: Patch) -> bool:
    """Whether the patch says openly that the value is not sent as it is."""
    return bool(patch.notes)


def woo_sent(field: str, text: str) -> tuple[Patch, str | None]:
    rules = woo_rules(field)
    patch = woo_patch({"probe": text}, rules, current=WooRecord({"id": 1}), options=CUT)
    return patch, find_path(patch.body, rules[1].woo[0])


@pytest.mark.parametrize("operation", ["put", "create", "batch"])
def test_customer_probe_comes_back_equal_or_is_not_sent(operation: str) -> None:
    failures = [p for p in WOO if p["op"] == operation and not woo_probe_holds(p)]
    assert failures == []


def woo_probe_holds(probe: dict[str, Any]) -> bool:
    text, rules = probe["sent"], woo_rules(probe["field"])
    if not isinstance(text, str) or is_refused_batch(probe):
        return True
    patch, sent = woo_sent(probe["field"], text)
    if settled(patch):
        return True
    if sent != text:
        return rules[1].same(text, woo_read(rules, woo_stores(rules[1].woo[0], sent or "")))
    return rules[1].same(text, woo_read(rules, probe["read_back"]))


def is_refused_batch(probe: dict[str, Any]) -> bool:
    """One lone surrogate among the items failed the whole batch: nothing was written."""
    return bool(probe["op"] == "batch" and probe["write_error"]) and is_unwritten(probe)


def is_unwritten(probe: dict[str, Any]) -> bool:
    return bool(probe["read_back"] == probe["before"])


def woo_read(rules: tuple[FieldRule, ...], raw: str) -> str | None:
    block, _, key = rules[1].woo[0].rpartition(".")
    data: dict[str, Any] = {block: {key: raw}} if block else {key: raw}
    if key == "meta:note":
        data = {"meta_data": [{"key": "note", "value": raw}]}
    return woo_contact(WooRecord({"id": 1, **data}), rules).get("probe")


@pytest.mark.parametrize("operation", ["create", "revise"])
def test_contact_probe_comes_back_equal_or_is_not_sent(operation: str) -> None:
    failures = [p for p in VTIGER if p["op"] == operation and not vtiger_probe_holds(p)]
    assert failures == []


def vtiger_sent(field: str, text: str, *, revise: bool) -> tuple[Patch, str | None]:
    rules = vtiger_rules(field)
    current = VtigerRecord("12x1", "Contacts", {field: "Base"}) if revise else None
    patch = vtiger_patch({rules[-1].name: text}, rules, current=current, options=CUT)
    return patch, patch.apart.get(COMPANY, patch.body.get(field))


def vtiger_probe_holds(probe: dict[str, Any]) -> bool:
    text, field = probe["sent"], probe["field"]
    if not isinstance(text, str) or is_duplicate_account(probe) or is_refused_as_blank(probe):
        return True
    rule = vtiger_rules(field)[-1]
    patch, sent = vtiger_sent(field, text, revise=probe["op"] == "revise")
    if settled(patch):
        return True
    if sent is None:
        return text == "" and probe["op"] == "create"
    read = probe["read_back"]
    if sent != text:
        read = vtiger_stores(sent, size_of(field), revise=probe["op"] == "revise")
    return rule.same(text, vtiger_read(rule, read))


def is_duplicate_account(probe: dict[str, Any]) -> bool:
    """The name is another account's: it is found and linked, not written."""
    return probe["field"] == "accountname" and (probe["write_error"] or {}).get("code") == 0


def is_refused_as_blank(probe: dict[str, Any]) -> bool:
    """An empty mandatory name; the default rules know it and never send it."""
    return probe["sent"] == "" and probe["field"] in ("lastname", "accountname")


def size_of(field: str) -> int | None:
    named = {"accountname": ACCOUNT_NAME_SIZE, "cf_853": CUSTOM_SIZE}
    return named.get(field, CONTACT_SIZES.get(field))


def vtiger_read(rule: FieldRule, raw: str) -> str | None:
    record = VtigerRecord("12x1", "Contacts", {rule.vtiger: raw})
    return vtiger_contact(record, (rule,), account_name=raw).get(rule.name)


def test_models_of_both_systems_agree_with_the_recordings() -> None:
    """What the other tests simulate is what was recorded, for all texts that would be sent."""
    wrong = [p for p in WOO if is_sent_to_woo(p) and not woo_model_holds(p)]
    wrong += [p for p in VTIGER if is_sent_to_vtiger(p) and not vtiger_model_holds(p)]
    assert wrong == []


def is_sent_to_woo(probe: dict[str, Any]) -> bool:
    text = probe["sent"]
    if not isinstance(text, str) or is_refused_batch(probe):
        return False
    return woo_sent(probe["field"], text)[1] == text


def woo_model_holds(probe: dict[str, Any]) -> bool:
    """A PUT still shows a name before the second form that the next write gives it."""
    path = woo_rules(probe["field"])[1].woo[0]
    stored = woo_stores(path, probe["sent"])
    return probe["read_back"] in (stored, probe["sent"])


def is_sent_to_vtiger(probe: dict[str, Any]) -> bool:
    text = probe["sent"]
    if not isinstance(text, str) or probe["write_error"]:
        return False
    return vtiger_sent(probe["field"], text, revise=probe["op"] == "revise")[1] == text


def vtiger_model_holds(probe: dict[str, Any]) -> bool:
    revise = probe["op"] == "revise"
    stored = vtiger_stores(probe["sent"], size_of(probe["field"]), revise=revise)
    return bool(stored == probe["read_back"])


@pytest.mark.parametrize("field", sorted({p["field"] for p in VTIGER}))
@pytest.mark.parametrize("revise", [True, False])
def test_text_read_in_woocommerce_survives_in_vtiger(field: str, *, revise: bool) -> None:
    rule = vtiger_rules(field)[-1]
    for raw in probed_texts():
        value = woo_read(woo_rules("meta"), raw) or ""
        patch, sent = vtiger_sent(field, value, revise=revise)
        if not settled(patch) and sent is not None:
            stored = vtiger_stores(sent, size_of(field), revise=revise)
            assert rule.same(value, vtiger_read(rule, stored))


@pytest.mark.parametrize("field", sorted({p["field"] for p in WOO}))
def test_text_read_in_vtiger_survives_in_woocommerce(field: str) -> None:
    rules = woo_rules(field)
    plain = FieldRule("plain", ("meta:x",), "title")
    for raw in probed_texts():
        value = vtiger_read(plain, raw) or ""
        patch, sent = woo_sent(field, value)
        if not settled(patch) and sent is not None:
            stored = woo_stores(rules[1].woo[0], sent)
            assert rules[1].same(value, woo_read(rules, stored))


ROUND_TRIPS = list(read_probes("readback-roundtrip-contacts.jsonl.gz"))


@pytest.mark.parametrize("pair", ["first_name", "billing.address_1"])
def test_recorded_round_trip_from_woocommerce(pair: str) -> None:
    """Where the lab sent what we would send, Vtiger held what we compare as equal."""
    trips = [t for t in ROUND_TRIPS if t["dir"] == "WVW" and t["woo"] == f"customers.{pair}"]
    assert len(trips) == 137
    lost = [t for t in trips if not woo_trip_holds(t)]
    assert lost == []


def woo_trip_holds(trip: dict[str, Any]) -> bool:
    field = trip["vt"].partition(".")[2]
    rule = vtiger_rules(field)[-1]
    value = woo_read(woo_rules(trip["woo"].partition(".")[2]), trip["first"])
    if not value or any(trip["errors"]):
        return True
    patch, sent = vtiger_sent(field, value, revise=True)
    if settled(patch) or sent != trip["first"]:
        return bool(patch.notes) or rule.same(value, vtiger_read(rule, sent or ""))
    return rule.same(value, vtiger_read(rule, trip["mid"]))


@pytest.mark.parametrize("pair", ["first_name", "billing.address_1", "billing.company"])
def test_recorded_round_trip_from_vtiger(pair: str) -> None:
    trips = [t for t in ROUND_TRIPS if t["dir"] == "VWV" and t["woo"] == f"customers.{pair}"]
    assert len(trips) == 137
    lost = [t for t in trips if not vtiger_trip_holds(t)]
    assert lost == []


def vtiger_trip_holds(trip: dict[str, Any]) -> bool:
    field, rules = trip["woo"].partition(".")[2], woo_rules(trip["woo"].partition(".")[2])
    vtiger_rule = vtiger_rules(trip["vt"].partition(".")[2])[-1]
    if any(trip["errors"]):
        return True
    value = vtiger_read(vtiger_rule, trip["first"]) or ""
    patch, sent = woo_sent(field, value)
    if settled(patch) or sent != trip["first"]:
        return bool(patch.notes) or rules[1].same(value, woo_read(rules, sent or ""))
    return rules[1].same(value, woo_read(rules, trip["mid"]))
