"""Turns Vtiger's answers into results, or its three kinds of failure into the error tree.

Contract page Vtiger §0.1: HTTP 200 with `success: false`, HTTP 500 with an empty body, and
HTTP 200 with text that is not JSON.
"""

from collections.abc import Mapping
from typing import Any

from app.errors import (
    AuthRejected,
    Duplicate,
    NotFound,
    Rejected,
    RemoteError,
    RemoteUnavailable,
    ResponseUnreadable,
    System,
)
from app.json_shapes import NotJson, parse_json
from app.transport import Answer, explain_code, refuse_status

VTIGER = System.VTIGER

SESSION_CODES = frozenset(
    {"INVALID_SESSIONID", "SESSION_EXPIRED", "SESSION_LEFT_IDLE", "AUTHENTICATION_REQUIRED"}
)
AUTH_CODES = SESSION_CODES | {"INVALID_USER_CREDENTIALS", "INVALID_AUTH_TOKEN"}
GONE_CODES = frozenset({"RECORD_NOT_FOUND", "ACCESS_DENIED"})
BROKEN_CODES = frozenset({"INTERNAL_SERVER_ERROR", "DATABASE_QUERY_ERROR"})
LOGIN_OPERATIONS = frozenset({"getchallenge", "login"})
ID_OPERATIONS = frozenset({"retrieve", "revise", "delete"})
BAD_ID = "INVALID_ID_ATTRIBUTE"
DUPLICATE_CODE = "0"


def read_result(answer: Answer, operation: str, *, write: bool) -> Any:
    """The `result` of a success; anything else raises (contract page Vtiger §0 and §1, Errors)."""
    envelope = find_envelope(answer.body)
    if envelope is None:
        refuse_status(VTIGER, answer, write=write)
        raise _refuse_text(answer, write=write)
    if envelope["success"] is True and "result" in envelope:
        return envelope["result"]
    raise read_error(envelope, operation, write=write)


def read_error(envelope: Mapping[str, Any], operation: str, *, write: bool) -> RemoteError:
    """The error that `{"success": false, "error": {"code", "message"}}` tells.

    A missing, deleted or hidden record is ACCESS_DENIED (11-err-retrieve-notfound, 52-err-*),
    but so are an unknown module or field and a forbidden create, which no id stands behind.
    INVALID_ID_ATTRIBUTE is a bad id where it is all that was sent; in a record it is about some
    reference of it (84-stock-create-order), and may come when the row is made already.
    INTERNAL_SERVER_ERROR may come after a write was done (an add-on's handler failed), as may a
    create's RECORD_NOT_FOUND (page Vtiger add-on writes, F1).
    """
    code, message = find_code(envelope), _find_message(envelope)
    summary = explain_code(code)
    if code in AUTH_CODES or operation in LOGIN_OPERATIONS:
        return AuthRejected(VTIGER, message, code=code, summary=summary)
    if _is_gone(code, operation):
        text = f"no such record, or hidden from the API user ({message})"
        return NotFound(VTIGER, text, code=code, summary=summary)
    if code == DUPLICATE_CODE:
        return Duplicate(VTIGER, message, code=code, summary=summary)
    if code in BROKEN_CODES or (code == "RECORD_NOT_FOUND" and write):
        return RemoteUnavailable(VTIGER, message, code=code, ambiguous=write, summary=summary)
    ambiguous = write and code == BAD_ID
    return Rejected(VTIGER, message, code=code, ambiguous=ambiguous, summary=summary)


def _is_gone(code: str, operation: str) -> bool:
    """Only an operation that names a record can be told that it is not there."""
    if code == BAD_ID:
        return operation in ID_OPERATIONS - {"revise"}
    return code in GONE_CODES and operation in ID_OPERATIONS


def find_envelope(body: bytes) -> Mapping[str, Any] | None:
    """The JSON object with `success` in a body, None if it is not one."""
    try:
        data = parse_json(body)
    except NotJson:
        return None
    return data if isinstance(data, dict) and "success" in data else None


def find_code(envelope: Mapping[str, Any]) -> str:
    """The error's code as text; a duplicate's is the number 0 (20-err-account-duplicate)."""
    error = envelope.get("error")
    return str(error.get("code", "")) if isinstance(error, Mapping) else ""


def _find_message(envelope: Mapping[str, Any]) -> str:
    error = envelope.get("error")
    return str(error.get("message", "")) if isinstance(error, Mapping) else "no message"


def _explain(answer: Answer) -> str:
    """Why a body is no envelope, with the first characters that are none of JSON's."""
    try:
        parse_json(answer.body)
    except NotJson as fault:
        return str(fault)
    return "it is JSON, but no object with `success`"


def _refuse_text(answer: Answer, *, write: bool) -> RemoteError:
    """11-err-create-bad-owner answers with a sentence, and has made the record all the same."""
    if answer.status in {401, 403}:
        message = f"something in front of Vtiger refused the request (HTTP {answer.status})"
        return AuthRejected(VTIGER, message, status=answer.status)
    summary = f"expected JSON ({len(answer.body)} bytes, HTTP {answer.status})"
    message = f"{summary}: {_explain(answer)}"
    ambiguous = write and answer.status < 400
    return ResponseUnreadable(
        VTIGER, message, status=answer.status, ambiguous=ambiguous, summary=summary
    )
