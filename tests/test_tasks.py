"""Several things at once: all results, or the first error as it is, with nobody left at work."""

import asyncio

import pytest

from app.domain import LeaseLost, RemoteUnavailable, System
from app.tasks import in_background, run_together

pytestmark = pytest.mark.anyio


async def _give(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def _fail(error: Exception) -> int:
    await asyncio.sleep(0)
    raise error


async def test_results_come_in_order() -> None:
    assert await run_together(_give(each) for each in range(5)) == [0, 1, 2, 3, 4]
    assert await run_together([]) == []


async def test_an_error_is_raised_as_it_is_and_the_others_have_stopped() -> None:
    """No group around it: who calls goes by the error tree."""
    stopped = asyncio.Event()

    async def work_on() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            stopped.set()
        return 0

    error = RemoteUnavailable(System.VTIGER, "down")
    with pytest.raises(RemoteUnavailable) as raised:
        await run_together([work_on(), _fail(error)])
    assert raised.value is error
    assert stopped.is_set()


async def test_of_several_errors_the_first_is_raised() -> None:
    with pytest.raises(LeaseLost):
        await run_together([_fail(LeaseLost("first")), _fail(ValueError("second"))])


async def test_groups_inside_groups_are_raised_as_their_first_error() -> None:
    async def several() -> int:
        return sum(await run_together([_give(1), _fail(LeaseLost("inner"))]))

    with pytest.raises(LeaseLost):
        await run_together([_give(1), several()])


async def test_who_is_cancelled_takes_the_others_along() -> None:
    running = asyncio.create_task(run_together([asyncio.Event().wait(), asyncio.Event().wait()]))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_goes_on_in_the_background_has_stopped_at_the_end() -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with in_background(work()):
        await begun.wait()
        assert not stopped.is_set()
    assert stopped.is_set()


async def test_what_ended_in_the_background_by_an_error_raises_it() -> None:
    async def work() -> None:
        raise LeaseLost("gone")

    with pytest.raises(LeaseLost, match="gone"):
        async with in_background(work()):
            await asyncio.sleep(0)
