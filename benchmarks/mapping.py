"""Customers mapped to neutral values: what a comparison of a whole shop costs."""

import time

from app.modules.contacts.mapping import CONTACT_RULES, woo_contact
from app.woocommerce.schemas import WooCustomer

CUSTOMERS = 5000
ADDRESS = {
    "first_name": "Zoë",
    "last_name": "O&#039;Neill",
    "company": "Müller &amp; Söhne",
    "address_1": "12 rue de la Paix",
    "address_2": "2e étage",
    "city": "Paris",
    "state": "75",
    "postcode": "75002",
    "country": "FR",
    "phone": "+33 1 23 45 67 89",
    "email": "zoe@example.com",
}


def run() -> dict[str, float]:
    customers = [_customer(number) for number in range(CUSTOMERS)]
    start = time.perf_counter()
    for customer in customers:
        woo_contact(customer, CONTACT_RULES)
    return {"customers mapped": CUSTOMERS / (time.perf_counter() - start)}


def _customer(number: int) -> WooCustomer:
    return WooCustomer(
        {
            "id": number,
            "email": f"c{number}@example.com",
            "first_name": "Zoë",
            "last_name": "O&#039;Neill",
            "role": "customer",
            "date_modified_gmt": "2026-11-01T10:00:00",
            "billing": ADDRESS,
            "shipping": ADDRESS,
            "meta_data": [],
        }
    )
