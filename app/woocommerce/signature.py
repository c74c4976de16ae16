"""Webhook signatures: proof that a body came from the shop, checked on the raw bytes."""

import base64
import hashlib
import hmac
from collections.abc import Sequence


def sign(raw_body: bytes, secret: str) -> str:
    """base64(HMAC-SHA256(secret, body)), as in `X-WC-Webhook-Signature`.

    Contract page WooCommerce §1, recording hook_customer_created_oncreate.
    """
    digest = hmac.digest(secret.encode(), raw_body, hashlib.sha256)
    return base64.b64encode(digest).decode()


class SignatureCheck:
    """Whether one of the secrets made the signature of a body, which comes in parts and need not
    be kept; several secrets while one is being rotated.

    Every secret is tried, in constant time each. An empty secret verifies nothing: anyone could
    sign with it. Contract page WooCommerce §1.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._macs = [hmac.new(one.encode(), digestmod=hashlib.sha256) for one in secrets if one]

    def update(self, part: bytes) -> None:
        for mac in self._macs:
            mac.update(part)

    def is_made_by(self, signature: str) -> bool:
        given = signature.strip().encode()
        wanted = [base64.b64encode(mac.digest()) for mac in self._macs]
        matches = [hmac.compare_digest(each, given) for each in wanted]
        return any(matches)
