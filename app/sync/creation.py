"""Making the twin of a record, so that a broken call or a crash never makes it twice.

The intent is written down before the call and stays until the outcome is logged. Where the add-on
writes in Vtiger, the call carries the intent's token as its key: whoever comes after a crash asks
by it, or sends it again, and nothing is made twice. Elsewhere it looks first, and knows that what
it finds may be ours. Architecture, "Exactly one effect"; decision 24.
"""

from dataclasses import replace

from app.db.session import transaction
from app.errors import RemoteError, RemoteUnavailable, System, WooVtigerError
from app.links.leases import PairLease
from app.links.models import Link
from app.links.repository import close_intent, open_intent, renew_intent
from app.mapping.bases import write_base
from app.mapping.values import Agreed
from app.records import Outcome, Record
from app.runtime import Runtime
from app.sync.agreement import vanished
from app.sync.keys import takes_key
from app.sync.marks import leave_ids
from app.sync.match import new_link
from app.sync.outcome import Result, describe_changes, describe_notes, skipped, with_headline
from app.sync.sides import Adapter, Side, Written
from app.sync.stamps import stamp_read, stamp_written
from app.sync.work import Ending, Work
from app.vtiger.batches import new_key


async def create(work: Work, source: Side) -> Ending | Side:
    """The twin is made; a Side is one that was there already, though no look had found it."""
    keyed = await takes_key(work.runtime, work.target, work.adapter.module)
    await _wait_for_broken_call(work, keyed=keyed)
    async with transaction(work.runtime.sessions) as session:
        await work.lease.confirm(session)
        natural = ",".join(work.adapter.natural_keys(source))
        key = await open_intent(session, work.record, natural, token=new_key() if keyed else None)
    work.lease.check()
    try:
        written = await work.adapter.create(work.target, source, key or "")
    except WooVtigerError as error:
        await note_failure(work.runtime, work.record, lease=work.lease, error=error)
        raise
    if isinstance(written, Written):
        return await _created(work, source, written)
    async with transaction(work.runtime.sessions) as session:
        await work.lease.confirm(session)
        await close_intent(session, work.record)
    if isinstance(written, Side):
        return written
    return Ending(skipped(work.target, source.id, written, label=source.label))


async def note_failure(
    runtime: Runtime, record: Record, *, lease: PairLease, error: WooVtigerError
) -> None:
    """A create that surely did not happen leaves nothing; one that may have is looked for from
    now on, for it may show itself late. What followed one that did changes nothing.

    LeaseLost if the intent is another worker's by now.
    """
    if error.made:
        return
    async with transaction(runtime.sessions) as session:
        await lease.confirm(session)
        if isinstance(error, RemoteError) and error.ambiguous:
            await renew_intent(session, record)
        else:
            await close_intent(session, record)


async def _wait_for_broken_call(work: Work, *, keyed: bool) -> None:
    """An earlier create may still be under way over there: give it time to show itself. One that
    is sent again with its key need not wait: what is under way is waited for over there."""
    found = await work.find_begun()
    wait = work.runtime.settings.sync.ambiguous_wait_seconds
    if found is not None and found[1] < wait and not (keyed and found[0].token):
        raise RemoteUnavailable(
            work.target, "an earlier create had no answer; looking again before repeating it"
        )


async def _created(work: Work, source: Side, written: Written) -> Ending:
    """The link is kept the moment the answer arrives; then the source learns the new id."""
    link = await work.keep(paired(work.adapter, work.record.store, source, written=written))
    ending = Ending(told_as_created(work.adapter, source, written), link)
    return await leave_ids(work, ending, source)


def paired(adapter: Adapter, store: str, source: Side, *, written: Written) -> Link:
    """The link of a record with the twin that was made of it."""
    link = new_link(store, adapter.module, source, written.after.id)
    link.made_in = written.after.system
    link.base = write_base(_first_base(adapter, source, written), adapter.rules)
    stamp_read(link, source)
    stamp_written(link, written.after)
    return link


def _first_base(adapter: Adapter, source: Side, written: Written) -> dict[str, Agreed]:
    """What the source held beside what the target made of it.

    A field that was not sent counts as empty in the target: what a default or a workflow put
    there is an edit of the target and goes back to the source.
    """
    base = {}
    for rule in adapter.rules:
        mine, theirs = source.values.get(rule.name), written.after.values.get(rule.name)
        if not mine and theirs and rule.name not in written.unwritten:
            theirs = ""
        woo = source.system is System.WOOCOMMERCE
        if rule.custom and None in (mine, theirs):
            continue
        base[rule.name] = Agreed(mine, theirs) if woo else Agreed(theirs, mine)
    return base


def told_as_created(adapter: Adapter, source: Side, written: Written) -> Result:
    target = source.system.other
    wanted = {
        rule.name: value
        for rule in adapter.rules
        if (value := source.values.get(rule.name)) and rule.direction.allows(target)
    }
    gone = [
        vanished(rule.name, target, wanted[rule.name])
        for rule in adapter.rules
        if rule.custom and rule.name in wanted and written.after.values.get(rule.name) is None
    ]
    left_out = written.unwritten | {note.field for note in gone}
    values = {name: value for name, value in wanted.items() if name not in left_out}
    notes = [*written.notes, *gone]
    told = replace(
        Result(target, Outcome.CREATED, source.id, written.after.id),
        label=source.label,
        changes=describe_changes(None, values, source.system),
        notes=describe_notes(notes),
    )
    return with_headline(told, notes)
