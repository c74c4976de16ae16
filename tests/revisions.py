"""Earlier revisions of a database."""

from alembic import command
from alembic.config import Config
from sqlalchemy import NullPool, create_engine

from app.db.opening import MIGRATIONS, sqlalchemy_url


def downgrade(address: str, revision: str) -> None:
    """Go back to a revision, or by a number of them, such as `-3`."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    engine = create_engine(sqlalchemy_url(address), poolclass=NullPool)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
