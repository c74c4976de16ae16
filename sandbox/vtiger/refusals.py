"""The ways webservice.php says no: an error envelope, a PHP fatal, or a page of plain text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal(Exception):
    """An error answered as HTTP 200 with `{"success": false, "error": {code, message}}`.

    `code` is text except for a duplicate, where it is the integer 0 (contract page Vtiger §1).
    """

    code: str | int
    message: str


class PhpFatal(Exception):
    """PHP died: HTTP 500 with an empty body (recording 23-err-unit_price-comma)."""


class RestrictedFile(Exception):
    """HTTP 200 with plain text; what was saved stays saved (recording 11-err-create-bad-owner)."""

    text = "Sorry! Attempt to access restricted file."


DENIED = "Permission to perform the operation is denied"


def denied(suffix: str = "") -> Refusal:
    return Refusal("ACCESS_DENIED", DENIED + suffix)


def no_value(field: str) -> Refusal:
    return Refusal("MANDATORY_FIELDS_MISSING", f"{field} does not have a value")


def duplicate() -> Refusal:
    return Refusal(0, "Duplicate(s) detected!")


def syntax(token: str, unexpected: str, expected: str = "SEMICOLON") -> Refusal:
    """Recordings 11-err-query-syntax, 11-query-no-semicolon, 53-err-query-*."""
    message = (
        f"Syntax Error on line 1: token '{token}' Unexpected {unexpected}, "
        f"expected one of: {expected}"
    )
    return Refusal("QUERY_SYNTAX_ERROR", message)


def internal_error() -> Refusal:
    return Refusal("INTERNAL_SERVER_ERROR", "Unknown Error while processing request")


def wrong_id() -> Refusal:
    return Refusal("INVALID_ID_ATTRIBUTE", "Id specified is incorrect")


def no_such_record() -> Refusal:
    return Refusal("RECORD_NOT_FOUND", "Record you are trying to access is not found")


def invalid_record(message: str) -> Refusal:
    """The add-on's word for one record of woosync_save that is not as it has to be."""
    return Refusal("INVALID_RECORD", message)


def mandatory_missing() -> Refusal:
    return Refusal("MANDATORY_FIELDS_MISSING", "Mandatory Fields Missing..")
