"""All tables of this release, whichever of their modules the process has loaded so far."""

from importlib import import_module
from pathlib import Path

from sqlalchemy import MetaData

import app
from app.db.base import Base


def load_tables() -> MetaData:
    """The metadata of every `models.py` of the packages."""
    for path in sorted(Path(app.__file__).parent.glob("*/models.py")):
        import_module(f"app.{path.parent.name}.models")
    return Base.metadata
