"""PostgreSQL: the declarative base, sessions and the embedded server."""
