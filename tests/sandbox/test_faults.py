"""Failures on demand, as in-process callers see them."""

import httpx
import pytest

from sandbox.faults import Faults
from tests.sandbox.woocommerce.shopfront import Front

pytestmark = pytest.mark.anyio

ZOE = {"email": "zoe@shop.example"}


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def front(faults: Faults) -> Front:
    return Front(faults=faults)


def exists(front: Front) -> bool:
    return front.shop.users.find_by_email(ZOE["email"]) is not None


async def test_a_failing_request_is_not_carried_out(front: Front, faults: Faults) -> None:
    faults.fail("POST", "/customers", status=429, headers={"Retry-After": "7"}, body=b"slow down")

    answer = await front.api.post("/customers", json=ZOE)

    assert (answer.status_code, answer.headers["Retry-After"], answer.content) == (
        429,
        "7",
        b"slow down",
    )
    assert not exists(front)


async def test_a_write_may_be_done_and_answered_with_an_empty_500(
    front: Front, faults: Faults
) -> None:
    faults.fail("POST", status=500, after_write=True)

    answer = await front.api.post("/customers", json=ZOE)

    assert (answer.status_code, answer.content, exists(front)) == (500, b"", True)


@pytest.mark.parametrize("after_write", [False, True])
async def test_a_dropped_request_looks_like_a_lost_connection(
    front: Front, faults: Faults, *, after_write: bool
) -> None:
    faults.drop("POST", after_write=after_write)

    with pytest.raises(httpx.RemoteProtocolError):
        await front.api.post("/customers", json=ZOE)

    assert exists(front) is after_write


async def test_a_hanging_request_looks_like_a_timeout(front: Front, faults: Faults) -> None:
    faults.hang("POST", after_write=True)

    with pytest.raises(httpx.ReadTimeout):
        await front.api.post("/customers", json=ZOE)

    assert exists(front)


async def test_faults_are_used_up_in_order_by_the_requests_they_fit(
    front: Front, faults: Faults
) -> None:
    faults.fail("GET", "/customers", times=2, status=502)
    faults.fail("GET", status=503)

    async def status(path: str) -> int:
        return (await front.api.get(path)).status_code

    statuses = [
        await status("/products"),
        await status("/customers"),
        await status("/customers"),
        await status("/customers"),
    ]

    assert statuses == [503, 502, 502, 200]
    assert faults.hits == 3


async def test_faults_may_be_called_off(front: Front, faults: Faults) -> None:
    faults.fail(times=9)
    faults.clear()

    assert (await front.api.get("/customers")).status_code == 200


async def test_an_answer_may_break_off_in_the_middle(front: Front, faults: Faults) -> None:
    faults.cut("POST", "/customers")

    with pytest.raises(httpx.RemoteProtocolError):
        await front.api.post("/customers", json=ZOE)

    assert exists(front)


async def test_an_answer_may_come_in_pieces(front: Front, faults: Faults) -> None:
    faults.drip("POST", "/customers", seconds=0.01)

    answer = await front.api.post("/customers", json=ZOE)

    assert (answer.status_code, answer.json()["email"]) == (201, ZOE["email"])
    assert faults.hits == 1
