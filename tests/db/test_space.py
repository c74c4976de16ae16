"""Room for the embedded database: told in time."""

from pathlib import Path

import pytest

from app.config.settings import Settings
from app.db.embedded import NEEDED_MB, PLENTY_MB, describe_space, free_megabytes
from app.doctor.findings import Verdict
from app.doctor.host import check_space
from tests.setting import TOKEN


def settings(folder: Path, **chosen: str) -> Settings:
    return Settings.model_validate({"data_dir": folder, "api_tokens": [TOKEN], **chosen})


def test_what_is_free_is_told_of_the_disk_that_the_data_are_on(tmp_path: Path) -> None:
    assert free_megabytes(settings(tmp_path)) is None
    (tmp_path / "postgresql").mkdir()
    assert (free_megabytes(settings(tmp_path)) or 0) > 0


def test_a_server_of_ones_own_is_its_keepers_affair(tmp_path: Path) -> None:
    (tmp_path / "postgresql").mkdir()
    elsewhere = settings(tmp_path, database_url="postgresql://somewhere/else")
    assert free_megabytes(elsewhere) is None
    assert check_space(None) == []


@pytest.mark.parametrize(
    ("free", "state"),
    [(NEEDED_MB, "ok"), (NEEDED_MB - 1, "63 MB free on the data's disk: free some space")],
)
def test_readiness_fails_before_the_disk_is_full(free: int, state: str) -> None:
    assert describe_space(free) == state


@pytest.mark.parametrize(
    ("free", "verdict"),
    [
        (PLENTY_MB, Verdict.OK),
        (PLENTY_MB - 1, Verdict.WARNING),
        (NEEDED_MB, Verdict.WARNING),
        (NEEDED_MB - 1, Verdict.FAILED),
    ],
)
def test_the_doctor_warns_earlier(free: int, verdict: Verdict) -> None:
    [finding] = check_space(free)
    assert finding.verdict is verdict
