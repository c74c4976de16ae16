"""When a hint that could not be settled is tried again. Pure."""

import random
from dataclasses import dataclass
from datetime import timedelta

from app.errors import LeaseLost, RateLimited, RemoteHeld, Waiting, WooVtigerError
from app.settings import SyncSettings


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Delays in seconds; `budget` is the age at which a hint becomes a dead letter."""

    base_seconds: float = 2.0
    most_seconds: float = 3600.0
    lease_seconds: float = 0.5
    budget: timedelta = timedelta(days=3)


def retry_policy(chosen: SyncSettings) -> RetryPolicy:
    """As the settings have it."""
    return RetryPolicy(
        base_seconds=chosen.retry_base_delay,
        most_seconds=chosen.retry_max_delay,
        budget=timedelta(seconds=chosen.retry_budget),
    )


def delay_seconds(
    policy: RetryPolicy, error: WooVtigerError, attempts: int, rng: random.Random
) -> float:
    """Exponential with full jitter above half; what the remote asked for is a lower bound, and so
    is the next try of a record that has to be synced first. Where no call was made there is
    nothing to back off from: it is until the next call."""
    if isinstance(error, LeaseLost):
        return policy.lease_seconds * (0.5 + rng.random())
    if isinstance(error, RemoteHeld):
        return error.seconds + policy.base_seconds * rng.random()
    ceiling = min(policy.most_seconds, policy.base_seconds * 2.0 ** min(attempts - 1, 30))
    wait = ceiling * (0.5 + rng.random() / 2)
    asked = error.retry_after if isinstance(error, RateLimited) else None
    if isinstance(error, Waiting) and error.seconds > 0:
        asked = error.seconds + policy.base_seconds * rng.random()
    return max(wait, asked or 0.0)


def worth_trying(policy: RetryPolicy, error: WooVtigerError, age: timedelta) -> bool:
    """Whether another try can help and the hint is young enough for it."""
    return error.retryable and (isinstance(error, LeaseLost) or age < policy.budget)


def burns_attempt(error: WooVtigerError) -> bool:
    """Whether that was a try: not where another worker, record or remote had to be waited for."""
    return not isinstance(error, LeaseLost | Waiting | RemoteHeld)
