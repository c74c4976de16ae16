"""A fresh shop for each test."""

import pytest

from tests.sandbox.woocommerce.shopfront import Front


@pytest.fixture
def front() -> Front:
    return Front()
