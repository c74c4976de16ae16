"""Refusals of the simulated REST API: one exception that is also the answer's body."""

from collections.abc import Mapping
from typing import Any


class RestError(Exception):
    """A WP_Error: `code`, message, HTTP status and whatever else its `data` carries."""

    def __init__(self, code: str, message: str, status: int, **data: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.data: Mapping[str, Any] = {"status": status, **data}

    def envelope(self) -> dict[str, Any]:
        """The JSON body `{"code", "message", "data"}`."""
        return {"code": self.code, "message": self.message, "data": dict(self.data)}


class FatalError(RestError):
    """PHP died in the middle of a request: 500, and what it had written stays written.

    Within a batch it ends the whole request (contract page readback, "fails the whole batch").
    """

    def __init__(self) -> None:
        message = (
            "<p>There has been a critical error on this website.</p>"
            '<p><a href="https://wordpress.org/documentation/article/faq-troubleshooting/">'
            "Learn more about troubleshooting WordPress.</a></p>"
        )
        super().__init__("internal_server_error", message, 500)
