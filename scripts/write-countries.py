"""Writes app/woocommerce/countries.json from a shop's answer of `GET wc/v3/data/countries`.

Usage: .venv/bin/python scripts/write-countries.py VERSION < answer.json
"""

import json
import sys
from pathlib import Path

TARGET = Path(__file__).parent.parent / "app" / "woocommerce" / "countries.json"
SOURCE = (
    "Facts taken from the answer of GET wc/v3/data/countries of WooCommerce {version} in English "
    "(code, name, states); written by scripts/write-countries.py."
)


def main(version: str) -> None:
    countries = [
        f"{json.dumps(country['code'])}: {_country(country)}" for country in json.load(sys.stdin)
    ]
    source = json.dumps(SOURCE.format(version=version))
    text = f'{{"source": {source},\n"countries": {{\n' + ",\n".join(countries) + "\n}}\n"
    TARGET.write_text(text, encoding="utf-8")


def _country(country: dict[str, object]) -> str:
    rows = country["states"]
    states = {str(row["code"]): row["name"] for row in rows} if isinstance(rows, list) else {}
    return json.dumps({"name": country["name"], "states": states}, ensure_ascii=False)


if __name__ == "__main__":
    main(sys.argv[1])
