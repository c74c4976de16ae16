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


def verify(raw_body: bytes, signature: str, secrets: Sequence[str]) -> bool:
    """Whether one of the secrets made the signature; several while a secret is being rotated.

    Every secret is tried, in constant time each. An empty secret verifies nothing: anyone
    could sign with it. Contract page WooCommerce §1.
    """
    given = signature.strip().encode()
    matches = [
        hmac.compare_digest(sign(raw_body, secret).encode(), given) for secret in secrets if secret
    ]
    return any(matches)
