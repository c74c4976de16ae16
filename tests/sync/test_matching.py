"""Records that exist already become pairs, and nobody's record is taken for somebody else's."""

import pytest

from tests.world import World

pytestmark = pytest.mark.anyio


async def test_people_who_are_in_both_systems_become_a_pair(world: World) -> None:
    contact_id = await world.contact(lastname="Byron", email="ada@both.example", phone="1")
    customer_id = await world.customer("ADA@both.example", first_name="Ada")
    await world.settle()

    [link] = await world.links()
    assert (link.woo_id, link.vtiger_id) == (customer_id, contact_id)
    assert len(world.contacts()) == 1
    assert (await world.people()).faults() == []


async def test_two_contacts_with_one_email_are_left_alone(world: World) -> None:
    for name in ("Older", "Newer"):
        await world.contact(lastname=name, email="ada@both.example")
    world.traffic.reset()
    await world.customer("ada@both.example", last_name="Byron")
    await world.settle()

    assert ("vtiger", "skipped", "ambiguous_match") in await world.told()
    assert len(world.contacts()) == 2


async def test_the_oldest_is_taken_where_the_setting_says_so(world: World) -> None:
    world.sandbox.crm.workflows.callbacks.clear()
    await world.set_policy(ambiguous_match="oldest")
    oldest = await world.contact(lastname="Older", email="ada@both.example")
    world.later()
    await world.contact(lastname="Newer", email="ada@both.example")
    await world.customer("ada@both.example", last_name="Byron")
    await world.settle()

    assert [link.vtiger_id for link in await world.links()] == [oldest]


async def test_an_accent_makes_another_address(world: World) -> None:
    """The CRM's `=` takes é for e; we do not."""
    await world.contact(lastname="Other", email="rene@both.example")
    await world.settle()
    await world.contact(lastname="Accent", email="rené@both.example")
    await world.settle()

    assert len(await world.links()) == 1


async def test_a_second_contact_of_a_paired_customer_is_told_not_taken(world: World) -> None:
    await world.customer("ada@both.example", last_name="Byron")
    await world.settle()
    await world.forget_log()
    await world.contact(lastname="Double", email="ada@both.example")
    await world.settle()

    assert await world.told() == [("woocommerce", "skipped", "ambiguous_match")]
    assert len(await world.links()) == 1


async def test_a_copy_of_a_contact_that_carries_our_id_is_not_taken(world: World) -> None:
    customer_id = await world.customer("ada@both.example", last_name="Byron")
    await world.settle()
    await world.contact(lastname="Copy", email="ada@both.example", cf_853=customer_id)
    await world.settle()

    [link] = await world.links()
    assert world.get_contact(link.vtiger_id)["lastname"] == "Byron"


async def test_an_id_of_a_cloned_shop_is_not_believed(world: World) -> None:
    """Customer and contact carry numbers that mean others: e-mail decides."""
    other = await world.customer("other@shop.example", last_name="Other")
    await world.contact(lastname="Somebody", email="somebody@crm.example", cf_853=other)
    wrong = world.contacts()[0]["id"]
    await world.customer(
        "ada@both.example",
        last_name="Byron",
        meta_data=[{"key": "vtiger_id", "value": wrong}],
    )
    await world.settle()

    assert (await world.people()).faults() == []
    assert len(await world.links()) == 3


async def test_a_contact_whose_customer_was_deleted_gets_no_account_again(world: World) -> None:
    """The link was lost with the database; our id field tells of the customer."""
    await world.contact(lastname="Gone", email="gone@crm.example", cf_853="77")
    await world.settle()

    [row] = await world.log()
    assert (row.outcome, row.reason) == ("skipped", "delete_ignored")
    assert "WooCommerce 77" in (row.message or "")
    assert await world.links() == []


async def test_a_pair_that_carries_each_others_ids_is_known_by_them(world: World) -> None:
    """The links were lost with the database; e-mails differ meanwhile."""
    customer_id = await world.customer("ada@both.example", last_name="Byron")
    await world.settle()
    [link] = await world.links()
    await world.forget_links()
    world.edit_customer(customer_id, email="countess@both.example")
    await world.settle()

    [found] = await world.links()
    assert (found.woo_id, found.vtiger_id) == (link.woo_id, link.vtiger_id)
    assert (await world.people()).faults() == []


async def test_users_of_other_roles_are_left_alone(world: World) -> None:
    world.sandbox.shop.customers.register("staff@shop.example", role="editor")
    await world.settle()

    assert await world.told() == [("vtiger", "skipped", "filtered")]
    assert world.contacts() == []


async def test_a_contact_with_an_administrators_address_is_left_alone(world: World) -> None:
    await world.contact(lastname="Admin", email="admin@shop.example")
    await world.settle()

    assert await world.told() == [("woocommerce", "skipped", "filtered")]
    assert world.traffic.writes == {}


async def test_roles_that_the_setting_names_are_synced(world: World) -> None:
    await world.set_policy(roles=("customer", "editor"))
    world.sandbox.shop.customers.register("staff@shop.example", role="editor")
    await world.settle()

    assert [contact["email"] for contact in world.contacts()] == ["staff@shop.example"]


async def test_neither_of_two_contacts_with_one_email_makes_a_customer(world: World) -> None:
    for name in ("Older", "Newer"):
        await world.contact(lastname=name, email="ada@both.example")
    await world.settle()

    assert set(await world.told()) == {("woocommerce", "skipped", "ambiguous_match")}
    assert world.traffic.writes == {}


async def test_the_oldest_of_two_contacts_makes_the_customer_if_so_set(world: World) -> None:
    await world.set_policy(ambiguous_match="oldest")
    oldest = await world.contact(lastname="Older", email="ada@both.example")
    world.later()
    await world.contact(lastname="Newer", email="ada@both.example")
    await world.settle()

    assert [link.vtiger_id for link in await world.links()] == [oldest]
    assert world.traffic.writes["POST customers"] == 1
