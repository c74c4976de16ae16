"""Wrong credentials at every door of the service: counted, and slowed down by where they come from.

Each process counts for itself. A right credential is never asked how many wrong ones came before
it, so nobody can lock out others who share an address.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network

from app.metrics import REFUSED

MOST_FAILURES = 10
WINDOW = timedelta(minutes=5)
MOST_CALLERS = 10_000
IPV6_NETWORK_BITS = 64
"""One customer of a provider has a network of this size, all of whose addresses are theirs."""


class Door(StrEnum):
    """Where a credential is asked for."""

    SIGN_IN = "sign_in"
    API = "api"
    WEBHOOK = "webhook"
    CALLBACK = "callback"
    ADDON = "addon"


class Refusal(StrEnum):
    """Why somebody was not let in. Only wrong credentials are slowed down: whoever sends none, or
    one that was right until a moment ago, does not guess."""

    MISSING = "missing"
    WRONG = "wrong"
    THROTTLED = "throttled"
    EXPIRED = "expired"
    STALE = "stale"


def count_refusal(door: Door, why: Refusal) -> None:
    REFUSED.labels(door, why).inc()


@dataclass(slots=True)
class Attempts:
    """Wrong credentials of the last minutes, by door and address; the addresses that failed
    longest ago are forgotten first."""

    clock: Callable[[], datetime]
    _failures: OrderedDict[tuple[Door, str], deque[datetime]] = field(default_factory=OrderedDict)

    def failed(self, door: Door, address: str) -> int:
        """Count a wrong credential. Seconds until one from this address is counted anew; 0 while
        there were not too many."""
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
        """Seconds for which wrong credentials from this address are answered 429; 0: none."""
        now = self.clock()
        recent = self._failures.get((door, network_of(address)), deque())
        while recent and recent[0] + WINDOW <= now:
            recent.popleft()
        if len(recent) < MOST_FAILURES:
            return 0
        return max(1, round((recent[0] + WINDOW - now).total_seconds()))


def network_of(address: str) -> str:
    """The address itself, or the network of an IPv6 address; "" for what is none."""
    try:
        found = ip_address(address)
    except ValueError:
        return ""
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((int(found), IPV6_NETWORK_BITS), strict=False))
