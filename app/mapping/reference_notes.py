"""What the page of the default mapping says beside its tables: data only."""

from collections.abc import Mapping

HEAD = """# The default mapping

What is synced without configuring anything, row by row. → is from WooCommerce to Vtiger only, ←
the other way, ↔ both. Texts are compared and sent as plain text, HTML entities decoded; text that
is longer than Vtiger keeps is cut at a word or left out (setting `too_long`), with a note. A
value that the other system would change, erase or refuse is not sent: the entry in the Sync Log
has a note with a [reason](reason-codes.md), and the rest of the record is synced. Rows can be
switched off, changed and added for each store."""

CONTACT_INTRODUCTION = (
    "A customer, or the billing block of a guest's latest order, against Vtiger's Contacts. "
    "Matched by the pair that is known, by the ids that the records carry (meta `vtiger_id`; "
    "in Vtiger a custom field labelled *WooCommerce ID*), then by e-mail in whatever case. "
    "Several contacts with that e-mail: `ambiguous_match`."
)

PRODUCT_INTRODUCTION = (
    "Simple products and variations against Vtiger's Products; a variable product is none "
    "itself. Matched by the pair, the ids (meta `_vtiger_id`, custom field *WooCommerce ID*), "
    "then SKU and Part Number. [More](products-and-taxes.md)"
)

ORDER_INTRODUCTION = (
    "Orders against Vtiger's SalesOrder. Matched by the pair, then by the Purchase Order "
    "`WC-<store>-<order id>`; an order of Vtiger carries its id in the shop's as meta "
    "`_vtiger_id`. Customer and products are synced first. [More](sales-orders.md)"
)

TAX_INTRODUCTION = (
    "Tax rates against Vtiger's taxes. Matched by the pair, then by label and percentage. "
    "Class, country, state, priority and compound stay in the shop. "
    "[More](products-and-taxes.md#taxes)"
)

_FALL_BACK = "the customer's own, else that of the billing address"

CONTACT_NOTES: Mapping[str, str] = {
    "first_name": _FALL_BACK,
    "last_name": (
        f"{_FALL_BACK}, else the company, else the e-mail's first part; what stands in is never "
        "written back"
    ),
    "email": (
        "an address that WooCommerce would refuse or erase (`&`, umlauts in the domain, over 100 "
        "characters) is not sent there"
    ),
    "company": "an organization of that name is found or made",
}

PRODUCT_NOTES: Mapping[str, str] = {
    "name": (
        "without markup; a variation is named `Parent – Red, L`, and its name does not come back"
    ),
    "price": "an empty price means *not for sale* and is never written as 0",
    "description": "HTML as text, so one way",
    "stock": "if the shop manages it; whole numbers towards WooCommerce",
    "status": (
        "`publish` is active (1), `private` and `draft` are not (0); a new Vtiger product is "
        "made active or not, never left to the default"
    ),
    "category": "the first category's name; of a variation its parent's",
    "website": "the product's page in the shop",
    "taxes": ("the rates of the tax class at the shop's own address, as `tax1` to `taxN`"),
}

ORDER_NOTES: Mapping[str, str] = {
    "subject": "`WooCommerce order #1234`",
    "status": "see *Order statuses*",
    "contact": ("the customer's contact; a guest's by e-mail, or as the setting `guests` says"),
    "account": (
        "the organization of that name, else the person's, else the e-mail; one for all where "
        "`order_account` names it"
    ),
    "currency": "not active in Vtiger: `currency_unavailable`",
    "billing_street": "`-` where there is none, for Vtiger insists",
    "shipping_street": ("a blank shipping address is the billing address, then `-`"),
    "refunded": ("the last paragraph of the description: `Refunded in WooCommerce: 11.50 EUR`"),
    "lines": (
        "products, fees, shipping, discounts and taxes as one: `LineItems`, `hdnTaxType`, "
        "`hdnS_H_Amount` with its tax, `txtAdjustment`; the grand total is WooCommerce's to the "
        "cent. Back: products, quantities, prices and shipping; taxes are the shop's own"
    ),
}

TAX_NOTES: Mapping[str, str] = {
    "label": (
        "with country, state or class where the name alone is not unique (`VAT FR reduced`); one "
        "for rates that differ in postcodes or cities alone; "
        "renamed in Vtiger by hand only: `unsafe_in_vtiger`"
    ),
    "percentage": "4 decimals in WooCommerce, 3 in Vtiger",
}

TRANSFORM_NOTES: Mapping[str, str] = {
    "company": "the name of an organization, found by what Vtiger calls equal (case, accents)",
    "country": "two-letter code in the shop, English name in Vtiger; read are codes, alpha-3 and "
    "names in English, in the shop's and in forty other languages; what is none goes no further",
    "email": "compared in whatever case",
    "number": "a decimal number: `19.9` is `19.90000000`",
    "percent": "a percentage, to the decimals that both keep",
    "phone": "text, compared without its blanks",
    "state": "the shop's own code (its list: `GET data/countries`) and a name in Vtiger, by the "
    "country beside it; read are codes and names of the shop and of ISO 3166-2; where the shop "
    "lists states, what is none of them goes no further",
    "street": "two lines in the shop, one field of two lines in Vtiger",
    "text": "plain text, compared without doubled blanks",
}

TAIL = """## Guests
A guest is a contact like any other, with the id `guest:<e-mail>` in the Sync Log and filled from
the latest order. A change in Vtiger stays there, for the shop has no account to write it to; when
somebody registers with that e-mail, the contact becomes the customer's.

## Taxes of an order
Each line has its own taxes (individual mode), and products carry every tax that their lines need,
at 0 % if it is not theirs. Where that cannot be, the total is exact all the same and a note
(`tax_unavailable`, `adjustment`) says that the adjustment carries tax. By default only rates that
products or orders use become Vtiger taxes (`tax_scope`).

## Deletions
A deletion is believed only when a read shows that the record is gone. By the setting
`delete_policy` of the module:

| setting | what happens to the other record |
|---|---|
| `ignore` (default) | nothing; logged as `delete_ignored`, the pair is marked |
| `deactivate` | a product becomes inactive or private, an order is cancelled; others stay |
| `propagate` | it is deleted too, into trash or recycle bin where there is one |

A brake holds deletions back that come in too great a number, until a person has confirmed them.
What is restored takes up its pair again. Taxes are never deleted in Vtiger."""
