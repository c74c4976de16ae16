"""What some options let one choose from."""

from enum import StrEnum


class Form(StrEnum):
    """CSV for a spreadsheet, or one JSON object a line, with changes, notes and conflicts."""

    CSV = "csv"
    NDJSON = "ndjson"


class VtigerVersion(StrEnum):
    """The releases of Community Edition that are imitated; the first unless one is named."""

    V8_2 = "8.2.0"
    V8_3 = "8.3.0"
    V8_4 = "8.4.0"


class AddonVersion(StrEnum):
    """The versions of the add-on that are imitated; the last one unless one is named."""

    V1_1 = "1.1.0"
    V2_0 = "2.0.0"
