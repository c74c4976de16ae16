"""The day's steps about products: what is published, listed, repriced, renamed and thrown away.

Names with entities, a price that only the CRM knows, one SKU in both systems, one SKU twice in
the CRM, a parent that gives its name to three records, and a page that is told as a product.
"""

from sandbox.goods import (
    appear_in_both,
    choice,
    delete_item,
    edit_item,
    edit_product,
    list_product,
    publish,
    publish_variable,
    rename_parent,
    restore_item,
    trash_item,
    trash_page,
)
from sandbox.story import Scene
from sandbox.tax_story import NEW_RATE, REDUCED

COFFEE = "COFFEE-250"
MUG = "MUG-01"
GUIDE = "GUIDE-2027"
VOUCHER = "VOUCHER-25"
CALENDAR = "CALENDAR-2026"
TICKET = "PASS-10"
TOUR = "TOUR-1"
POSTER = "POSTER-A2"
RED_S = "SHIRT-RED-S"
RED_L = "SHIRT-RED-L"
BLUE_L = "SHIRT-BLUE-L"

_REDUCED = {"tax_class": REDUCED}

CATALOGUE = Scene(
    "Catalogue",
    (
        publish(
            "Coffee is published",
            COFFEE,
            "Harbour Roast, 250 g",
            "8.90",
            manage_stock=True,
            stock_quantity=120,
            description="<p>Slowly roasted.</p><ul><li>100 % arabica</li></ul>",
            **_REDUCED,
        ),
        publish(
            "A mug is published, its name with an HTML entity",
            MUG,
            "Mug &quot;Salt &amp; Pepper&quot;",
            "24.00",
            manage_stock=True,
            stock_quantity=40,
        ),
        publish("A travel guide is published", GUIDE, "Guide to the Harbour", "19.95", **_REDUCED),
        publish(
            "A voucher is published, free of tax",
            VOUCHER,
            "Voucher",
            "25.00",
            virtual=True,
            tax_status="none",
        ),
        publish("Last year's calendar is published", CALENDAR, "Calendar 2026", "12.00"),
        publish_variable(
            "A shirt is published, in three variations",
            "Shirt",
            (
                choice(RED_S, "29.00", colour="Red", size="S"),
                choice(RED_L, "29.00", colour="Red", size="L"),
                choice(BLUE_L, "31.50", colour="Blue", size="L"),
            ),
        ),
        publish(
            "A poster is drafted, not to be seen yet", POSTER, "Poster", "15.00", status="draft"
        ),
        appear_in_both(
            "A pass is published while sales lists it",
            shop={"name": "Ten-day pass", "sku": TICKET, "regular_price": "45.00"},
            crm={"productname": "Ten-day pass", "productcode": TICKET, "unit_price": "45"},
        ),
        list_product(
            "Sales lists a harbour tour",
            productname="Harbour tour, 1 h",
            productcode=TOUR,
            unit_price="35",
            description="Every hour on the hour",
        ),
    ),
)

SHELVES = Scene(
    "Shelves",
    (
        list_product(
            "Sales lists the coffee a second time",
            productname="Harbour Roast (box)",
            productcode=COFFEE,
            unit_price="80",
        ),
        edit_item("The shop makes the mug cheaper", MUG, regular_price="22.50"),
        edit_product("Sales makes the guide dearer", GUIDE, unit_price="21.95"),
        edit_product("Sales counts the coffee: four bags are gone", COFFEE, qtyinstock="116"),
        edit_item("The blue shirt gets dearer", BLUE_L, regular_price="33.00"),
        trash_page("A page of the site is thrown away"),
    ),
)

CLEARANCE = Scene(
    "Clearance",
    (
        rename_parent("The shirt is renamed, and with it three products", RED_S, "Sailor's shirt"),
        edit_item("The poster can be seen", POSTER, status="publish"),
        trash_item("The tour is put into the trash", TOUR),
        delete_item("Last year's calendar goes for good", CALENDAR),
        NEW_RATE,
    ),
)

SECOND_THOUGHTS = Scene(
    "Second thoughts",
    (
        restore_item("The tour is taken out of the trash", TOUR),
        edit_product("Sales makes the tour dearer", TOUR, unit_price="38"),
    ),
)
