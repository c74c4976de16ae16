"""A base survives being stored as JSON."""

import json

from hypothesis import given
from hypothesis import strategies as st

from app.mapping.values import Agreed, base_from_json, base_to_json

VALUES = st.none() | st.text()


@given(st.dictionaries(st.text(), st.builds(Agreed, VALUES, VALUES)))
def test_base_survives_json(base: dict[str, Agreed]) -> None:
    assert base_from_json(json.loads(json.dumps(base_to_json(base)))) == base
