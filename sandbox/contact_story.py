"""The day's steps about people: who registers, who is typed in, who changes what, who leaves.

Each name or address is there for what it does to a sync: a company that two share, scripts and
emoji, a street too long for the CRM, an address without names, one address for two people.
"""

from sandbox.people import (
    add_user,
    address,
    appear_in_both,
    change,
    change_both,
    close_account,
    register,
    type_in,
)
from sandbox.story import Scene

ANNA = "anna.schmidt@hafenkontor.example"
JONAS = "jonas.schmidt@hafenkontor.example"
LEA = "lea.dubois@courrier.example"
SOREN = "soren.kjaer@post.example"
SOREN_NEW = "kjaer@nyadresse.example"
TARO = "taro.yamada@mail.example"
TOM = "tom@fish-and-chips.example"
KIOSK = "info@kiosk-am-markt.example"
CHIARA = "chiara.conti@northgate.example"
LIAM = "liam.obrien@mail.example"
PRIYA = "priya.raman@mail.example"
MIA = "mia.rossi@posta.example"
EMILY = "emily.carter@mail.example"
FELIX = "felix.wagner@mail.example"
OLIVIA = "olivia.brown@northgate.example"
MAX = "max.berg@berg-bau.example"
MAX_NEW = "m.berg@berg-bau.example"
OTTO = "old.account@mail.example"

LONG_STREET = (
    "Calle de la Constitución 12, edificio Las Palmeras, escalera izquierda, tercer piso, puerta B"
    "\nEntrada por el patio interior detrás de la farmacia; si no contesta nadie, dejar el paquete"
    " en la portería o llamar al vecino del segundo, que trabaja de noche y suele estar en casa"
)

_OPENING = (
    register(
        "Anna Schmidt registers with her company",
        ANNA,
        first="Anna",
        last="Schmidt",
        billing={
            "company": "Hafenkontor & Söhne GmbH",
            "phone": "+49 40 1234567",
            **address("Große Elbstraße 27", "Hamburg", postcode="22767", country="DE"),
        },
    ),
    register(
        "Her brother Jonas registers, same company",
        JONAS,
        first="Jonas",
        last="Schmidt",
        billing={
            "company": "Hafenkontor & Söhne GmbH",
            "phone": "+49 40 1234568",
            **address("Große Elbstraße 27", "Hamburg", postcode="22767", country="DE"),
        },
    ),
    type_in(
        "Sales types in Olivia Brown of Northgate",
        company="Northgate Ltd",
        firstname="Olivia",
        lastname="Brown",
        email=OLIVIA,
        phone="+44 20 7946 0000",
        mailingstreet="1 Northgate Street",
        mailingcity="Bath",
        mailingzip="BA1 5AS",
        mailingcountry="United Kingdom",
    ),
    register(
        "Léa Dubois registers, without a phone",
        LEA,
        first="Léa",
        last="Dubois",
        billing=address("8 rue des Lilas\nBâtiment C", "Lyon", postcode="69003", country="FR"),
    ),
    register(
        "Søren Kjær registers",
        SOREN,
        first="Søren",
        last="Kjær",
        billing={
            "phone": "+45 86 12 34 56",
            **address("Åboulevarden 5", "Aarhus", postcode="8000", country="DK"),
        },
    ),
    register(
        "山田 太郎 registers",
        TARO,
        first="太郎",
        last="山田",
        billing={
            "company": "山田商店",
            "phone": "+81 3-1234-5678",
            **address("銀座4丁目1-2", "中央区", postcode="104-0061", country="JP", state="JP13"),
        },
    ),
    type_in(
        "Sales types in Max Berg",
        company="Berg Bau GmbH",
        firstname="Max",
        lastname="Berg",
        email=MAX,
        phone="+49 89 555 01 02",
        mailingstreet="Sendlinger Straße 3",
        mailingcity="München",
        mailingstate="Bayern",
        mailingzip="80331",
        mailingcountry="Germany",
    ),
    type_in(
        "A visitor is typed in without an e-mail address",
        firstname="Walter",
        lastname="Visitor",
        phone="+49 30 000 00 01",
    ),
)

_MORNING = (
    register(
        "Emily Carter registers, to be delivered in another state",
        EMILY,
        first="Emily",
        last="Carter",
        billing={
            "phone": "+1 415 555 0100",
            **address(
                "500 Howard Street", "San Francisco", postcode="94105", country="US", state="CA"
            ),
        },
        shipping={
            "phone": "+1 212 555 0199",
            **address(
                "20 W 34th Street\nApt 7", "New York", postcode="10001", country="US", state="NY"
            ),
        },
    ),
    register(
        "Liam O'Brien registers",
        LIAM,
        first="Liam",
        last="O'Brien",
        billing={
            "phone": "+353 1 555 0123",
            **address("4 Quay Street", "Galway", postcode="H91 AB12", country="IE"),
        },
    ),
    register(
        "Priya Raman registers",
        PRIYA,
        first="Priya",
        last="Raman",
        billing={
            "phone": "+91 44 5550 1234",
            **address("12 Marina Road", "Chennai", postcode="600001", country="IN", state="TN"),
        },
    ),
    register(
        "José García registers, with a street longer than the CRM keeps",
        "jose.garcia@correo.example",
        first="José",
        last="García Peña",
        billing={
            "phone": "+34 91 555 01 23",
            **address(LONG_STREET, "Madrid", postcode="28013", country="ES", state="M"),
        },
    ),
    register(
        "Mia 🌻 Rossi registers, with an emoji for a middle name",
        MIA,
        first="Mia 🌻",
        last="Rossi",
        billing={
            "phone": "+39 02 555 0123",
            **address("Via Torino 9", "Milano", postcode="20123", country="IT", state="MI"),
        },
    ),
    register(
        "Tom registers, his company spelled with an HTML entity",
        TOM,
        first="Tom",
        last="Fisher",
        billing={
            "company": "Fish &amp; Chips",
            **address("3 Pier Road", "Whitby", postcode="YO21 3PU", country="GB"),
        },
    ),
    register(
        "A kiosk registers, without anybody's name",
        KIOSK,
        first="",
        last="",
        billing={
            "company": "Kiosk am Markt",
            **address("Marktplatz 1", "Bremen", postcode="28195", country="DE"),
        },
    ),
    add_user("An editor's account is made, no customer", "newsletter@mail.example", "subscriber"),
    register("Somebody registers who will not stay", OTTO, first="Otto", last="Leaver", billing={}),
    appear_in_both(
        "Felix Wagner registers while sales types him in",
        shop={
            "email": FELIX,
            "first_name": "Felix",
            "last_name": "Wagner",
            "billing": {"phone": "+43 1 555 01 23", "city": "Wien", "country": "AT"},
        },
        crm={"firstname": "Felix", "lastname": "Wagner", "email": FELIX, "mobile": "+43 660 555"},
    ),
)

_AFTERNOON = (
    change("shop", "Léa adds her phone", whose=LEA, billing={"phone": "+33 4 72 00 00 00"}),
    change("CRM", "Sales corrects Anna's phone", whose=ANNA, phone="+49 40 7654321"),
    change("shop", "Søren changes his e-mail address", whose=SOREN, email=SOREN_NEW),
    change("CRM", "Max gets a new e-mail address", whose=MAX, email=MAX_NEW),
    change(
        "shop",
        "Emily moves to Seattle",
        whose=EMILY,
        billing={"address_1": "1 Pike Place", "city": "Seattle", "postcode": "98101"}
        | {"state": "WA"},
    ),
    change("CRM", "Sales corrects Mia's city; her emoji must live", whose=MIA, mailingcity="Monza"),
    change_both(
        "Liam changes his city, sales his mobile, at once",
        LIAM,
        shop={"billing": {"city": "Cork", "postcode": "T12 XY34"}},
        crm={"mobile": "+353 87 555 0123"},
    ),
    change_both(
        "Priya and sales change her phone, at once and differently",
        PRIYA,
        shop={"billing": {"phone": "+91 44 5550 0001"}},
        crm={"phone": "+91 44 5550 0002"},
    ),
    close_account("Otto closes his account", OTTO),
    type_in(
        "An assistant is typed in with Anna's address",
        firstname="Antje",
        lastname="Vogel",
        email=ANNA,
        phone="+49 40 1234569",
    ),
)

_EVENING = (
    change(
        "CRM",
        "The assistant gets an address of her own",
        whose=ANNA,
        last_name="Vogel",
        email="antje.vogel@hafenkontor.example",
    ),
    type_in(
        "Sales types in Chiara Conti, of the company Northgate",
        company="Northgate Ltd",
        firstname="Chiara",
        lastname="Conti",
        email=CHIARA,
        mailingcity="Torino",
        mailingcountry="Italy",
    ),
    change("shop", "Olivia completes her own record", whose=OLIVIA, billing={"state": "Somerset"}),
    change("CRM", "Jonas leaves the company", whose=JONAS, account_id=""),
)

OPENING = Scene("Opening", _OPENING)
MORNING = Scene("Morning", _MORNING)
AFTERNOON = Scene("Afternoon", _AFTERNOON)
EVENING = Scene("Evening", _EVENING)
