"""The session cookie: a signed ticket that names a token, never holds one.

Whether the session is still open and its token still in force is asked at every request, so that
signing out ends a session, and revoking a token all of its sessions.
"""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from itsdangerous import BadSignature, Signer, URLSafeTimedSerializer

COOKIE = "woo_vtiger_session"
LASTS = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Ticket:
    """`holder` is a token's id, or the fingerprint of one of API_TOKENS; "" before sign-in."""

    nonce: str
    holder: str = ""


def new_ticket(holder: str = "") -> Ticket:
    """A nonce of its own for each session, so that no form outlives the session it was made for."""
    return Ticket(secrets.token_urlsafe(16), holder)


class Seal:
    """Signs and checks what goes through a browser, with the one secret all processes share."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._tickets = URLSafeTimedSerializer(
            secret, salt="session", signer_kwargs={"digest_method": sha256}
        )
        self._forms = Signer(secret, salt="form", digest_method=sha256)

    def close(self, ticket: Ticket) -> str:
        sealed = self._tickets.dumps([ticket.nonce, ticket.holder])
        return sealed if isinstance(sealed, str) else sealed.decode()

    def open(self, text: str) -> Ticket | None:
        """None for what is not ours, or too old."""
        try:
            nonce, holder = self._tickets.loads(text, max_age=int(LASTS.total_seconds()))
        except BadSignature:
            return None
        return Ticket(nonce, holder)

    def form_token(self, ticket: Ticket) -> str:
        """What the forms of a session carry, so that no other site can post them."""
        return self._forms.get_signature(ticket.nonce).decode()

    def is_form_token(self, ticket: Ticket, given: str) -> bool:
        return hmac.compare_digest(self.form_token(ticket).encode(), given.encode())

    def fingerprint(self, token: str) -> str:
        """Names a token of the settings, which has no id, without giving it away."""
        return "env:" + hmac.digest(self._secret.encode(), token.encode(), sha256).hex()

    def find_fingerprint(self, holder: str, tokens: Iterable[str]) -> bool:
        matches = [hmac.compare_digest(self.fingerprint(token), holder) for token in tokens]
        return any(matches)
