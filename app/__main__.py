"""The `woo-vtiger` command."""

from app.loading import loading

with loading():
    from app.cli import app


def main() -> None:
    app(prog_name="woo-vtiger")


if __name__ == "__main__":
    main()
