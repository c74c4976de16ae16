"""The states of a delivery, for whoever asks for one without needing the table."""

from enum import StrEnum


class DeliveryState(StrEnum):
    """Where a delivery stands; `dead` waits for a person."""

    PENDING = "pending"
    PROCESSING = "processing"
    DONE = "done"
    DEAD = "dead"
