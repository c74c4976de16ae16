"""The shop's webhooks to this service: install, check, replace and remove them.

Contract page WooCommerce §1: seven consecutive failures disable a webhook, reactivating it does
not reset the count, and no call returns a secret. So a doubtful webhook is replaced: the new one is
created first. Only webhooks are touched that deliver to our own address, or whose ids are known to
be ours, even if their address was changed."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from app.domain import NotFound, RemoteError
from app.http.client import show_address
from app.woocommerce.client import WooClient
from app.woocommerce.schemas import WooWebhook
from app.woocommerce.webhook_delivery import TOPICS

NAME = "Woo–Vtiger Sync"
ACTIVE = "active"


class WebhookAction(StrEnum):
    """What is to be done with a topic's webhook; `keep` means nothing."""

    KEEP = "keep"
    CREATE = "create"
    REPLACE = "replace"
    RENEW = "renew"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class WebhookStep:
    """One action for one topic, on the existing webhook if there is one. `problem` says why it is
    needed, "" if it is not; `error` why it failed."""

    act: WebhookAction
    topic: str
    webhook: WooWebhook | None = None
    problem: str = ""
    error: RemoteError | None = None


@dataclass(frozen=True, slots=True)
class WebhookReport:
    """The steps that are needed or were done, by topic; surplus webhooks last."""

    steps: tuple[WebhookStep, ...]

    @property
    def healthy(self) -> bool:
        """Whether every topic had one active webhook, and none was delivered twice."""
        return all(step.act is WebhookAction.KEEP for step in self.steps)

    @property
    def failed(self) -> tuple[WebhookStep, ...]:
        return tuple(step for step in self.steps if step.error is not None)


def plan_webhooks(
    existing: Sequence[WooWebhook],
    delivery_url: str,
    *,
    topics: Sequence[str] = TOPICS,
    suspects: Collection[str] = (),
    known: Collection[str] = (),
) -> tuple[WebhookStep, ...]:
    """The steps to one active webhook for each topic at our address. Pure.

    `suspects` are ids of webhooks to replace although they are active, such as those whose
    signatures do not verify; `known` are ids of webhooks that are ours. Of several good ones for a
    topic the oldest is kept.
    """
    ours = sorted(
        (one for one in existing if one.delivery_url == delivery_url or one.id in known),
        key=lambda one: int(one.id),
    )
    steps = [_plan_topic(topic, ours, delivery_url, suspects) for topic in topics]
    used = {step.webhook.id for step in steps if step.webhook}
    surplus = (one for one in ours if one.id not in used)
    return (*steps, *(_surplus(one, topics) for one in surplus))


def _surplus(webhook: WooWebhook, topics: Sequence[str]) -> WebhookStep:
    problem = "there is another one" if webhook.topic in topics else "the topic is not needed"
    return WebhookStep(WebhookAction.REMOVE, webhook.topic, webhook, problem)


async def status(
    client: WooClient, delivery_url: str, *, known: Collection[str] = ()
) -> WebhookReport:
    """The state of the shop's webhooks and the steps needed; changes nothing (webhooks_list)."""
    return WebhookReport(plan_webhooks(await _all_webhooks(client), delivery_url, known=known))


async def install(
    client: WooClient, delivery_url: str, *, secret: str, known: Collection[str] = ()
) -> WebhookReport:
    """Give every topic an active webhook that signs with `secret`. Idempotent.

    Like `heal`, but healthy webhooks are sent the secret too, since it cannot be read back. Raises
    RemoteError only if the webhooks cannot be listed; one topic's failure is in its step.
    """
    plan = plan_webhooks(await _all_webhooks(client), delivery_url, known=known)
    return await _apply_all(client, _renewing(plan), delivery_url, secret)


async def heal(
    client: WooClient,
    delivery_url: str,
    *,
    secret: str,
    suspects: Collection[str] = (),
    known: Collection[str] = (),
) -> WebhookReport:
    """Replace webhooks that are paused, disabled, redirected or suspect, create missing ones, and
    remove duplicates and those of topics that are not needed.

    webhook_failure_sequence, webhook_get_disabled, webhook_reactivate. Errors as for `install`.
    """
    plan = plan_webhooks(await _all_webhooks(client), delivery_url, suspects=suspects, known=known)
    return await _apply_all(client, plan, delivery_url, secret)


async def remove(
    client: WooClient, delivery_url: str, *, known: Collection[str] = ()
) -> WebhookReport:
    """Delete every webhook that is ours, and no other. Errors as for `install`."""
    plan = plan_webhooks(await _all_webhooks(client), delivery_url, topics=(), known=known)
    return await _apply_all(client, plan, delivery_url, "")


def _plan_topic(
    topic: str, ours: Sequence[WooWebhook], delivery_url: str, suspects: Collection[str]
) -> WebhookStep:
    candidates = [one for one in ours if one.topic == topic]
    if not candidates:
        return WebhookStep(WebhookAction.CREATE, topic, problem="missing")
    problems = {one.id: _problem(one, delivery_url, suspects) for one in candidates}
    good = [one for one in candidates if not problems[one.id]]
    if good:
        return WebhookStep(WebhookAction.KEEP, topic, good[0])
    return WebhookStep(WebhookAction.REPLACE, topic, candidates[0], problems[candidates[0].id])


def _problem(webhook: WooWebhook, delivery_url: str, suspects: Collection[str]) -> str:
    """What is wrong with a webhook; "" if nothing is."""
    if webhook.delivery_url != delivery_url:
        return f"delivers to {show_address(webhook.delivery_url)}"
    if webhook.status != ACTIVE:
        return webhook.status
    return "its signatures do not verify" if webhook.id in suspects else ""


def _renewing(plan: Sequence[WebhookStep]) -> Iterator[WebhookStep]:
    for step in plan:
        keeps = step.act is WebhookAction.KEEP
        yield replace(step, act=WebhookAction.RENEW) if keeps else step


async def _apply_all(
    client: WooClient, plan: Sequence[WebhookStep] | Iterator[WebhookStep], url: str, secret: str
) -> WebhookReport:
    return WebhookReport(tuple([await _apply(client, step, url, secret) for step in plan]))


async def _apply(client: WooClient, step: WebhookStep, url: str, secret: str) -> WebhookStep:
    """Carry out one step; return it with its error, if any, so that the other steps go on."""
    try:
        if step.act in {WebhookAction.CREATE, WebhookAction.REPLACE}:
            await client.create_webhook(
                name=f"{NAME}: {step.topic}", topic=step.topic, delivery_url=url, secret=secret
            )
        if step.webhook and step.act is WebhookAction.RENEW:
            await client.update_webhook(step.webhook.id, {"secret": secret})
        if step.webhook and step.act in {WebhookAction.REPLACE, WebhookAction.REMOVE}:
            with suppress(NotFound):
                await client.delete_webhook(step.webhook.id)
    except RemoteError as error:
        return replace(step, error=error)
    return step


async def _all_webhooks(client: WooClient) -> list[WooWebhook]:
    page = await client.search_webhooks()
    found = list(page.items)
    for number in range(2, page.pages + 1):
        found += (await client.search_webhooks(page=number)).items
    return found
