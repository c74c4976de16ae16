"""How many characters each Vtiger field keeps; longer text is cut there without a word.

Contract page readback, table N, and recording field-columns. Fields not named here
are not limited (description), or of a length that only the administrator knows (custom fields).
"""

from collections.abc import Mapping

CONTACT_SIZES: Mapping[str, int] = {
    "firstname": 40,
    "lastname": 80,
    "phone": 50,
    "mobile": 50,
    "homephone": 50,
    "otherphone": 50,
    "fax": 50,
    "assistantphone": 50,
    "email": 100,
    "secondaryemail": 100,
    "salutationtype": 200,
    "leadsource": 200,
    "title": 50,
    "department": 30,
    "assistant": 30,
    "mailingstreet": 250,
    "otherstreet": 250,
    "mailingcity": 40,
    "othercity": 40,
    "mailingstate": 30,
    "otherstate": 50,
    "mailingzip": 30,
    "otherzip": 30,
    "mailingcountry": 40,
    "othercountry": 30,
    "mailingpobox": 30,
    "otherpobox": 30,
}

ACCOUNT_NAME_SIZE = 100

PRODUCT_SIZES: Mapping[str, int] = {
    "productname": 100,
    "productcode": 40,
    "productcategory": 200,
    "website": 100,
    "manufacturer": 200,
    "usageunit": 200,
    "serial_no": 200,
    "vendor_part_no": 200,
    "mfr_part_no": 200,
    "productsheet": 200,
    "glacct": 200,
}

ORDER_SIZES: Mapping[str, int] = {
    "subject": 100,
    "customerno": 100,
    "vtiger_purchaseorder": 200,
    "carrier": 200,
    "pending": 200,
    "sostatus": 200,
    "bill_street": 250,
    "ship_street": 250,
    "bill_city": 30,
    "ship_city": 30,
    "bill_state": 30,
    "ship_state": 30,
    "bill_code": 30,
    "ship_code": 30,
    "bill_country": 30,
    "ship_country": 30,
    "bill_pobox": 30,
    "ship_pobox": 30,
}

WOO_TEXT_BYTES = 65535
