"""What orders rest on in Vtiger and no shop has: a placeholder product, a fee service, a contact.

Made once, before any order needs them and never in the middle of one; found again by a name that
is fixed, so that a lost database or a second service makes no second one.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from app.db.session import transaction
from app.errors import LeaseLost, RemoteError, Waiting
from app.links.leases import PairLease, hold_turn
from app.links.orders import get_setup, save_setup
from app.policies.repository import get_policy
from app.policies.schemas import SyncPolicy
from app.records import GuestPolicy, Module
from app.runtime import Runtime
from app.vtiger.query import Query, equals

log = logging.getLogger(__name__)

TURN = "upkeep:setup"
PLACEHOLDER = "placeholder"
FEE_SERVICE = "fee_service"
GUEST_CONTACT = "guest_contact"
PLACEHOLDER_CODE = "WC-PLACEHOLDER"

NOT_READY = (
    "Vtiger's {names} for orders is not there yet: a worker makes it when it starts, and with "
    "every poll."
)


@dataclass(frozen=True, slots=True)
class Piece:
    """One record: `name` in `field` is what it is found by; `needed` by which order settings."""

    key: str
    module: str
    field: str
    name: str
    fields: Mapping[str, str]
    needed: Callable[[SyncPolicy], bool]


PIECES = (
    Piece(
        PLACEHOLDER,
        "Products",
        "productcode",
        PLACEHOLDER_CODE,
        {"productname": "WooCommerce product unknown to Vtiger", "discontinued": "1"},
        lambda policy: policy.enabled,
    ),
    Piece(
        FEE_SERVICE,
        "Services",
        "servicename",
        "WooCommerce fee",
        {"discontinued": "1"},
        lambda policy: policy.enabled,
    ),
    Piece(
        GUEST_CONTACT,
        "Contacts",
        "lastname",
        "WooCommerce guests",
        {},
        lambda policy: policy.enabled and policy.guests is GuestPolicy.ONE_CONTACT,
    ),
)


async def ensure_setup(runtime: Runtime) -> Mapping[str, str]:
    """Find or make what the settings of the stores' orders need; the Vtiger ids by key.

    Idempotent; one process at a time, another's turn leaves it as it is. Raises the RemoteError
    tree.
    """
    wanted = await _wanted(runtime)
    seconds = runtime.settings.worker.lease_seconds
    try:
        async with hold_turn(runtime.sessions, TURN, owner=uuid4().hex, seconds=seconds) as lease:
            made = {piece.key: await _find_or_create(runtime, piece, lease) for piece in wanted}
            if made:
                async with transaction(runtime.sessions) as session:
                    await lease.confirm(session)
                    await save_setup(session, made)
    except LeaseLost:
        log.debug("another worker sets Vtiger up")
        return await setup_ids(runtime)
    if made:
        runtime.memory.forget(TURN)
    return await setup_ids(runtime)


async def missing_pieces(runtime: Runtime) -> list[str]:
    """What is needed and was not made, or not found, yet."""
    ids = await setup_ids(runtime)
    return [piece.key for piece in await _wanted(runtime) if piece.key not in ids]


async def prepare(runtime: Runtime) -> None:
    """The same for upkeep: what fails is told and tried again with the next round."""
    try:
        await ensure_setup(runtime)
    except RemoteError as error:
        log.warning("Vtiger could not be set up for orders: %s", error.summary)


async def _wanted(runtime: Runtime) -> list[Piece]:
    async with runtime.sessions() as session:
        policies = [
            await get_policy(session, store, Module.SALES_ORDERS) for store in runtime.stores
        ]
    return [piece for piece in PIECES if any(piece.needed(policy) for policy in policies)]


async def _find_or_create(runtime: Runtime, piece: Piece, lease: PairLease) -> str:
    where = (equals(piece.field, piece.name),)
    query = Query(piece.module, ("id", piece.field), where, order_by="id")
    found = await runtime.vtiger.query(query)
    exact = [record.id for record in found if record.get(piece.field) == piece.name]
    if exact:
        return exact[0]
    lease.check()
    fields = {**piece.fields, piece.field: piece.name}
    return (await runtime.vtiger.create(piece.module, fields)).id


async def setup_ids(runtime: Runtime) -> Mapping[str, str]:
    """The Vtiger ids of what was made, by key."""
    async with runtime.sessions() as session:
        return await get_setup(session)


async def get_orders_setup(runtime: Runtime, policy: SyncPolicy) -> Mapping[str, str]:
    """The same for an order that is about to need them. Waiting while one is missing."""
    ids = await runtime.memory.get(TURN, lambda: setup_ids(runtime))
    missing = [piece.key for piece in PIECES if piece.needed(policy) and piece.key not in ids]
    if missing:
        runtime.memory.forget(TURN)
        raise Waiting(NOT_READY.format(names=" and ".join(missing).replace("_", " ")))
    return ids
