"""What the end of a record does to its partner: nothing, unless the settings say otherwise."""

import pytest

from app.domain import NotFound, Outcome
from tests.world import World

pytestmark = pytest.mark.anyio


async def _pair(world: World, email: str = "zoe@shop.example") -> tuple[str, str]:
    customer_id = await world.customer(email, last_name="Müller")
    await world.settle()
    await world.forget_log()
    link = next(link for link in await world.links() if link.woo_id == customer_id)
    return customer_id, link.vtiger_id


async def test_a_deleted_customers_contact_stays(world: World) -> None:
    customer_id, contact_id = await _pair(world)
    world.delete_customer(customer_id)
    await world.settle()

    assert world.get_contact(contact_id)["lastname"] == "Müller"
    assert await world.told() == [("vtiger", "skipped", "delete_ignored")]
    assert (await world.links())[0].woo_deleted_at is not None


async def test_a_deleted_customers_contact_goes_where_the_setting_says_so(world: World) -> None:
    await world.set_policy(delete_policy="propagate")
    customer_id, contact_id = await _pair(world)
    world.delete_customer(customer_id)
    await world.settle()

    assert world.contacts() == []
    [row] = await world.log()
    assert (row.target, row.outcome, row.target_id) == ("vtiger", "deleted", contact_id)


async def test_a_deleted_contacts_customer_stays(world: World) -> None:
    """The CRM tells nobody; the customer's next hint shows it."""
    customer_id, contact_id = await _pair(world)
    world.sandbox.crm.ui_delete(contact_id)
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.settle()

    assert await world.told() == [("vtiger", "skipped", "delete_ignored")]
    assert world.contacts() == []


async def test_a_deleted_contacts_customer_goes_where_the_setting_says_so(world: World) -> None:
    await world.set_policy(delete_policy="propagate")
    customer_id, contact_id = await _pair(world)
    world.sandbox.crm.ui_delete(contact_id)
    world.later(seconds=30)
    await world.settle_again()

    assert ("woocommerce", "deleted", None) in await world.told()
    with pytest.raises(NotFound):
        await world.get_customer(customer_id)


async def test_a_deletion_that_nobody_told_of_is_seen_from_the_other_record(world: World) -> None:
    await world.set_policy(delete_policy="propagate")
    customer_id, contact_id = await _pair(world)
    world.sandbox.shop.users.remove(world.sandbox.shop.customers.get(int(customer_id)))
    await world.edit_contact(contact_id, phone="1")
    await world.settle()

    assert await world.told() == [("vtiger", "deleted", None)]
    assert world.contacts() == []


async def test_a_deletion_that_was_left_alone_stays_so(world: World) -> None:
    customer_id, contact_id = await _pair(world)
    world.delete_customer(customer_id)
    await world.settle()
    await world.set_policy(delete_policy="propagate")
    await world.edit_contact(contact_id, phone="1")
    await world.settle()

    assert world.get_contact(contact_id)["phone"] == "1"


async def test_a_deletion_in_the_way_of_the_direction_is_not_carried_over(world: World) -> None:
    customer_id, contact_id = await _pair(world)
    await world.set_policy(delete_policy="propagate", direction="vtiger_to_woo")
    world.delete_customer(customer_id)
    await world.settle()

    assert world.get_contact(contact_id)["lastname"] == "Müller"


async def test_what_is_gone_on_both_sides_ends_as_deleted(world: World) -> None:
    await world.set_policy(delete_policy="propagate")
    customer_id, contact_id = await _pair(world)
    world.sandbox.crm.ui_delete(contact_id)
    world.delete_customer(customer_id)
    await world.settle()

    assert await world.told() == [("vtiger", "deleted", None)]


async def test_a_deletion_whose_answer_was_lost_ends_as_deleted(world: World) -> None:
    await world.set_policy(delete_policy="propagate")
    customer_id, _ = await _pair(world)
    world.sandbox.crm_faults.drop("POST", "operation=delete", after_write=True)
    world.delete_customer(customer_id)
    await world.settle()

    assert await world.told() == [("vtiger", "deleted", None)]


async def test_a_deletion_that_is_not_true_deletes_nothing(world: World) -> None:
    """A hint is believed only after a look."""
    await world.set_policy(delete_policy="propagate")
    customer_id, contact_id = await _pair(world)
    world.sandbox.shop.webhooks.emit("customer.deleted", int(customer_id))
    await world.settle()

    assert world.get_contact(contact_id)["lastname"] == "Müller"
    assert {outcome for _, outcome, _ in await world.told()} == {"unchanged"}


async def test_a_brake_stops_a_wave_of_deletions(world: World) -> None:
    await world.set_policy(delete_policy="propagate")
    ids = [await world.customer(f"p{number}@shop.example", last_name="P") for number in range(12)]
    await world.settle()
    await world.forget_log()
    for customer_id in ids:
        world.delete_customer(customer_id)
    await world.settle()

    told = await world.told()
    assert told.count(("vtiger", "skipped", "delete_brake")) == 7
    assert len(world.contacts()) == 7


async def test_a_customer_that_was_never_paired_may_go(world: World) -> None:
    world.sandbox.shop.customers.register("new@shop.example", role="customer")
    world.sandbox.shop.customers.delete(2)
    await world.settle()

    assert {each[1:] for each in await world.told()} == {("skipped", "not_found")}


async def test_a_customer_made_again_takes_the_contact_that_is_left(world: World) -> None:
    customer_id, contact_id = await _pair(world)
    world.delete_customer(customer_id)
    await world.settle()
    again = await world.customer("zoe@shop.example", last_name="Müller", first_name="Zoë")
    await world.settle()

    [link] = await world.links()
    assert (link.woo_id, link.vtiger_id) == (again, contact_id)
    assert (await world.people()).faults() == []


async def test_a_contact_made_again_takes_the_customer_that_is_left(world: World) -> None:
    customer_id, contact_id = await _pair(world)
    world.sandbox.crm.ui_delete(contact_id)
    again = await world.contact(lastname="Müller", email="zoe@shop.example", phone="5")
    await world.settle()

    [link] = await world.links()
    assert (link.woo_id, link.vtiger_id) == (customer_id, again)
    assert (await world.people()).faults() == []


async def test_a_late_body_does_not_bring_a_deleted_customer_back(world: World) -> None:
    customer_id, _ = await _pair(world)
    world.later()
    world.edit_customer(customer_id, billing={"city": "Lyon"})
    await world.sandbox.shop.webhooks.flush()
    body = world.sent()[-1]
    await world.settle()
    world.delete_customer(customer_id)
    await world.settle()
    await world.send(body)
    await world.settle()

    [link] = await world.links()
    assert link.woo_deleted_at is not None
    assert [row.reason for row in await world.log(Outcome.SKIPPED)] == ["delete_ignored"] * 2


async def test_a_late_body_makes_no_contact_for_a_customer_that_is_gone(world: World) -> None:
    await world.customer("zoe@shop.example", last_name="Müller")
    await world.sandbox.shop.webhooks.flush()
    created = world.sent()[0]
    await world.forget_hints()
    world.delete_customer("2")
    await world.send(created)
    await world.settle()

    assert world.contacts() == []


async def test_there_is_no_inactive_contact(world: World) -> None:
    await world.set_policy(delete_policy="deactivate")
    customer_id, contact_id = await _pair(world)
    world.delete_customer(customer_id)
    await world.settle()

    assert world.get_contact(contact_id)["lastname"] == "Müller"
    assert await world.told() == [("vtiger", "skipped", "delete_ignored")]
