"""The day's steps about orders: 42 that the shop takes and one that the CRM takes.

Bought by customers and guests, in the storefront, by telephone and through a plugin, with coupons,
fees, a tax on a tax and a currency that the CRM does not take; then changed on either side.
"""

from collections.abc import Mapping

from sandbox.contact_story import (
    ANNA,
    CHIARA,
    EMILY,
    FELIX,
    JONAS,
    KIOSK,
    LEA,
    LIAM,
    MAX,
    MAX_NEW,
    MIA,
    OLIVIA,
    PRIYA,
    SOREN_NEW,
    TARO,
    TOM,
)
from sandbox.people import address
from sandbox.product_story import (
    BLUE_L,
    CALENDAR,
    COFFEE,
    GUIDE,
    MUG,
    RED_L,
    RED_S,
    TICKET,
    TOUR,
    VOUCHER,
)
from sandbox.sales import (
    browse,
    check_out,
    edit_cart,
    edit_crm_quantity,
    edit_order,
    edit_order_of,
    post_order,
    refund,
    take_order,
    trash_order,
    type_order,
)
from sandbox.story import Scene, Step

FIVE_OFF = "five-off"
TENTH_OFF = "tenth-off"


def guest(first: str, last: str, city: str, country: str, **more: str) -> dict[str, str]:
    """The billing address of somebody who buys without an account."""
    known = {"first_name": first, "last_name": last}
    email = f"{first}.{last}@guest.example".lower().replace("é", "e").replace("ø", "o")
    lines = address("Harbour Road 1", city, postcode="1000", country=country)
    return {**known, "email": email, **lines, **more}


MARC = guest("Marc", "Petit", "Marseille", "FR", phone="+33 4 91 00 00 01")
INES = guest("Inès", "Robert", "Nantes", "FR", email="ines.robert@guest.example")
CHLOE = guest("Chloé", "Tremblay", "Montréal", "CA", state="QC", postcode="H2X 1Y4")
NOAH = guest("Noah", "Martin", "Toronto", "CA", state="ON", postcode="M5V 2T6")
URS = guest("Urs", "Meier", "Bern", "CH")
LARS = guest("Lars", "Holm", "Odense", "DK")
CLARA = guest("Clara", "Neumann", "Kiel", "DE", company="Neumann & Töchter")
CALLER = {**guest("Hanne", "Krause", "Husum", "DE"), "email": "", "phone": "+49 4841 000 01"}
EMILY_AS_GUEST = guest("Emily", "Carter", "Seattle", "US", state="WA", email=EMILY.upper())
NADIA = guest("Nadia", "Haddad", "Paris", "FR")
VERA = guest("Vera", "Simon", "Lille", "FR")
HUGO = guest("Hugo", "Lambert", "Rennes", "FR")
OSKAR = guest("Oskar", "Lindt", "Leipzig", "DE")
FREJA = guest("Freja", "Dahl", "Aalborg", "DK")
KENJI = guest("Kenji", "Sato", "Ōsaka", "JP", state="JP27")
AVA = guest("Ava", "Reed", "Boston", "US", state="MA")
PAUL = guest("Paul", "Masson", "Brest", "FR", company="Masson SARL")
ZOE = guest("Zoé", "Fabre", "Nice", "FR")
EMIL = guest("Emil", "Kruse", "Bonn", "DE")

_NOON = (
    check_out("Anna buys coffee and a mug", ANNA, {COFFEE: 2, MUG: 1}, shipping="4.90"),
    check_out("Jonas buys two guides", JONAS, {GUIDE: 2}, order="Jonas", shipping="4.90"),
    check_out("Léa buys a shirt and a guide", LEA, {RED_S: 1, GUIDE: 1}, order="Léa"),
    check_out("Taro buys shirts, exported without tax", TARO, {RED_L: 2}, shipping="22.00"),
    check_out("Emily buys for her other address", EMILY, {BLUE_L: 1}, shipping="18.50"),
    check_out("Olivia, whom sales typed in, buys a pass", OLIVIA, {TICKET: 1}),
    check_out("Max, whom sales typed in, books the tour for 12", MAX, {TOUR: 12}, order="Max"),
    check_out("Marc buys as a guest", MARC, {GUIDE: 1, TICKET: 1}, shipping="3.50"),
    check_out("Inès pays by bank transfer", INES, {RED_S: 1}, order="Inès", payment_method="bacs"),
    check_out(
        "Chloé buys from Québec: a tax on top of a tax", CHLOE, {RED_S: 1, GUIDE: 1}, shipping="15"
    ),
    check_out("Noah buys from Ontario: one tax only", NOAH, {BLUE_L: 2}, shipping="15.00"),
    check_out(
        "Nadia buys and opens an account on the way", NADIA, {VOUCHER: 1, GUIDE: 1}, joins=True
    ),
    check_out("A kiosk buys coffee by the dozen", KIOSK, {COFFEE: 12}, order="kiosk"),
    browse("Mia fills a cart and leaves", MIA, {MUG: 3}),
)

_DISCOUNTED = (
    Step("shop", "A coupon over 10 % is made", lambda cast: cast.shop.post("coupons", _PERCENT)),
    Step("shop", "A coupon over 5 € is made", lambda cast: cast.shop.post("coupons", _FIXED)),
    check_out("Mia comes back with a coupon", MIA, {TICKET: 3, RED_S: 1}, coupons=(TENTH_OFF,)),
    check_out("Lars uses both coupons", LARS, {GUIDE: 1, RED_L: 1}, coupons=(TENTH_OFF, FIVE_OFF)),
    post_order(
        "Felix has it wrapped, for a fee",
        FELIX,
        {GUIDE: 1},
        fee_lines=[{"name": "Gift wrapping", "total": "3.50"}],
        set_paid=True,
    ),
    post_order(
        "Clara gets something off, as a negative fee",
        CLARA,
        {RED_L: 2, GUIDE: 1},
        order="Clara",
        fee_lines=[{"name": "For the long wait", "total": "-4.00"}],
        shipping_lines=[{"method_id": "flat_rate", "method_title": "Parcel", "total": "6.90"}],
    ),
    post_order(
        "Tom gets a discount on a line, by hand",
        TOM,
        {},
        line_items=[{"sku": GUIDE, "quantity": 3, "subtotal": "59.85", "total": "50.00"}],
        shipping_lines=[{"method_id": "local_pickup", "method_title": "Pickup", "total": "0"}],
    ),
    post_order("Priya pays in dollars", PRIYA, {TOUR: 2}, order="Priya", currency="USD"),
    post_order(
        "Urs wants to pay in francs, which the CRM does not take", URS, {TICKET: 1}, currency="CHF"
    ),
)
_PERCENT: Mapping[str, str] = {"code": TENTH_OFF, "discount_type": "percent", "amount": "10"}
_FIXED: Mapping[str, str] = {"code": FIVE_OFF, "discount_type": "fixed_cart", "amount": "5"}

_BY_HAND = (
    take_order("Hanne orders by telephone, without an e-mail address", CALLER, {TICKET: 2}),
    take_order("Liam orders by telephone", LIAM, {TOUR: 2, GUIDE: 1}, order="Liam"),
    check_out("Søren, under his new address, buys shirts", SOREN_NEW, {RED_S: 1, RED_L: 1}),
    check_out("Last year's calendar is still bought", MARC, {CALENDAR: 1, GUIDE: 1}, order="Marc"),
    check_out("Emily buys without logging in", EMILY_AS_GUEST, {TICKET: 1}),
    check_out(
        "A note comes with it", LARS, {TOUR: 1}, customer_note="Please ring twice 🔔\nThank you"
    ),
)

_RUSH = (
    check_out("Vera buys a pass", VERA, {TICKET: 1}, order="Vera"),
    check_out("Hugo buys two shirts", HUGO, {RED_S: 1, BLUE_L: 1}, shipping="3.50"),
    check_out("Anna buys again", ANNA, {GUIDE: 1}, shipping="4.90"),
    check_out("Oskar buys seven guides", OSKAR, {GUIDE: 7}, shipping="4.90"),
    check_out("Freja buys a shirt", FREJA, {RED_L: 1}, shipping="9.00"),
    check_out("Nadia, a customer by now, buys a tour", NADIA["email"], {TOUR: 1}),
    check_out("Marc buys again, from Lyon", {**MARC, "city": "Lyon"}, {TICKET: 1}),
    check_out("Taro buys a voucher", TARO, {VOUCHER: 4}),
    check_out("Kenji buys shirts", KENJI, {RED_S: 2, RED_L: 2}, shipping="22.00"),
    check_out("Ava buys a guide", AVA, {GUIDE: 1}, shipping="18.50"),
    check_out("Chloé buys another shirt", CHLOE, {BLUE_L: 3}, shipping="15.00"),
    check_out("Max, under his new address, books again", MAX_NEW, {TOUR: 3, TICKET: 1}),
    check_out("Jonas uses a coupon", JONAS, {RED_S: 1, GUIDE: 1}, coupons=(TENTH_OFF,)),
    check_out("Paul buys a pass and a voucher", PAUL, {TICKET: 1, VOUCHER: 1}),
    check_out("Zoé buys three of one", ZOE, {GUIDE: 3}, payment_method="bacs"),
    check_out("Emil buys a shirt and a tour", EMIL, {RED_L: 1, TOUR: 1}, shipping="6.90"),
    check_out("Léa buys a voucher", LEA, {VOUCHER: 1}),
)

_CHANGES = (
    edit_order("CRM", "Sales tells that Jonas has his guides", "Jonas", sostatus="Delivered"),
    edit_order("shop", "Inès's transfer has arrived", "Inès", status="processing"),
    edit_cart("Léa takes a mug and two guides instead", "Léa", {RED_S: 0, GUIDE: 2, MUG: 1}),
    edit_crm_quantity("Two of Max's group do not come", "Max", TOUR, 10),
    edit_order("CRM", "Sales corrects where Liam's order goes", "Liam", ship_city="Limerick"),
    refund("Clara gets ten euros back", "Clara", "10.00"),
    edit_order("shop", "The kiosk gets all its money back", "kiosk", status="refunded"),
    edit_order("CRM", "Sales cancels Priya's tour", "Priya", sostatus="Cancelled"),
)

_LAST = (
    edit_order(
        "shop", "Marc's note comes late, his calendar is gone", "Marc", customer_note="A gift"
    ),
    trash_order("Vera's order is thrown away", "Vera"),
    type_order(
        "Chiara orders by letter, for Lyon",
        CHIARA,
        "Northgate Ltd",
        {TOUR: (2, "38"), TICKET: (1, "45")},
    ),
    edit_order_of("The shop has seen to Chiara's order", CHIARA, status="completed"),
)

NOON = Scene("Noon", _NOON)
CHANGES = Scene("Changes", _CHANGES)
RUSH = Scene("Rush", _RUSH)
LAST_ORDERS = Scene("Last orders", _LAST)
AFTERNOON_SALES = Scene("Afternoon sales", _DISCOUNTED)
TELEPHONE = Scene("Telephone", _BY_HAND)
