"""Wrong credentials at every door of the service: counted, and slowed down by where they come
from."""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network

from app.observability import REFUSED

MOST_FAILURES = 10


WINDOW = timedelta(minutes=5)


MOST_CALLERS = 10_000


IPV6_NETWORK_BITS = 64
"""The size of the network that a provider assigns to one customer."""


class Door(StrEnum):
    """Where credentials are required."""

    SIGN_IN = "sign_in"
    API = "api"
    WEBHOOK = "webhook"
    CALLBACK = "callback"
    ADDON = "addon"


class Refusal(StrEnum):
    """Why a request was refused. Only wrong credentials are throttled: a request without one, or
    with an expired one, is no guess."""

    MISSING = "missing"
    WRONG = "wrong"
    THROTTLED = "throttled"
    EXPIRED = "expired"
    STALE = "stale"


def count_refusal(door: Door, why: Refusal) -> None:
    REFUSED.labels(door, why).inc()


@dataclass(slots=True)
class Attempts:
    """Wrong credentials within WINDOW, by door and address; the addresses that failed longest ago
    are evicted first."""

    clock: Callable[[], datetime]
    _failures: OrderedDict[tuple[Door, str], deque[datetime]] = field(default_factory=OrderedDict)

    def failed(self, door: Door, address: str) -> int:
        """Count a wrong credential. Returns 0, or the seconds for which further ones from this
        address are throttled."""
        wait = self.wait_s(door, address)
        count_refusal(door, Refusal.THROTTLED if wait else Refusal.WRONG)
        if not wait:
            key = (door, network_of(address))
            self._failures.setdefault(key, deque(maxlen=MOST_FAILURES)).append(self.clock())
            self._failures.move_to_end(key)
            if len(self._failures) > MOST_CALLERS:
                self._failures.popitem(last=False)
        return wait

    def wait_s(self, door: Door, address: str) -> int:
        """Seconds for which wrong credentials from this address are answered 429; 0 if they are
        not throttled."""
        now = self.clock()
        recent = self._failures.get((door, network_of(address)), deque())
        while recent and recent[0] + WINDOW <= now:
            recent.popleft()
        if len(recent) < MOST_FAILURES:
            return 0
        return max(1, round((recent[0] + WINDOW - now).total_seconds()))


def network_of(address: str) -> str:
    """The IPv4 address, or the network of an IPv6 address; "" if it is no address."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((int(found), IPV6_NETWORK_BITS), strict=False))
