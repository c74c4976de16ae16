"""Several things at once: all results, or the first error as it is, with nobody left at work."""

import asyncio
from functools import partial

import pytest

from app.domain import LeaseLost, RemoteUnavailable, System
from app.tasks import in_background, overlapping, run_together

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


async def test_overlapping_work_is_told_in_its_order_and_never_more_than_so_much() -> None:
    told: list[int] = []
    under_way = most = 0
    first_may_end = asyncio.Event()

    async def work(number: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if number == 0:
            await first_may_end.wait()
        else:
            first_may_end.set()
            await asyncio.sleep(0)
        under_way -= 1

    async def tell(number: int) -> None:
        told.append(number)

    async with overlapping(3) as begin:
        for number in range(6):
            await begin(work(number), partial(tell, number))
    assert told == [0, 1, 2, 3, 4, 5]
    assert most == 3


async def test_what_overlaps_a_failure_comes_to_its_end() -> None:
    """It may be a create, of which the answer is to be heard."""
    told: list[str] = []
    others = asyncio.Event()

    async def fail() -> None:
        raise RemoteUnavailable(System.VTIGER, "down")

    async def go_on() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        others.set()

    async def tell() -> None:
        told.append("told")

    async def begin_both() -> None:
        async with overlapping(3) as begin:
            await begin(fail(), tell)
            await begin(go_on(), tell)

    with pytest.raises(RemoteUnavailable):
        await begin_both()
    assert others.is_set()
    assert told == []


async def test_who_is_cancelled_ends_what_overlaps() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def tell() -> None:
        raise AssertionError("it never came to its end")

    async def begin_and_wait() -> None:
        async with overlapping(3) as begin:
            await begin(work(), tell)
            await asyncio.Event().wait()

    task = asyncio.create_task(begin_and_wait())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
