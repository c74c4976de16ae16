"""The day's steps about taxes and currencies: what shop and CRM are set up with.

Two rates of one name, a rate on top of another, one that nobody is ever charged, and a CRM that
has a tax of that name already.
"""

from sandbox.goods import add_currency, add_rate, change_rate
from sandbox.story import Scene

MWST_REDUCED = "MwSt ermäßigt"
REDUCED = "reduced-rate"
_REDUCED = {"class": REDUCED}

RATES = Scene(
    "Rates",
    (
        add_rate("France: the standard rate", "VAT", "20", "FR"),
        add_rate("France: the reduced rate, of the same name", "VAT", "5.5", "FR", **_REDUCED),
        add_rate("Germany: the standard rate", "MwSt", "19", "DE"),
        add_rate("Germany: the reduced rate", MWST_REDUCED, "5", "DE", **_REDUCED),
        add_rate("Denmark: one rate for all", "Moms", "25", "DK"),
        add_rate("Canada: the federal rate", "GST", "5", "CA"),
        add_rate(
            "Québec: its own rate, on top of the federal one",
            "QST",
            "9.975",
            "CA",
            state="QC",
            priority=2,
            compound=True,
        ),
        add_rate("Greece: a rate that nobody is charged today", "ΦΠΑ", "24", "GR"),
        add_currency(
            "Accounting adds the dollar",
            "USD",
            "1.08",
            active=True,
            currency_name="US Dollar",
            currency_symbol="$",
        ),
        add_currency(
            "Accounting adds the Swiss franc, but does not switch it on",
            "CHF",
            "0.95",
            active=False,
            currency_name="Swiss Franc",
            currency_symbol="CHF",
        ),
    ),
)

NEW_RATE = change_rate("Germany raises its reduced rate", MWST_REDUCED, "DE", rate="7")
