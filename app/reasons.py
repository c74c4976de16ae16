"""The reason codes of the Sync Log: the meaning of each, and its remedy.

`python -m app.reasons > docs/reason-codes.md` writes the reference page."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """The meaning of a code, and the remedy; both are whole sentences."""

    meaning: str
    remedy: str


_NO_ACTION = "No action is needed."

REASONS: Mapping[str, Reason] = {
    "echo": Reason(
        "The hint reported the service's own last write, and the record still has those values.",
        _NO_ACTION,
    ),
    "no_difference": Reason("Both systems already have the same values.", _NO_ACTION),
    "direction_off": Reason(
        "The setting `direction` of this module, or of a row of its mapping, does not allow writes "
        "in this direction. For a pair, the notes name the fields that differ.",
        "Set `direction` to `both`, or to the direction that you need, if the record should be "
        "synced in this direction.",
    ),
    "creation_off": Reason(
        "The record is not in the shop, and the setting `create_in_shop` of its module does not "
        "allow its creation there: a new customer would get an account and an e-mail from the "
        "shop.",
        "No action is needed if the shop should not have it. Otherwise tick the box *Create in "
        "WooCommerce* in Vtiger, or change `create_in_shop`; then start a sync run.",
    ),
    "other_shop": Reason(
        "The record came into Vtiger from another shop. Such records are created in a second shop "
        "only if `from_other_shops` allows it.",
        "No action is needed if this shop should not have it. Otherwise set `from_other_shops` of "
        "its module, then start a sync run.",
    ),
    "module_off": Reason(
        "The module is switched off for this store.",
        "Switch it on in the module's settings, then replay the delivery or start a sync run.",
    ),
    "filtered": Reason(
        "A filter excludes the record or one of its fields: it belongs to another shop, or its "
        "role, status or topic is not selected in the settings. The message names the filter.",
        "If the record should be synced, change the filter that the message names, then replay.",
    ),
    "draft": Reason(
        "The record is a draft: the order has not been placed, or the product has not been saved, "
        "yet.",
        "No action is needed: it is synced once it is placed or saved.",
    ),
    "missing_required_field": Reason(
        "The other system requires a value that this record does not have.",
        "Fill in the field that the message names; the record is synced with that change.",
    ),
    "ambiguous_match": Reason(
        "More than one record matches, or the matching record belongs to another pair already, so "
        "that the right one cannot be determined.",
        "Merge the records that the message names, or give them different e-mail addresses or "
        "SKUs; or set `ambiguous_match` to `oldest`. Then replay.",
    ),
    "not_found": Reason(
        "The record, or one that it refers to, does not exist: it was deleted, or is hidden from "
        "the API user.",
        "No action is needed if it was deleted. If it exists, grant the API user or key access to "
        "it, then replay.",
    ),
    "unknown_product": Reason(
        "A line of the order has a product that the other system does not have and that could not "
        "be synced.",
        "Check the entries of that product in the Sync Log (a duplicate SKU, a filter, a deletion) "
        "and correct the cause: the order is retried automatically once the product is synced. "
        "Until then the line has the placeholder product in Vtiger; in the other direction the "
        "lines wait.",
    ),
    "currency_unavailable": Reason(
        "The currency is not active in Vtiger, or differs from the currency of the product's "
        "price.",
        "Add or activate the currency in Vtiger (Settings, Currencies), then replay.",
    ),
    "tax_unavailable": Reason(
        "A tax of the order could not be set on its lines in Vtiger. The total is still exact: the "
        "adjustment includes that tax.",
        "Let the module taxes sync this rate, or create a Vtiger tax with the label and percentage "
        "that the message names, then sync the order again.",
    ),
    "adjustment": Reason(
        "The adjustment of the Vtiger order includes more than rounding, so that its total equals "
        "the shop's; or Vtiger calculated another total than the shop.",
        "No action is needed if the message explains the amount (a negative fee). Otherwise "
        "compare the two orders and the taxes of their products.",
    ),
    "total_differs": Reason(
        "WooCommerce calculates taxes by its own rates, and its total differs from that of the "
        "Vtiger order.",
        "Compare the tax rates of both systems; or set `order_total` to `adjust`, which "
        "compensates the difference with a fee line.",
    ),
    "value_too_long": Reason(
        "A text is longer than the field of the other system. Depending on the setting `too_long` "
        "it was truncated or left out. The rest of the record is synced.",
        "Shorten the text at its source, or choose the other value of `too_long`.",
    ),
    "not_integer": Reason(
        "WooCommerce accepts only whole numbers for stock and quantities, and this one has a "
        "fraction.",
        "Round the quantity in Vtiger. The rest of the record is synced.",
    ),
    "wrong_type": Reason(
        "A row that you added to the mapping cannot convert this value: it is not a number, not a "
        "date, or not in the row's table.",
        "Correct the value as the message describes, or change the row: choose another transform, "
        "or add the value to its table. The rest of the record is synced.",
    ),
    "unknown_place": Reason(
        "The text in Vtiger is not a country, or not a state of its country, that the shop knows. "
        "It was not sent: the shop calculates taxes and shipping by its own codes.",
        "Enter the country or state in Vtiger with a name or code that the shop lists (under "
        "WooCommerce, Settings, General). The rest of the record is synced.",
    ),
    "field_vanished": Reason(
        "A mapped field no longer exists in the system to be written to: it was removed there, or "
        "hidden from the API user.",
        "Restore the field, or grant the API user access to it; or map another field, or switch "
        "the row off. Both values stay as they are, and the rest of the record is synced.",
    ),
    "unsafe_in_vtiger": Reason(
        "Vtiger would change, erase or refuse this value, so it was not sent unchanged.",
        "Correct the value as the message describes, or make the change in Vtiger by hand. The "
        "rest of the record is synced.",
    ),
    "needs_addon": Reason(
        "This version of Vtiger (8.3, 8.4) refuses orders that are created with their lines "
        "through its own web service, and corrupts orders that are changed or deleted through it. "
        "The order, or the change of its lines, was not sent.",
        "Install the add-on WooSync 2.0 in Vtiger (its zip is on the page Status), or update an "
        "older one: it writes orders on every version. The order is then retried automatically, "
        "as it is after an update of Vtiger.",
    ),
    "missing_reference": Reason(
        "The record was written without one that it refers to (an order without its customer), "
        "because that one could not be synced.",
        "Check the entries of the missing record in the Sync Log and correct the cause. The record "
        "is retried automatically as soon as the other one is synced.",
    ),
    "replaced": Reason(
        "The contact of this pair no longer exists in Vtiger: it was merged into another one or "
        "deleted. The pair was moved to the contact that replaces it; or later orders refer to "
        "that contact, which has a pair of its own; or the contact was created again for an order.",
        "No action is needed unless the message names the wrong contact. In that case correct the "
        "e-mail addresses of both contacts.",
    ),
    "unsafe_in_woocommerce": Reason(
        "WooCommerce would change, erase or refuse this value, so it was not sent.",
        "Correct the value in Vtiger as the message describes. The rest of the record is synced.",
    ),
    "status_not_mapped": Reason(
        "The status table of the store has no row for an order's status, so the status in the "
        "other system was left as it is. It is reported once for each order that gets the status.",
        "Add a row for the status to the status table, if the other system should follow it; "
        "orders that have it already are then synced.",
    ),
    "unreadable": Reason(
        "A record or a delivery does not have the form that its system's API documents: an amount "
        "that is not a number, text instead of a list, a delivery without a record id. Its content "
        "is unknown, so nothing was written. In `notes`: list items that are not objects were left "
        "out, and everything else was synced.",
        "Check the field that the message names: a plug-in, an import or an add-on wrote or "
        "filtered it. Correct it there; the record is synced with that change. Or replay it.",
    ),
    "wrong_record": Reason(
        "The system returned another record than the one that was requested by its id, so the "
        "response was not used and nothing was written.",
        "Check what is between the service and the system: a cache in front of the API (nothing "
        "below `/wp-json/` or `webservice.php` may be cached), or a plug-in that returns a "
        "translation or a copy of the record. Then replay.",
    ),
    "rejected_by_remote": Reason(
        "The other system refused the record because of its content; a retry would fail in the "
        "same way.",
        "Read the system's own error in the message, correct the record or the system's settings "
        "(mandatory fields, permissions), then replay.",
    ),
    "conflict_lost": Reason(
        "Both sides changed the same field. The setting `conflict_policy` chose one value; this "
        "entry records the other one.",
        "If the other value is right, enter it again. `conflict_policy` sets which side wins.",
    ),
    "conflict_open": Reason(
        "Both sides changed the same field, and `conflict_policy` leaves the decision to a person. "
        "The other fields are synced.",
        "Choose the right value on the page Conflicts; the record is then synced.",
    ),
    "delete_ignored": Reason(
        "A record was deleted on one side, and `delete_policy` keeps the other one. The pair is "
        "marked and no longer synced.",
        "Restore the record to continue syncing the pair, delete the other one by hand, or set "
        "`delete_policy` to `deactivate` or `propagate`.",
    ),
    "delete_brake": Reason(
        "The number of deletions exceeded the limit of the brake, so this deletion is held back.",
        "If the deletions are intended, confirm them (`woo-vtiger deletions --confirm`), or replay "
        "them after an hour. If not, restore the records where they were deleted.",
    ),
    "waiting_for_run": Reason(
        "Many hints of new records wait, and a sync run is about to sync these records in batches.",
        "No action is needed: the run syncs them, or they are retried as soon as it has passed "
        "them.",
    ),
    "waiting_for_dependency": Reason(
        "Another record has to be synced first, or another worker is syncing this pair.",
        "No action is needed: the delivery is processed as soon as that record is synced. If it "
        "waits for long, check the Sync Log and the deliveries of the record that its last error "
        "names.",
    ),
    "remote_unavailable": Reason(
        "The system could not be reached, or failed internally. It is retried at increasing "
        "intervals.",
        "Check that the system is running and can be reached from the service.",
    ),
    "rate_limited": Reason(
        "The system asked for fewer requests. It is retried after the time that the system named, "
        "or later.",
        "No action is needed. If it happens often, lower the number of concurrent requests.",
    ),
    "auth_rejected": Reason(
        "The system refused the credentials. It is retried at increasing intervals.",
        "Check the key or access key in the settings and the permissions of its user, then restart "
        "the service.",
    ),
    "timeout": Reason(
        "The system did not answer in time. Before it writes again, the service checks whether the "
        "first attempt succeeded.",
        "Check the load of the system. For a slow system set a longer time-out.",
    ),
    "attempts_exhausted": Reason(
        "The delivery was retried until `SYNC__RETRY_BUDGET` was used up; the message contains the "
        "last error.",
        "Correct the cause that the last error names, then replay the dead letter.",
    ),
    "invalid_input": Reason(
        "The service could not interpret the request.",
        "Correct the part that the message names and send it again.",
    ),
    "overtaken": Reason(
        "The request was based on a state that another user, or a sync, has changed since.",
        "Check the current state of the record, and repeat the request if it is still needed.",
    ),
    "bug": Reason(
        "An unhandled exception occurred in the service. No data is known to be lost.",
        "Report the details in the service's log, and replay the delivery after an update.",
    ),
}

_HEAD = """# Reason codes

Every entry of the Sync Log has an outcome and, where needed, a reason: a stable code to filter by
(`GET /sync-log?reason=ambiguous_match`), and a message with the details. Fields that were left out
or changed have reasons of their own in the entry's `notes`. These are the codes, their meanings and
their remedies:
"""


def reasons_page() -> str:
    """The text of docs/reason-codes.md, in Markdown."""
    return "\n".join([_HEAD, *(_section(code, reason) for code, reason in REASONS.items())])


def _section(code: str, reason: Reason) -> str:
    return f"## {code}\n{reason.meaning}\n\n**What to do:** {reason.remedy}\n"


if __name__ == "__main__":
    sys.stdout.write(reasons_page())
