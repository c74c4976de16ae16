"""Dashboard, alerts and the page name metrics that exist; page and dashboard name them all."""

import json
import re
from pathlib import Path

import yaml
from prometheus_client import Counter, Histogram

from app import observability
from app.sync import status

DOCS = Path(__file__).parent.parent / "docs"
NAME = re.compile(r"woo_vtiger_[a-z_]+")
SUFFIXES = re.compile(r"_(bucket|sum|count)$")


def known() -> set[str]:
    """As Prometheus shows them: counters end in _total."""
    families = {family.name for family in observability.REGISTRY.collect()}
    counters = {
        f"{each._name}_total"
        for each in vars(observability).values()
        if isinstance(each, Counter) and not isinstance(each, Histogram)
    }
    plain = families - {name.removesuffix("_total") for name in counters}
    shared = {
        status.STATE,
        status.OLDEST,
        status.WORKERS,
        status.POLLED,
        status.INCIDENTS,
    }
    shared |= {status.DECISIONS}
    return plain | counters | shared


def named(text: str) -> set[str]:
    return {SUFFIXES.sub("", name) for name in NAME.findall(text)}


def test_the_page_names_every_metric_and_no_other() -> None:
    assert named((DOCS / "monitoring.md").read_text()) == known()


def test_the_dashboard_shows_every_metric() -> None:
    dashboard = json.loads((DOCS / "monitoring" / "dashboard.json").read_text())
    shown = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in named(target["expr"])
    }
    assert shown == known()
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_alerts_watch_metrics_that_exist_and_say_what_to_do() -> None:
    groups = yaml.safe_load((DOCS / "monitoring" / "alerts.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    for rule in rules:
        assert named(rule["expr"])
        assert named(rule["expr"]) <= known()
        assert rule["annotations"]["description"].endswith(".")
    assert len({rule["alert"] for rule in rules}) == len(rules)
