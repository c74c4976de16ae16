"""The kinds of values that settings take: a secret is never empty, nor a placeholder."""

import re
from ipaddress import ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StringConstraints

PLACEHOLDER = re.compile(
    r"<.*>|\.{2,}|(ck_|cs_|whsec_)?[x*.…]*|your[-_ ].*"
    r"|(ck_|cs_)?(change|replace|fill)[-_ ]?(me|this|in|it)?.*"
    r"|secrets?|passwords?|todo|tbd|none|null|placeholder|example|dummy|insert.*",
    re.IGNORECASE,
)


def _real(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value().strip()
    if not text:
        raise ValueError("is empty")
    if PLACEHOLDER.fullmatch(text):
        raise ValueError("still holds a placeholder")
    return SecretStr(text)


SHORTEST_TOKEN = 32
ENTITY = re.compile(r"&(?:[a-z][a-z0-9]*|#[0-9]+|#x[0-9a-f]+);", re.IGNORECASE)
RANDOM = "`openssl rand -hex 32` makes a good one"


def _long(token: SecretStr) -> SecretStr:
    """What opens the API must not be guessed; it is never typed by hand."""
    if len(token.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(f"has fewer than {SHORTEST_TOKEN} characters ({RANDOM})")
    return token


def _kept_by_shop(secret: SecretStr) -> SecretStr:
    """WooCommerce signs with wp_specialchars_decode() of the secret that it was given (contract
    page WooCommerce §1), so an HTML entity in it would make every signature another one."""
    if found := ENTITY.search(secret.get_secret_value()):
        raise ValueError(
            f"holds {found[0]}, which WooCommerce would decode before it signs ({RANDOM})"
        )
    return secret


def _web_address(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must start with http:// or https:// and a host")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("must hold no user, question mark or hash")
    return text.strip().rstrip("/")


def _network(text: str) -> str:
    """An address or a network, as 10.0.0.0/8."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"holds {text}, which is no address or network (names are none)") from None
    if "/" in text and str(network) != text:
        raise ValueError(f"holds {text}, which is an address within {network}: name one of the two")
    if not network.prefixlen:
        raise ValueError(f"holds {text}, which would let everybody say who they are")
    return str(network)


def _host(text: str) -> str:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.netloc != text or ("@" in text) or _has_port(text):
        raise ValueError(f"holds {text}: name hosts alone, without http:// and port")
    return parts.hostname


def _has_port(text: str) -> bool:
    return text.rpartition(":")[2].isdecimal() and text.count(":") == 1


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _empty_is_none(value: Any) -> Any:
    return None if value == "" else value


Secret = Annotated[SecretStr, AfterValidator(_real)]
WebhookSecret = Annotated[Secret, AfterValidator(_kept_by_shop)]
Token = Annotated[Secret, AfterValidator(_long)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Filled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
StoreKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_empty_is_none)]
OptionalAddress = Annotated[WebAddress | None, BeforeValidator(_empty_is_none)]
OptionalText = Annotated[str | None, BeforeValidator(_empty_is_none)]
Tokens = Annotated[tuple[Token, ...], BeforeValidator(_split)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_split)]
Hosts = Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], BeforeValidator(_split)]
Seconds = Annotated[float, Field(gt=0)]
