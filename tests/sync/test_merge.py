"""The merge rule by rule: who gets what, what is a conflict, and what the next base says."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import ConflictPolicy, Direction, System, WriteCondition
from app.mapping.rules import FieldRule
from app.mapping.values import Agreed, Mapped, Value
from app.sync.merge import (
    NOTHING_DECIDED,
    Blocked,
    Conflict,
    Decision,
    Merge,
    describe_blocked,
    merge,
    next_base,
)

WOO, VTIGER = System.WOOCOMMERCE, System.VTIGER
CITY = FieldRule("city", ("billing.city",), "mailingcity")
AGREED = {"city": Agreed("Paris", "Paris")}


def run(
    woo: Value | Mapped,
    vtiger: Value | Mapped,
    *,
    base: Mapping[str, Agreed] = AGREED,
    rule: FieldRule = CITY,
    direction: Direction = Direction.BOTH,
    policy: ConflictPolicy = ConflictPolicy.LATEST_WINS,
    newer: System = WOO,
    decided: Mapping[str, Decision] = NOTHING_DECIDED,
    carried: Collection[str] = (),
) -> Merge:
    return merge(
        base,
        woo if isinstance(woo, Mapped) else Mapped({"city": woo}),
        vtiger if isinstance(vtiger, Mapped) else Mapped({"city": vtiger}),
        rules=(rule,),
        direction=direction,
        policy=policy,
        newer=newer,
        carried=carried,
        decided=decided,
    )


def test_change_in_woocommerce_goes_to_vtiger() -> None:
    merged = run("Lyon", "Paris")
    assert (merged.to_woo, merged.to_vtiger) == ({}, {"city": "Lyon"})
    assert merged.conflicts == ()


def test_change_in_vtiger_goes_to_woocommerce() -> None:
    merged = run("Paris", "Lyon")
    assert (merged.to_woo, merged.to_vtiger) == ({"city": "Lyon"}, {})


def test_same_change_on_both_sides_is_agreed() -> None:
    merged = run("Lyon", "Lyon ")
    assert (merged.to_woo, merged.to_vtiger) == ({}, {})
    assert merged.agreed == {"city": Agreed("Lyon", "Lyon ")}


def test_emptied_field_is_emptied_on_the_other_side() -> None:
    assert run("", "Paris").to_vtiger == {"city": ""}


def test_field_that_a_side_no_longer_has_empties_nothing() -> None:
    merged = run(None, "Paris")
    assert (merged.to_woo, merged.to_vtiger) == ({}, {})


def test_values_that_become_each_other_are_agreed() -> None:
    assert run("Lyon", "Nice", carried={"city"}) == Merge(agreed={"city": Agreed("Lyon", "Nice")})


def test_nothing_changed_writes_nothing_even_if_a_target_mangled_the_value() -> None:
    merged = run("Paris 😀 and more", "Paris", base={"city": Agreed("Paris 😀 and more", "Paris")})
    assert merged == Merge()


@pytest.mark.parametrize(
    ("policy", "newer", "winner"),
    [
        (ConflictPolicy.LATEST_WINS, WOO, WOO),
        (ConflictPolicy.LATEST_WINS, VTIGER, VTIGER),
        (ConflictPolicy.WOOCOMMERCE_WINS, VTIGER, WOO),
        (ConflictPolicy.VTIGER_WINS, WOO, VTIGER),
    ],
)
def test_conflict_is_settled_by_policy_and_reported(
    policy: ConflictPolicy, newer: System, winner: System
) -> None:
    merged = run("Lyon", "Nice", policy=policy, newer=newer)
    assert merged.conflicts == (Conflict("city", "Lyon", "Nice", winner),)
    assert merged.to_vtiger == ({"city": "Lyon"} if winner is WOO else {})
    assert merged.to_woo == ({"city": "Nice"} if winner is VTIGER else {})


def test_ask_writes_nothing_and_leaves_the_base_alone() -> None:
    merged = run("Lyon", "Nice", policy=ConflictPolicy.ASK)
    assert merged == Merge(conflicts=(Conflict("city", "Lyon", "Nice", None),))
    assert next_base(AGREED, merged, woo_after=None, vtiger_after=None) == AGREED


def test_new_link_takes_what_is_not_empty() -> None:
    assert run("Lyon", "", base={}).to_vtiger == {"city": "Lyon"}
    assert run("", "Lyon", base={}).to_woo == {"city": "Lyon"}
    assert run(None, "Lyon", base={}).to_woo == {"city": "Lyon"}
    assert run(" ", None, base={}).to_vtiger == {}


CUSTOM = replace(CITY, custom=True)
WITHOUT = Mapped({"name": "Zoë"})
"""A record that is there, and does not have the field."""


def test_news_that_one_system_has_no_field_for_are_lost() -> None:
    assert run("Lyon", WITHOUT, rule=CUSTOM) == Merge(missing_fields={"city": VTIGER})
    assert run(WITHOUT, "Lyon", rule=CUSTOM) == Merge(missing_fields={"city": WOO})
    assert run(WITHOUT, "Paris", rule=CUSTOM) == Merge()
    assert run(WITHOUT, WITHOUT, rule=CUSTOM) == Merge()


def test_nothing_is_lost_that_was_not_to_be_carried() -> None:
    assert run("Lyon", WITHOUT, rule=CUSTOM, direction=Direction.VTIGER_TO_WOO) == Merge()
    assert run(WITHOUT, "Lyon", rule=CUSTOM, direction=Direction.WOO_TO_VTIGER) == Merge()


def test_meta_that_a_guest_has_not_is_not_lost() -> None:
    rule = replace(CUSTOM, woo=("meta:city",))
    assert run(WITHOUT, "Lyon", rule=rule) == Merge()
    assert run("Lyon", WITHOUT, rule=rule) == Merge(missing_fields={"city": VTIGER})


def test_a_custom_field_of_a_record_that_is_yet_to_be_made_is_not_lost() -> None:
    assert run("Lyon", Mapped.missing(), base={}, rule=CUSTOM).to_vtiger == {"city": "Lyon"}
    assert run(Mapped.missing(), "Lyon", base={}, rule=CUSTOM).to_woo == {"city": "Lyon"}


def test_custom_field_that_both_have_is_merged() -> None:
    assert run("Lyon", "Paris", rule=CUSTOM).to_vtiger == {"city": "Lyon"}


@pytest.mark.parametrize(
    ("first", "direction"),
    [
        (FieldRule("gone", (), "gone", custom=True), Direction.BOTH),
        (FieldRule("off", (), "off", direction=Direction.OFF), Direction.BOTH),
        (FieldRule("back", (), "back", direction=Direction.VTIGER_TO_WOO), Direction.WOO_TO_VTIGER),
    ],
)
def test_a_row_that_is_left_alone_stops_none_that_follows(
    first: FieldRule, direction: Direction
) -> None:
    merged = merge(
        AGREED,
        Mapped({"city": "Lyon"}),
        Mapped({"city": "Paris"}),
        rules=(first, CITY),
        direction=direction,
        policy=ConflictPolicy.ASK,
        newer=WOO,
    )
    assert merged.to_vtiger == {"city": "Lyon"}


def test_new_link_with_different_values_is_a_conflict() -> None:
    merged = run("Lyon", "Nice", base={}, policy=ConflictPolicy.VTIGER_WINS)
    assert merged.conflicts == (Conflict("city", "Lyon", "Nice", VTIGER),)
    assert merged.to_woo == {"city": "Nice"}


def derived(value: str) -> Mapped:
    return Mapped({"city": value}, frozenset({"city"}))


def test_derived_value_fills_an_empty_field() -> None:
    assert run(derived("ACME"), "", base={}).to_vtiger == {"city": "ACME"}
    assert run(derived("ACME"), Mapped.missing(), base={}).to_vtiger == {"city": "ACME"}
    assert run("", derived("ACME"), base={}).to_woo == {"city": "ACME"}


def test_derived_value_that_changes_fills_a_field_that_stayed_empty() -> None:
    merged = run(derived("ACME"), "", base={"city": Agreed("Zoë", "")})
    assert merged.to_vtiger == {"city": "ACME"}
    merged = run("", derived("ACME"), base={"city": Agreed("", "Zoë")})
    assert merged.to_woo == {"city": "ACME"}
    assert run(derived("ACME"), "", base={"city": Agreed("ACME", "")}) == Merge()


def test_derived_value_loses_to_a_real_one_without_a_conflict() -> None:
    merged = run(derived("ACME"), "Berg", base={})
    assert (merged.to_woo, merged.conflicts) == ({"city": "Berg"}, ())


@pytest.mark.parametrize("held", ["Berg", "anna"])
def test_derived_value_that_changes_never_overwrites(held: str) -> None:
    merged = run(derived("berta"), "Berg", base={"city": Agreed(held, "Berg")})
    assert (merged.to_woo, merged.to_vtiger) == ({}, {})


def test_derived_value_fills_a_field_that_was_blanked_and_is_not_blanked_itself() -> None:
    base = {"city": Agreed("ACME", "ACME")}
    merged = run(" ", derived("ACME"), base=base)
    assert (merged.to_woo, merged.to_vtiger, merged.conflicts) == ({"city": "ACME"}, {}, ())
    merged = run(derived("ACME"), " ", base=base)
    assert (merged.to_woo, merged.to_vtiger, merged.conflicts) == ({}, {"city": "ACME"}, ())
    refused = next_base(
        base, merged, woo_after=None, vtiger_after=None, unwritten=frozenset({"city"})
    )
    assert run(derived("ACME"), " ", base=refused) == Merge()


def test_derived_value_is_never_written_back() -> None:
    merged = run(derived("ACME"), "ACME", base={})
    assert (merged.to_woo, merged.to_vtiger) == ({}, {})


def test_one_way_leaves_an_edit_of_the_target_until_the_source_changes() -> None:
    one_way = Direction.WOO_TO_VTIGER
    first = run("Paris", "Nice", direction=one_way)
    assert (first.to_woo, first.to_vtiger, first.conflicts) == ({}, {}, ())
    base = next_base(AGREED, first, woo_after=None, vtiger_after=None)
    assert run("Paris", "Nice", base=base, direction=one_way) == Merge()
    assert run("Lyon", "Nice", base=base, direction=one_way).to_vtiger == {"city": "Lyon"}


@pytest.mark.parametrize("policy", list(ConflictPolicy))
def test_one_way_source_wins_whatever_the_policy_and_is_reported(policy: ConflictPolicy) -> None:
    merged = run("Lyon", "Nice", direction=Direction.VTIGER_TO_WOO, policy=policy)
    assert merged.to_woo == {"city": "Nice"}
    assert merged.conflicts == (Conflict("city", "Lyon", "Nice", VTIGER),)


@pytest.mark.parametrize(
    ("own", "overall", "left"),
    [
        (Direction.BOTH, Direction.VTIGER_TO_WOO, Direction.VTIGER_TO_WOO),
        (Direction.WOO_TO_VTIGER, Direction.BOTH, Direction.WOO_TO_VTIGER),
        (Direction.WOO_TO_VTIGER, Direction.WOO_TO_VTIGER, Direction.WOO_TO_VTIGER),
        (Direction.WOO_TO_VTIGER, Direction.VTIGER_TO_WOO, Direction.OFF),
        (Direction.OFF, Direction.BOTH, Direction.OFF),
        (Direction.BOTH, Direction.OFF, Direction.OFF),
    ],
)
def test_direction_of_a_rule_and_of_the_record_together(
    own: Direction, overall: Direction, left: Direction
) -> None:
    assert own.within(overall) is left


def test_rule_that_is_off_leaves_field_and_base_alone() -> None:
    assert run("Lyon", "Nice", direction=Direction.OFF) == Merge(
        blocked={"city": Blocked(VTIGER, Direction.OFF)}
    )
    assert run("Lyon", "Nice", rule=replace(CITY, direction=Direction.OFF)) == Merge()


@pytest.mark.parametrize("own", [Direction.BOTH, Direction.WOO_TO_VTIGER])
def test_what_a_direction_keeps_from_a_side_is_told(own: Direction) -> None:
    rule, overall = replace(CITY, direction=own), Direction.WOO_TO_VTIGER
    merged = run("Paris", "Nice", rule=rule, direction=overall)
    assert merged.blocked == {"city": Blocked(WOO, Direction.WOO_TO_VTIGER)}
    assert run("Lyon", "Paris", rule=rule, direction=overall).blocked == {}
    assert run("Paris", "Nice", rule=rule, direction=overall, base={}).blocked == {}


def test_what_the_shop_has_to_say_is_held_where_only_vtiger_is_heard() -> None:
    merged = run("Lyon", "Paris", direction=Direction.VTIGER_TO_WOO)
    assert merged.blocked == {"city": Blocked(VTIGER, Direction.VTIGER_TO_WOO)}


def test_what_a_new_pair_has_on_one_side_is_held_unless_the_row_goes_one_way_itself() -> None:
    one_way = Direction.WOO_TO_VTIGER
    merged = run("", "Nice", base={}, direction=one_way)
    assert merged.blocked == {"city": Blocked(WOO, one_way)}
    rule = replace(CITY, direction=one_way)
    assert run("", "Nice", base={}, rule=rule, direction=one_way).blocked == {}


def test_held_fields_are_told_with_each_reason_once() -> None:
    off = Blocked(VTIGER, Direction.OFF)
    blocked = {"city": off, "phone": Blocked(WOO, Direction.WOO_TO_VTIGER), "zip": off}
    assert describe_blocked(blocked) == (
        "The direction is off: Vtiger is not written."
        " The direction is woo_to_vtiger: WooCommerce is not written."
        " Fields that differ: city, phone, zip."
    )


def test_what_a_row_alone_keeps_from_a_side_is_as_the_mapping_says() -> None:
    rule = replace(CITY, direction=Direction.WOO_TO_VTIGER)
    assert run("Paris", "Nice", rule=rule, direction=Direction.BOTH).blocked == {}


def with_condition(write: WriteCondition) -> FieldRule:
    return FieldRule("city", ("billing.city",), "mailingcity", write=write)


def test_on_create_writes_only_to_a_record_that_does_not_exist() -> None:
    rule = with_condition(WriteCondition.ON_CREATE)
    assert run("Lyon", Mapped.missing(), base={}, rule=rule).to_vtiger == {"city": "Lyon"}
    merged = run("Lyon", "Paris", rule=rule)
    assert (merged.to_vtiger, merged.conflicts) == ({}, ())
    assert merged.agreed == {"city": Agreed("Lyon", "Paris")}
    assert run(Mapped.missing(), "Lyon", base={}, rule=rule).to_woo == {"city": "Lyon"}
    assert run("Paris", "Lyon", rule=rule).to_woo == {}


def test_if_empty_writes_only_over_nothing() -> None:
    rule = with_condition(WriteCondition.IF_EMPTY)
    assert run("Lyon", "", base={}, rule=rule).to_vtiger == {"city": "Lyon"}
    assert run("", "Lyon", base={}, rule=rule).to_woo == {"city": "Lyon"}
    merged = run("Lyon", "Nice", rule=rule)
    assert (merged.to_vtiger, merged.to_woo, merged.conflicts) == ({}, {}, ())


def test_next_base_takes_the_answer_for_the_written_side_and_what_was_read_for_the_other() -> None:
    merged = run("Lyon", "Paris")
    after = Mapped({"city": "LYON"})
    assert next_base(AGREED, merged, woo_after=None, vtiger_after=after) == {
        "city": Agreed("Lyon", "LYON")
    }


def test_next_base_takes_each_answer_for_the_fields_that_were_written_there() -> None:
    zip_code = FieldRule("zip", ("billing.postcode",), "mailingzip")
    base = {"city": Agreed("Paris", "Paris"), "zip": Agreed("1", "1")}
    merged = merge(
        base,
        Mapped({"city": "Paris", "zip": "2"}),
        Mapped({"city": "Lyon", "zip": "1"}),
        rules=(CITY, zip_code),
        direction=Direction.BOTH,
        policy=ConflictPolicy.ASK,
        newer=WOO,
    )
    woo, vtiger = Mapped({"city": "LYON", "zip": "2"}), Mapped({"city": "Lyon", "zip": "02"})
    after = next_base(base, merged, woo_after=woo, vtiger_after=vtiger)
    assert after == {"city": Agreed("LYON", "Lyon"), "zip": Agreed("2", "02")}


@pytest.mark.parametrize(("woo", "vtiger"), [("Lyon", "Paris"), ("Paris", "Lyon")])
def test_next_base_keeps_the_old_entry_if_the_write_failed(woo: str, vtiger: str) -> None:
    merged = run(woo, vtiger)
    assert next_base(AGREED, merged, woo_after=None, vtiger_after=None) == AGREED


def test_next_base_keeps_the_old_entry_of_what_is_written_later() -> None:
    merged, after = run("Lyon", "Paris"), Mapped({"city": "Lyon"})
    later = frozenset({"city"})
    assert next_base(AGREED, merged, woo_after=None, vtiger_after=after, deferred=later) == AGREED


def test_next_base_of_an_unwritten_field_ends_the_trying() -> None:
    merged = run("Lyon \\ ok", "Paris")
    base = next_base(
        AGREED, merged, woo_after=None, vtiger_after=None, unwritten=frozenset({"city"})
    )
    assert base == {"city": Agreed("Lyon \\ ok", "Paris")}
    assert run("Lyon \\ ok", "Paris", base=base) == Merge()


def test_next_base_does_not_swallow_an_edit_between_read_and_write() -> None:
    """Somebody empties the city while another field is written: the answer already shows it."""
    zip_code = FieldRule("zip", ("billing.postcode",), "mailingzip")
    base = {"city": Agreed("Paris", "Paris"), "zip": Agreed("1", "1")}
    merged = merge(
        base,
        Mapped({"city": "Paris", "zip": "2"}),
        Mapped({"city": "Paris", "zip": "1"}),
        rules=(CITY, zip_code),
        direction=Direction.BOTH,
        policy=ConflictPolicy.ASK,
        newer=WOO,
    )
    answer = Mapped({"city": "Nice", "zip": "2"})
    after = next_base(base, merged, woo_after=None, vtiger_after=answer)
    assert after == {"city": Agreed("Paris", "Paris"), "zip": Agreed("2", "2")}
    assert run("Paris", "Nice", base=after).to_woo == {"city": "Nice"}


VALUES = st.sampled_from([None, "", " ", "Paris", "paris", "Lyon", "Nice"])
BASES = st.none() | st.builds(Agreed, VALUES, VALUES)


@given(woo=VALUES, vtiger=VALUES, agreed=BASES, policy=st.sampled_from(ConflictPolicy))
def test_merge_is_the_same_from_both_ends(
    woo: Value, vtiger: Value, agreed: Agreed | None, policy: ConflictPolicy
) -> None:
    """Swapping the systems swaps the result: no side is privileged but by policy."""
    mirrored = {
        ConflictPolicy.WOOCOMMERCE_WINS: ConflictPolicy.VTIGER_WINS,
        ConflictPolicy.VTIGER_WINS: ConflictPolicy.WOOCOMMERCE_WINS,
    }.get(policy, policy)
    base = {} if agreed is None else {"city": agreed}
    turned = {} if agreed is None else {"city": Agreed(agreed.vtiger, agreed.woo)}
    one = run(woo, vtiger, base=base, policy=policy, newer=WOO)
    two = run(vtiger, woo, base=turned, policy=mirrored, newer=VTIGER)
    assert (one.to_woo, one.to_vtiger) == (two.to_vtiger, two.to_woo)
    assert [(c.woo, c.vtiger) for c in one.conflicts] == [(c.vtiger, c.woo) for c in two.conflicts]


@given(
    woo=VALUES,
    vtiger=VALUES,
    agreed=BASES,
    policy=st.sampled_from(ConflictPolicy),
    direction=st.sampled_from(Direction),
    write=st.sampled_from(WriteCondition),
)
def test_second_merge_writes_nothing(
    woo: Value,
    vtiger: Value,
    agreed: Agreed | None,
    policy: ConflictPolicy,
    direction: Direction,
    write: WriteCondition,
) -> None:
    rule = with_condition(write)
    base = {} if agreed is None else {"city": agreed}
    first = run(woo, vtiger, base=base, rule=rule, direction=direction, policy=policy)
    assert not (first.to_woo and first.to_vtiger)
    woo, vtiger = first.to_woo.get("city", woo), first.to_vtiger.get("city", vtiger)
    after = next_base(
        base, first, woo_after=Mapped({"city": woo}), vtiger_after=Mapped({"city": vtiger})
    )
    second = run(woo, vtiger, base=after, rule=rule, direction=direction, policy=policy)
    assert (second.to_woo, second.to_vtiger) == ({}, {})
    assert all(conflict.winner is None for conflict in second.conflicts)


@pytest.mark.parametrize("keep", [WOO, VTIGER])
@pytest.mark.parametrize("policy", [ConflictPolicy.ASK, ConflictPolicy.WOOCOMMERCE_WINS])
def test_a_persons_word_comes_before_the_policy(keep: System, policy: ConflictPolicy) -> None:
    merged = run("Lyon", "Nice", policy=policy, decided={"city": Decision(keep, "Lyon", "Nice")})
    assert merged.conflicts == (Conflict("city", "Lyon", "Nice", keep),)
    assert merged.to_vtiger == ({"city": "Lyon"} if keep is WOO else {})
    assert merged.to_woo == ({"city": "Nice"} if keep is VTIGER else {})


@pytest.mark.parametrize(("woo", "vtiger"), [("Lille", "Nice"), ("Lyon", "Metz"), ("Nice", "Lyon")])
def test_a_persons_word_holds_for_the_values_that_were_seen_alone(woo: str, vtiger: str) -> None:
    decided = {"city": Decision(WOO, "Lyon", "Nice")}
    merged = run(woo, vtiger, policy=ConflictPolicy.ASK, decided=decided)
    assert merged == Merge(conflicts=(Conflict("city", woo, vtiger, None),))


def test_a_direction_comes_before_a_persons_word() -> None:
    decided = {"city": Decision(VTIGER, "Lyon", "Nice")}
    merged = run("Lyon", "Nice", direction=Direction.WOO_TO_VTIGER, decided=decided)
    assert (merged.to_woo, merged.to_vtiger) == ({}, {"city": "Lyon"})


COUNTRY = FieldRule("country", ("billing.country",), "mailingcountry", transform="country")
STATE = FieldRule("state", ("billing.state",), "mailingstate", transform="state", given="country")
REFUSED = {"state": Agreed("", "Nowhere"), "country": Agreed("JP", "JP")}
"""A state of the CRM that the shop does not list for its country."""


def placed(
    woo: tuple[str, str],
    vtiger: tuple[str, str],
    *,
    base: Mapping[str, Agreed] = REFUSED,
    direction: Direction = Direction.BOTH,
    state: FieldRule = STATE,
    policy: ConflictPolicy = ConflictPolicy.ASK,
) -> Merge:
    """The merge of two sides, each a country and a state."""
    return merge(
        base,
        Mapped({"country": woo[0], "state": woo[1]}),
        Mapped({"country": vtiger[0], "state": vtiger[1]}),
        rules=(state, COUNTRY),
        direction=direction,
        policy=policy,
        newer=VTIGER,
    )


@pytest.mark.parametrize(
    ("woo", "vtiger"), [("JP", "FR"), ("FR", "JP"), ("FR", "FR"), ("JP", ""), ("", "JP")]
)
def test_value_that_was_refused_is_written_once_the_field_it_depends_on_admits_it(
    woo: str, vtiger: str
) -> None:
    merged = placed((woo, ""), (vtiger, "Nowhere"))
    assert merged.to_woo["state"] == "Nowhere"
    assert merged.seen["state"] == REFUSED["state"]
    assert merged.reopened == {"state": Agreed("", "")}
    assert (merged.to_vtiger.get("state"), merged.conflicts) == (None, ())


def test_value_that_was_refused_for_an_unknown_country_is_written_with_a_known_one() -> None:
    base = {**REFUSED, "country": Agreed("", "Narnia")}
    assert placed(("", ""), ("Narnia", "Nowhere"), base=base) == Merge()
    assert placed(("FR", ""), ("Narnia", "Nowhere"), base=base).to_woo == {"state": "Nowhere"}
    both = {"country": "FR", "state": "Nowhere"}
    assert placed(("", ""), ("FR", "Nowhere"), base=base).to_woo == both


@pytest.mark.parametrize(
    ("woo", "vtiger", "choices"),
    [
        (("JP", ""), ("JP", "Nowhere"), {}),
        (("DE", ""), ("JP", "Nowhere"), {}),
        (("FR", ""), ("JP", "Nowhere"), {"direction": Direction.WOO_TO_VTIGER}),
        (
            ("FR", "Var"),
            ("JP", "Nowhere"),
            {
                "base": {**REFUSED, "state": Agreed("Var", "Nowhere")},
                "state": replace(STATE, write=WriteCondition.IF_EMPTY),
            },
        ),
        (("FR", ""), ("IT", "Nowhere"), {}),
    ],
    ids=["same", "refuses", "one way", "condition", "country in conflict"],
)
def test_value_that_was_refused_is_left_alone_otherwise(
    woo: tuple[str, str], vtiger: tuple[str, str], choices: dict[str, Any]
) -> None:
    merged = placed(woo, vtiger, **choices)
    assert "state" not in merged.to_woo | merged.to_vtiger
    assert merged.reopened == {}


def test_value_that_differs_for_another_reason_is_not_written_for_a_new_country() -> None:
    base = {"state": Agreed("&amp;amp;", ""), "country": Agreed("JP", "JP")}
    merged = placed(("FR", "&amp;amp;"), ("JP", ""), base=base)
    assert (merged.to_woo, merged.to_vtiger) == ({}, {"country": "FR"})


def test_country_that_is_decided_later_admits_what_the_country_in_conflict_refused() -> None:
    base = {**REFUSED, "country": Agreed("FR", "FR")}
    sides = ("JP", ""), ("GB", "Nowhere")
    assert placed(*sides, base=base) == Merge(conflicts=(Conflict("country", "JP", "GB", None),))
    merged = placed(*sides, base=base, policy=ConflictPolicy.VTIGER_WINS)
    assert merged.to_woo == {"country": "GB", "state": "Nowhere"}


def test_edit_of_the_shop_stands_against_a_value_that_was_refused() -> None:
    merged = placed(("FR", "Var"), ("JP", "Nowhere"))
    assert (merged.to_woo, merged.conflicts) == ({}, ())
    assert merged.to_vtiger == {"country": "FR", "state": "Var"}
