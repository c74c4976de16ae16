"""What a person can do about an incident, in whole sentences; `code` in backticks."""

from app.errors import System
from app.incidents.models import IncidentKind

_GOES_ON = "What waits goes on by itself, in order, as soon as that is done."


def find_remedy(kind: str, system: System, store: str) -> str:
    """For an incident of this kind; "" for a kind of an earlier version."""
    if kind == IncidentKind.AUTH_REJECTED:
        return _set_key(system, store)
    return _REMEDIES[IncidentKind(kind)].format(system=system.label) if kind in _REMEDIES else ""


def _set_key(system: System, store: str) -> str:
    if system is System.VTIGER:
        return (
            "See in Vtiger that the API user is active and may write, copy the access key from the"
            " user's preferences to `VTIGER__ACCESS_KEY` and the user name to `VTIGER__USERNAME`,"
            f" and restart the service. {_GOES_ON}"
        )
    return (
        "Make a new key with Read/Write permission in the shop (WooCommerce, Settings, Advanced,"
        f" REST API), set it as `STORES__{store}__CONSUMER_KEY` and"
        f" `STORES__{store}__CONSUMER_SECRET`, and restart the service. {_GOES_ON}"
    )


_REMEDIES = {
    IncidentKind.REMOTE_DOWN: (
        "See whether {system} can be opened in a browser, and whether this machine can reach it."
        " It is tried again all the time, and what waits goes on by itself, in order."
    ),
    IncidentKind.REMOTE_SLOW: (
        "See what keeps {system}'s server busy. Nothing is lost: a call without an answer is given"
        " up and made again later."
    ),
    IncidentKind.WEBHOOK_BROKEN: (
        "The service puts it in order by itself and catches up with what was missed. If it does"
        " not, see whether the shop can reach this service at `PUBLIC_URL`, then choose “Check"
        " everything now” on the Status page and “Mend what is safe”."
    ),
    IncidentKind.POLL_FAILED: (
        "It is tried again at the next poll, and nothing is lost. If it lasts, mend what the"
        " message names in {system}."
    ),
}
