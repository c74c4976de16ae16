"""People of both systems who register, edit, double and leave at random, with every odd text."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

from sandbox.vtiger.refusals import Refusal
from sandbox.woocommerce.errors import RestError
from tests.world import World

TEXTS = (
    "", "Plain", "Zoë Müller", "Łódź", "東京", "Zoe\u0301", "Tom & Jerry", "Tom &amp; Jerry",
    "O'Neil", 'The "Firm"', "a < b > c", "<b>bold</b>", "<script>x</script>", "back\\slash",
    "0", " spaced  out ", "tab\there", "🎉 party", "family 👨‍👩‍👧", "100%", "%41%42", "&eacute;",
    "N;", "long " * 70, "x" * 45, "line\nbreak", "$1 ${x} {{y}}", "‏עברית", "null", "-",
)  # fmt: skip
COUNTRIES = ("FR", "DE", "US", "JP", "", "France", "Atlantis", "USA")
STATES = ("", "CA", "BY", "13", "Bavaria", "Nowhere", "New York")
COMPANIES = (
    "",
    "Acme",
    "ACME",
    "Ácme ",
    "Tom & Jerry",
    "Ünï <Co>",
    "a" * 120,
    "🎉 Ltd",
    "One",
    "Two",
)


@dataclass(slots=True)
class Crowd:
    """`act` lets somebody do something; ids are taken from what the two systems hold."""

    world: World
    random: Random
    _number: int = 0
    _acts: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        weighted = {
            self._edit_customer: 8,
            self._edit_contact: 8,
            self._change_email: 1,
            self._save_nothing: 1,
            self._delete_customer: 1,
            self.register: 1,
        }
        self._acts = [act for act, weight in weighted.items() for _ in range(weight)]

    async def act(self) -> None:
        """One act of one person; what a system refuses did not happen."""
        try:
            await self.random.choice(self._acts)()
        except (RestError, Refusal):
            return

    async def register(self) -> None:
        """Somebody new: in the shop, in the CRM, or in both at once."""
        self._number += 1
        email = f"person{self._number}@crowd.example"
        where = self.random.choice(("shop", "crm", "both"))
        if where != "crm":
            await self.world.customer(email, last_name=f"P{self._number}", **self._customer())
        if where != "shop":
            await self.world.contact(lastname=f"P{self._number}", email=email, **self._contact())

    def _customer(self) -> dict[str, object]:
        pick = self.random.choice
        billing = {
            "company": pick(COMPANIES),
            "address_1": pick(TEXTS),
            "address_2": pick(TEXTS),
            "city": pick(TEXTS),
            "country": pick(COUNTRIES),
            "state": pick(STATES),
            "phone": pick(TEXTS),
        }
        kept = self.random.sample(sorted(billing), self.random.randint(0, 3))
        fields: dict[str, object] = {"billing": {name: billing[name] for name in kept}}
        if self.random.random() < 0.3:
            fields["first_name"] = pick(TEXTS)
        if self.random.random() < 0.3:
            fields["shipping"] = {"city": pick(TEXTS), "country": pick(COUNTRIES)}
        return fields

    def _contact(self) -> dict[str, str]:
        pick = self.random.choice
        values = {
            "firstname": pick(TEXTS),
            "phone": pick(TEXTS),
            "mobile": pick(TEXTS),
            "mailingstreet": f"{pick(TEXTS)}\n{pick(TEXTS)}",
            "mailingcity": pick(TEXTS),
            "mailingzip": pick(TEXTS),
            "mailingcountry": pick(COUNTRIES),
            "mailingstate": pick(STATES),
            "othercity": pick(TEXTS),
        }
        kept = self.random.sample(sorted(values), self.random.randint(1, 4))
        return {name: values[name] for name in kept}

    def _any_customer(self) -> str:
        users = self.world.sandbox.shop.users
        return str(self.random.choice([user.id for user in users if user.role == "customer"]))

    def _any_contact(self) -> str:
        contact_id: str = self.random.choice(self.world.contacts())["id"]
        return contact_id

    async def _edit_customer(self) -> None:
        self.world.edit_customer(self._any_customer(), **self._customer())

    async def _edit_contact(self) -> None:
        values = self._contact()
        if self.random.random() < 0.2:
            accounts = [row["id"] for row in self.world.sandbox.crm.records("Accounts")]
            values["account_id"] = self.random.choice(["", *accounts])
        await self.world.edit_contact(self._any_contact(), **values)

    async def _change_email(self) -> None:
        """To a new address; never to one that somebody else may have."""
        self._number += 1
        email = f"Person{self._number}@crowd.example"
        if self.random.random() < 0.5:
            self.world.edit_customer(self._any_customer(), email=email)
        else:
            await self.world.edit_contact(self._any_contact(), email=email)

    async def _save_nothing(self) -> None:
        self.world.edit_customer(self._any_customer())
        await self.world.edit_contact(self._any_contact())

    async def _delete_customer(self) -> None:
        self.world.delete_customer(self._any_customer())
