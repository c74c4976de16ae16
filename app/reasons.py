"""Every reason code of the sync log in plain words, and what to do about it: told once, here.

python -m app.reasons > docs/reason-codes.md"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """What a code means, and what a person can do; both are whole sentences."""

    meaning: str
    remedy: str


_NOTHING = "Nothing to do."

REASONS: Mapping[str, Reason] = {
    "echo": Reason("The hint was told of our own last write, which came back as agreed.", _NOTHING),
    "no_difference": Reason("Both systems hold the same already.", _NOTHING),
    "direction_off": Reason(
        "The setting `direction` of this module, or of a row of its mapping, does not let this "
        "side write to the other. Of a pair the notes name the fields that differ.",
        "Set `direction` to `both`, or to the way this record should go, if it is meant to.",
    ),
    "creation_off": Reason(
        "The record is not in the shop, and the setting `create_in_shop` of its module does not "
        "have it made there: a new customer would get an account, and a mail of the shop's.",
        "Nothing to do if the shop should not have it. Otherwise tick the box *Create in "
        "WooCommerce* in Vtiger, or change `create_in_shop`; then start a sync run.",
    ),
    "other_shop": Reason(
        "The record came into Vtiger from another shop, and what came from one shop is not made in "
        "another unless `from_other_shops` says so.",
        "Nothing to do if this shop should not have it. Otherwise set `from_other_shops` of its "
        "module, then start a sync run.",
    ),
    "module_off": Reason(
        "The module is switched off for this store.",
        "Switch it on in the module's settings, then replay the delivery or start a sync run.",
    ),
    "filtered": Reason(
        "The record, or a field of it, is of a kind that is left out: another shop's, a role, a "
        "status or a topic that no setting asks for; the message says which.",
        "Change the filter that the message names if the record should be synced, then replay.",
    ),
    "draft": Reason(
        "The record is a draft: nobody has placed the order or saved the product yet.",
        "Nothing to do: it is synced once it is placed or saved.",
    ),
    "missing_required_field": Reason(
        "The other system cannot be without a value that this record does not have.",
        "Fill in the field that the message names; the record is synced with that change.",
    ),
    "ambiguous_match": Reason(
        "More than one record matches, or the one that matches is another's pair already, so that "
        "the right one cannot be told.",
        "Merge the records that the message names, or give them different e-mails or SKUs; or set "
        "`ambiguous_match` to `oldest`. Then replay.",
    ),
    "not_found": Reason(
        "The record, or the one it refers to, is not there: deleted, or hidden from the API user.",
        "Nothing to do if it was deleted. If it exists, give the API user or key the right to see "
        "it, then replay.",
    ),
    "unknown_product": Reason(
        "A line of the order has a product that the other system does not have and that could not "
        "be synced.",
        "See what the log tells of that product (a SKU that clashes, a filter, a deletion) and "
        "mend it: the order is looked at again by itself once the product is synced. Until then "
        "the line is on the placeholder product; in the other direction the lines wait.",
    ),
    "currency_unavailable": Reason(
        "The currency is not active in Vtiger, or is another than that of the product's price.",
        "Add or activate the currency in Vtiger (Settings, Currencies), then replay.",
    ),
    "tax_unavailable": Reason(
        "A tax of the order could not be shown on its lines in Vtiger. The total is exact all the "
        "same: the adjustment carries that tax.",
        "Let the module taxes sync this rate, or make a Vtiger tax with the label and percentage "
        "that the message names, then sync the order again.",
    ),
    "adjustment": Reason(
        "The adjustment of the Vtiger order carries more than rounding, so that its total is the "
        "shop's; or Vtiger made another total than the shop's.",
        "Nothing to do where the message explains the amount (a negative fee). Otherwise compare "
        "the two orders and the taxes of their products.",
    ),
    "total_differs": Reason(
        "WooCommerce works out tax by its own rates and made another total than Vtiger's order "
        "has.",
        "Compare the tax rates of both systems; or set `order_total` to `adjust`, which evens "
        "the total out with a fee line.",
    ),
    "value_too_long": Reason(
        "A text is longer than the other system keeps; by the setting `too_long` it was cut or "
        "left out. The rest of the record is synced.",
        "Shorten the text at its source, or choose the other value of `too_long`.",
    ),
    "not_integer": Reason(
        "WooCommerce takes whole numbers only for stock and quantities, and this one has a "
        "fraction.",
        "Round the quantity in Vtiger. The rest of the record is synced.",
    ),
    "wrong_type": Reason(
        "A row that you added to the mapping cannot carry this value: it is no number, no day, or "
        "not in the row's table.",
        "Change the value as the message tells, or the row: another transform, or one more pair "
        "in its table. The rest of the record is synced.",
    ),
    "unknown_place": Reason(
        "Vtiger's text is no country, or no state of its country, that the shop knows. It was not "
        "sent: the shop's taxes and shipping zones go by its own codes.",
        "Write the country or state in Vtiger by a name or code that the shop lists (under "
        "WooCommerce, Settings, General). The rest of the record is synced.",
    ),
    "field_vanished": Reason(
        "A field that you mapped is gone from the system that should get the value: it was "
        "removed there, or hidden from the API user.",
        "Give the field back or let the API user see it; or map another field, or switch the row "
        "off. Both values stay as they are, and the rest of the record is synced.",
    ),
    "unsafe_in_vtiger": Reason(
        "Vtiger would change, erase or refuse this value, so it was not sent as it is.",
        "Change the value as the message tells, or make the change in Vtiger by hand. The rest "
        "of the record is synced.",
    ),
    "needs_addon": Reason(
        "This version of Vtiger (8.3, 8.4) refuses orders that are written with their lines over "
        "its own web service, and ruins those that are changed or deleted so. The order, or what "
        "changed of its lines, was not sent.",
        "Install the add-on WooSync 2.0 in Vtiger (its zip is on the page Status), or update an "
        "older one: it writes orders on every version. The order is written by itself then, and "
        "also once Vtiger has another version.",
    ),
    "missing_reference": Reason(
        "The record was written without another one that it names (an order without its buyer), "
        "for that one could not be synced.",
        "See what the log tells of the one that is named, and mend that. The record is looked at "
        "again by itself as soon as the other is synced.",
    ),
    "replaced": Reason(
        "The contact of this pair is gone from Vtiger: somebody merged it into another one, or "
        "deleted it. The pair went over to the contact that took its place; or later orders name "
        "that one, which has a pair of its own; or the contact was made again for an order.",
        "Nothing to do, unless the message names the wrong contact: then put the right e-mail on "
        "the right one.",
    ),
    "unsafe_in_woocommerce": Reason(
        "WooCommerce would change, erase or refuse this value, so it was not sent.",
        "Change the value in Vtiger as the message tells. The rest of the record is synced.",
    ),
    "unreadable": Reason(
        "A record, or what was sent of it, is not what its system's API promises: no plain number "
        "where an amount is, text where a list is, a delivery that names no record. What it says "
        "cannot be known, so nothing was written. In `notes`: rows of a list that are no objects "
        "were left out, and all else was synced.",
        "Look at the field that the message names: a plug-in, an import or an add-on wrote or "
        "filtered it. Mend it there; the record is synced with that change, or replay it.",
    ),
    "wrong_record": Reason(
        "The system was asked for one record by its id and answered with another one, so nothing "
        "of the answer was believed or written.",
        "Look for what stands between: a cache in front of the API (nothing below `/wp-json/` or "
        "`webservice.php` may be cached), or a plug-in that gives a translation or a copy of the "
        "record. Then replay.",
    ),
    "rejected_by_remote": Reason(
        "The other system refused the record for what is in it; sending it again would change "
        "nothing.",
        "Read the system's own words in the message, mend the record or the system's settings "
        "(mandatory fields, rights), then replay.",
    ),
    "conflict_lost": Reason(
        "Both sides changed the same field. The setting `conflict_policy` chose one value; the "
        "other is kept in this entry.",
        "If the other value is right, enter it once more. `conflict_policy` decides who wins.",
    ),
    "conflict_open": Reason(
        "Both sides changed the same field, and `conflict_policy` says that a person decides. The "
        "other fields are synced.",
        "Choose the value that is right; the record is then brought into agreement.",
    ),
    "delete_ignored": Reason(
        "A record was deleted on one side, and `delete_policy` leaves the other side alone. The "
        "pair is marked and not synced any more.",
        "Restore the record to go on syncing the pair, delete the other one by hand, or set "
        "`delete_policy` to `deactivate` or `propagate`.",
    ),
    "delete_brake": Reason(
        "More deletions came than the brake lets through at a time, so this one was not carried "
        "over.",
        "If the deletions are meant, confirm them (`woo-vtiger deletions --confirm`), or replay "
        "them when an hour has passed. If not, restore the records where they were deleted.",
    ),
    "waiting_for_run": Reason(
        "Many hints of new records wait, and a sync run is about to bring these very records, many "
        "at a time.",
        "Nothing to do: they are settled by the run, or tried as soon as it has gone past.",
    ),
    "waiting_for_dependency": Reason(
        "Another record has to be synced first, or another worker has this pair in hand.",
        "Nothing to do: the delivery goes on as soon as that record is settled. If it waits for "
        "long, the log and the deliveries of the record that its last error names tell why.",
    ),
    "remote_unavailable": Reason(
        "The system could not be reached, or failed while it worked. It is tried again, at longer "
        "and longer intervals.",
        "Look whether the system runs and can be reached from the service.",
    ),
    "rate_limited": Reason(
        "The system asked for fewer requests. It is tried again when it said, or later.",
        "Nothing to do; if it happens all the time, lower the number of requests at a time.",
    ),
    "auth_rejected": Reason(
        "The system refused the credentials. It is tried again, at longer and longer intervals.",
        "Check the key or access key in the settings and its user's rights, then restart the "
        "service.",
    ),
    "timeout": Reason(
        "The system gave no answer in time. Before anything is written again, the service looks "
        "whether the first try had succeeded.",
        "Look at the load of the system. A longer time-out in the settings helps a slow one.",
    ),
    "attempts_exhausted": Reason(
        "The record was tried again and again until `SYNC__RETRY_BUDGET` was used up; the message "
        "has the last error.",
        "Mend what the last error names, then replay the dead delivery.",
    ),
    "invalid_input": Reason(
        "What was sent to the service cannot be understood.",
        "Correct the part that the message names and send it again.",
    ),
    "overtaken": Reason(
        "What a request rests on is not so any more: somebody, or a sync, was quicker.",
        "Look at the record as it is now, and ask again if it is still needed.",
    ),
    "bug": Reason(
        "An error in the service itself; nothing is known to be lost.",
        "The service's log has the details: report them, and replay the delivery after an update.",
    ),
}

_HEAD = """# Reason codes

Every row of the Sync Log has an outcome and, where it needs one, a reason: a stable code to filter
by (`GET /sync-log?reason=ambiguous_match`), and a message with the particulars. Fields that were
left out or altered carry a reason of their own in the entry's `notes`. What the codes mean, and
what to do:
"""


def reasons_page() -> str:
    """docs/reason-codes.md, as Markdown."""
    return "\n".join([_HEAD, *(_section(code, reason) for code, reason in REASONS.items())])


def _section(code: str, reason: Reason) -> str:
    return f"## {code}\n{reason.meaning}\n\n**What to do:** {reason.remedy}\n"


if __name__ == "__main__":
    sys.stdout.write(reasons_page())
