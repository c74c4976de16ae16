"""The guide to mappings of one's own names every transform and every part of a row."""

from pathlib import Path

from app.mapping.transforms import OFFERED
from app.policies.repository import MappingRow

GUIDE = (Path(__file__).parent.parent.parent / "docs" / "custom-mappings.md").read_text()


def test_the_guide_names_every_transform() -> None:
    assert [name for name in OFFERED if f"`{name}`" not in GUIDE] == []


def test_the_guide_names_every_part_of_a_row() -> None:
    assert [name for name in MappingRow.model_fields if f"`{name}`" not in GUIDE] == []
