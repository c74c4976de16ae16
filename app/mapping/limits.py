"""How many characters each Vtiger field keeps; longer text is cut there without a word.

Contract page readback, table N, and recording `vtiger/field-columns.tsv`. Fields not named here
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

WOO_TEXT_BYTES = 65535
