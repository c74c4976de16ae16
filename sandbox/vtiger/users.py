"""The people and groups of the CRM; what a user prefers decides how prices are stored."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

GROUPS = {2: "Team Selling", 3: "Marketing Group", 4: "Support Group"}


@dataclass
class CrmUser:
    """A login. `id` is the number behind "19x", given when 0.

    `currency_decimals` None is the state before the first visit to the preferences, which rounds
    prices to whole numbers (contract page Vtiger §0.3).
    """

    user_name: str
    access_key: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    is_admin: bool = True
    currency_decimals: int | None = 2
    time_zone: str = "UTC"
    date_format: str = "yyyy-mm-dd"
    language: str = "en_us"
    decimal_separator: str = "."
    id: int = 0

    @property
    def ws_id(self) -> str:
        return f"19x{self.id}"

    @property
    def label(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def decimals(self) -> int:
        return self.currency_decimals or 0

    def answers(self, token: str, access_key: str) -> bool:
        """Whether `access_key` is the md5 of the challenge token and the user's own key."""
        proof = hashlib.md5((token + self.access_key).encode(), usedforsecurity=False)
        return proof.hexdigest() == access_key


class Users:
    """Logins by name and number. Numbers are shared with groups: the second login is 19x5."""

    def __init__(self, users: Iterable[CrmUser]) -> None:
        self._by_name: dict[str, CrmUser] = {}
        for user in users:
            self.add(user)

    def add(self, user: CrmUser) -> CrmUser:
        taken = {known.id for known in self.all()} | GROUPS.keys()
        user.id = user.id or (1 if not self._by_name else max(taken) + 1)
        self._by_name[user.user_name] = user
        return user

    def all(self) -> list[CrmUser]:
        return list(self._by_name.values())

    def find(self, user_name: str) -> CrmUser | None:
        return self._by_name.get(user_name)

    def get(self, user_name: str) -> CrmUser:
        return self._by_name[user_name]

    def find_by_id(self, ws_id: str) -> CrmUser | None:
        return next((user for user in self.all() if user.ws_id == ws_id), None)


def default_users() -> list[CrmUser]:
    """A person (19x1) and the dedicated API user of the service (19x5), as recorded."""
    return [
        CrmUser(
            "admin",
            "Xk4RAmyGTUUJze70",
            first_name="Lab",
            last_name="Administrator",
            email="admin@example.test",
            time_zone="America/New_York",
            date_format="dd-mm-yyyy",
        ),
        CrmUser(
            "apiuser",
            "sandboxApiKey5dec",
            last_name="apiuser",
            email="apiuser@example.test",
            currency_decimals=5,
        ),
    ]
