"""What one process counts for Prometheus: each API process and each worker tells its own.

What all of them share (the inbox, breakers, polls) is read from the database when it is asked for.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()
REMOTE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

ACCEPTED = Counter(
    "woo_vtiger_deliveries_accepted",
    "Hints that were stored, by the system they tell of, how they came, and whether a twin waited.",
    ("store", "source", "origin", "module", "duplicate"),
    registry=REGISTRY,
)
IGNORED = Counter(
    "woo_vtiger_webhooks_ignored",
    "Signed webhooks of topics that no module syncs: answered 200, and not stored.",
    ("store", "resource"),
    registry=REGISTRY,
)
OUTCOMES = Counter(
    "woo_vtiger_outcomes",
    "Rows written to the Sync Log.",
    ("store", "module", "target", "outcome", "reason"),
    registry=REGISTRY,
)
SYNC_SECONDS = Histogram(
    "woo_vtiger_sync_seconds",
    "Time from taking a record's hints in hand to its row in the Sync Log.",
    ("module",),
    registry=REGISTRY,
)
RETRIES = Counter(
    "woo_vtiger_retries",
    "Times that the hints of a record were given back to be tried later.",
    ("module", "reason"),
    registry=REGISTRY,
)
REMOTE_SECONDS = Histogram(
    "woo_vtiger_remote_seconds",
    "Time of one exchange with a system, logins included.",
    ("system", "verb"),
    buckets=REMOTE_BUCKETS,
    registry=REGISTRY,
)
REMOTE_ERRORS = Counter(
    "woo_vtiger_remote_errors",
    "Exchanges that failed or were refused, by reason code.",
    ("system", "reason"),
    registry=REGISTRY,
)
CALLS_LEFT = Gauge(
    "woo_vtiger_vtiger_calls_left",
    "Calls that Vtiger Cloud still allows, per window (`day`, `minute`).",
    ("window",),
    registry=REGISTRY,
)
REFUSED = Counter(
    "woo_vtiger_refused",
    "Requests without the right credential, by door (`sign_in`, `api`, `webhook`, `callback`,"
    " `addon`) and by why (`missing`, `wrong`, `throttled`, `expired`, `stale`).",
    ("door", "why"),
    registry=REGISTRY,
)
