"""Keys of records: bounded, and different for different records."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain import MAX_KEY_LENGTH, Module, Record, System, bounded_key

IDS = st.text(st.characters(exclude_categories=()), min_size=1, max_size=900)


@given(IDS, IDS)
def test_keys_are_bounded_and_never_shared(one: str, other: str) -> None:
    keys = [bounded_key(each * 2) for each in (one, other)]
    assert all(len(key) <= MAX_KEY_LENGTH for key in keys)
    assert (keys[0] == keys[1]) is (one == other)


def test_what_no_module_syncs_shares_no_key_with_a_module() -> None:
    contact = Record("main", System.WOOCOMMERCE, Module.CONTACTS, "7", "customer")
    other = Record("main", System.WOOCOMMERCE, None, "7", "contacts")
    assert (contact.key, other.key) == (
        "main:contacts:woocommerce:7",
        "main:other.contacts:woocommerce:7",
    )
