"""The sandbox day: a short story of shop and CRM events, the same every time.

It goes through what people use: the shop's REST API, its storefront and wp-admin, the CRM's forms.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from sandbox.cast import Cast
from sandbox.contact_story import AFTERNOON, EVENING, MORNING, OPENING
from sandbox.order_story import AFTERNOON_SALES, CHANGES, LAST_ORDERS, NOON, RUSH, TELEPHONE
from sandbox.product_story import CATALOGUE, CLEARANCE, SECOND_THOUGHTS, SHELVES
from sandbox.story import Scene, Step
from sandbox.tax_story import RATES

DAY: tuple[Scene, ...] = (
    OPENING,
    RATES,
    CATALOGUE,
    MORNING,
    SHELVES,
    NOON,
    AFTERNOON,
    AFTERNOON_SALES,
    TELEPHONE,
    CHANGES,
    CLEARANCE,
    EVENING,
    SECOND_THOUGHTS,
    RUSH,
    LAST_ORDERS,
)


async def no_pause() -> None:
    """For a day whose steps are far enough apart."""


async def play(
    scenes: Sequence[Scene],
    cast: Cast,
    *,
    report: Callable[[Step], None],
    seconds: float = 0.0,
    pause: Callable[[], Awaitable[None]] = no_pause,
) -> None:
    """Take the steps in order, spread over `seconds`; `report` is called with each as it begins.

    `pause` is awaited after each scene: a day without time to spare waits there for the sync.
    Raises StoryStuck if the sync does not bring what a step waits for.
    """
    loop = asyncio.get_running_loop()
    began_at, apart = loop.time(), seconds / max(1, count_steps(scenes))
    taken = 0
    for scene in scenes:
        for step in scene.steps:
            await asyncio.sleep(max(0.0, began_at + apart * taken - loop.time()))
            report(step)
            await step.act(cast)
            taken += 1
        await pause()


def count_steps(scenes: Sequence[Scene]) -> int:
    return sum(len(scene.steps) for scene in scenes)
