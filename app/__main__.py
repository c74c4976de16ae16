"""`python -m app`: the `woo-vtiger` command where its script is not installed."""

from app.cli import app

app(prog_name="woo-vtiger")
