"""The readback recordings: what was sent to a field of a contact, and what was read from it."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RECORDINGS = Path(__file__).parent.parent / "recordings"


def read_probes(name: str) -> Iterator[dict[str, Any]]:
    """Each probe of a gzipped recording, one JSON object a line."""
    with gzip.open(RECORDINGS / name, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def probed_texts() -> list[str]:
    """Every text that was ever sent to a contact field of either system, once."""
    names = ("woocommerce/readback-customers.jsonl.gz", "vtiger/readback-contacts.jsonl.gz")
    sent = [probe["sent"] for name in names for probe in read_probes(name)]
    return list(dict.fromkeys(text for text in sent if isinstance(text, str)))
