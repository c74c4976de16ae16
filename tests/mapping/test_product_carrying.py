"""A difference that the way to the other system makes is no edit of anybody."""

from app.mapping.rules import Conversion
from app.mapping.values import Mapped, PatchOptions
from app.modules.products.mapping import PRODUCT_RULES, product_conversion

LONG = "word " * 30


def _carriage() -> Conversion:
    return product_conversion(PRODUCT_RULES, PatchOptions())


def _woo(**values: str | None) -> Mapped:
    return Mapped({"name": "Mug", "price": "10", "taxes": "", **values})


def test_a_name_that_vtiger_cut_is_the_shops() -> None:
    vtiger = Mapped({"name": LONG[:99], "price": "10.00000000"})
    assert "name" in _carriage().converted_names(_woo(name=LONG), vtiger)
    assert _carriage().is_explained("name", _woo(name=LONG), vtiger)


def test_an_edited_name_is_not() -> None:
    vtiger = Mapped({"name": "Cup"})
    assert "name" not in _carriage().converted_names(_woo(), vtiger)
    assert not _carriage().is_explained("name", _woo(), vtiger)


def test_a_price_that_vtiger_rounded_is_the_shops() -> None:
    vtiger = Mapped({"name": "Mug", "price": "1.23457"})
    assert _carriage().is_explained("price", _woo(price="1.234567"), vtiger)


def test_no_price_is_told_to_nobody() -> None:
    assert _carriage().is_explained("price", _woo(price=""), Mapped({"name": "Mug", "price": "9"}))
    assert _carriage().is_explained("price", _woo(price="9"), Mapped({"name": "Mug", "price": ""}))
    assert not _carriage().is_explained("price", _woo(), Mapped({"name": "Mug", "price": "9"}))


def test_stock_that_the_shop_does_not_manage_is_explained() -> None:
    assert _carriage().is_explained(
        "stock", _woo(stock=None), Mapped({"name": "Mug", "stock": "4"})
    )


def test_a_fraction_of_stock_is_explained() -> None:
    vtiger = Mapped({"name": "Mug", "stock": "2.5"})
    assert _carriage().is_explained("stock", _woo(stock="3"), vtiger)


def test_taxes_are_carried_as_they_are() -> None:
    rates = '{"tax4":"20"}'
    names = _carriage().converted_names(_woo(taxes=rates), Mapped({"taxes": rates}))
    assert "taxes" in names
    assert not _carriage().is_explained("taxes", _woo(taxes=rates), Mapped({"taxes": ""}))


def test_a_long_name_is_explained_only_where_settings_have_it_left_out() -> None:
    skipping = product_conversion(PRODUCT_RULES, PatchOptions(too_long="skip"))
    vtiger = Mapped({"name": "Cup", "price": "10"})
    assert skipping.is_explained("name", _woo(name=LONG), vtiger)
    assert not _carriage().is_explained("name", _woo(name=LONG), vtiger)


def test_a_name_that_the_shop_does_not_take_is_explained() -> None:
    assert _carriage().is_explained("name", _woo(), Mapped({"name": "a \\ b", "price": "10"}))
    assert not _carriage().is_explained("name", _woo(), Mapped({"name": "Cup", "price": "10"}))
