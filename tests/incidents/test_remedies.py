"""What to do about incidents: something for each kind, and the settings by their names."""

from app.domain import System
from app.remotes.incidents import find_remedy
from app.remotes.models import IncidentKind


def test_every_kind_has_a_remedy() -> None:
    for kind in IncidentKind:
        for system, store in ((System.WOOCOMMERCE, "main"), (System.VTIGER, "")):
            remedy = find_remedy(kind, system, store)
            assert remedy.endswith("."), kind
            assert "{" not in remedy, kind


def test_a_refused_key_names_the_settings_of_its_system() -> None:
    shop = find_remedy("auth_rejected", System.WOOCOMMERCE, "shop-fr")
    assert "`STORES__shop-fr__CONSUMER_SECRET`" in shop
    assert "`VTIGER__ACCESS_KEY`" in find_remedy("auth_rejected", System.VTIGER, "")


def test_a_kind_that_an_earlier_version_knew_has_none() -> None:
    assert find_remedy("of_old", System.VTIGER, "") == ""
