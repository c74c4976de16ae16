"""What a token may do and how long, for whoever asks without needing the table of tokens."""

from datetime import timedelta
from enum import StrEnum

LIFETIME = timedelta(days=365)
"""Until a token expires for which nothing else was said."""


class Scope(StrEnum):
    """What a token may do; `admin` includes `read`."""

    READ = "read"
    ADMIN = "admin"

    def covers(self, wanted: "Scope") -> bool:
        return self is Scope.ADMIN or self is wanted
