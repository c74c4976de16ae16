"""`token`: manage API tokens."""

import re
from datetime import UTC, datetime, timedelta

import typer

from app.cli.console import ERR, OUT, new_table, print_json, run
from app.cli.context import cli_sessions, load_cli_settings
from app.cli.failures import FAILED
from app.db.session import transaction
from app.domain import Scope
from app.policies.access import create_token, revoke_token, search_tokens
from app.policies.models import ApiToken

NEVER = "never"
DAYS = re.compile(r"([1-9][0-9]{0,4})d")


def create(*, name: str, scope: Scope, expires: str, json: bool) -> None:
    expires_at = read_expiry(expires, datetime.now(UTC))
    token, secret = run(_create(name, scope, expires_at))
    if json:
        print_json(_as_json(token) | {"token": secret})
        return
    until = f"until {_shown(token.expires_at)}" if token.expires_at else "until it is revoked"
    ERR.print(f"Token {token.id} ({token.scope}) for {name}, valid {until}, shown only once:")
    OUT.print(secret)


def read_expiry(text: str, now: datetime) -> datetime | None:
    """When a token expires, None for never. Raises BadParameter."""
    if text == NEVER:
        return None
    if match := DAYS.fullmatch(text):
        return now + timedelta(days=int(match[1]))
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise typer.BadParameter(
            "Enter days, such as 90d, a date, such as 2027-06-30, or never.", param_hint="--expires"
        ) from None
    end = day + timedelta(days=1)
    if end <= now:
        raise typer.BadParameter("This date is in the past.", param_hint="--expires")
    return end


async def _create(name: str, scope: Scope, expires_at: datetime | None) -> tuple[ApiToken, str]:
    async with cli_sessions(load_cli_settings()) as sessions, transaction(sessions) as session:
        token, secret = await create_token(session, name, scope=scope, expires_at=expires_at)
        await session.refresh(token)
        return token, secret


def list_tokens(*, json: bool) -> None:
    found = run(_search())
    if json:
        print_json([_as_json(token) for token in found])
        return
    heads = ("Id", "Name", "Scope", "Made", "Last used", "Expires", "Revoked")
    table = new_table(*heads, numbers=("Id",))
    for token in found:
        made, used, revoked = map(_shown, (token.created_at, token.last_used_at, token.revoked_at))
        expires = _shown(token.expires_at) or NEVER
        table.add_row(str(token.id), token.name, token.scope, made, used, expires, revoked)
    OUT.print(table)


async def _search() -> list[ApiToken]:
    async with cli_sessions(load_cli_settings()) as sessions, sessions() as session:
        return list(await search_tokens(session))


def revoke(token_id: int) -> None:
    if not run(_revoke(token_id)):
        ERR.print(f"There is no valid token {token_id}.", style="red")
        raise typer.Exit(FAILED)
    OUT.print(f"Token {token_id} is revoked.")


async def _revoke(token_id: int) -> bool:
    async with cli_sessions(load_cli_settings()) as sessions, transaction(sessions) as session:
        return await revoke_token(session, token_id)


def _shown(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else ""


def _as_json(token: ApiToken) -> dict[str, object]:
    names = ("name", "scope", "created_at", "last_used_at", "expires_at", "revoked_at")
    return {"id": str(token.id)} | {name: getattr(token, name) for name in names}
