"""Room on the disk of the embedded server, which ends where it cannot write its log ahead."""

import shutil

from app.settings import Settings

NEEDED_MB = 64
"""Four segments of the write-ahead log."""
PLENTY_MB = 1024
_MB = 1024 * 1024


def free_megabytes(settings: Settings) -> int | None:
    """What is free where the embedded server keeps its data; None for a server of one's own,
    or where nothing is kept yet."""
    folder = settings.data_dir / "postgresql"
    if settings.database_url is not None or not folder.exists():
        return None
    return shutil.disk_usage(folder).free // _MB


def describe_space(free: int) -> str:
    """`ok`, or what is left, for `/health/ready`."""
    return "ok" if free >= NEEDED_MB else f"{free} MB free where the data are: make room"
