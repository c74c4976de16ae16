"""Modules without a record behind them: users, groups, currencies, taxes, product taxes."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from sandbox.vtiger import collation, columns, php
from sandbox.vtiger.database import Database, Record
from sandbox.vtiger.refusals import Refusal, denied, no_value
from sandbox.vtiger.schema import Field, Module, recorded
from sandbox.vtiger.table import Table, Written
from sandbox.vtiger.users import GROUPS, CrmUser

Element = Mapping[str, Any]


def not_found() -> Refusal:
    return Refusal("RECORD_NOT_FOUND", "Record not found")


class Actors(Table):
    """A read-only actor module; the subclasses allow what the real system allows."""

    def create(self, _element: Element, _user: CrmUser, /) -> Written:
        raise denied()

    def update(self, _element: Element, _user: CrmUser, /) -> Written:
        raise denied()

    def revise(self, _element: Element, _user: CrmUser, /) -> Written:
        raise denied()

    def delete(self, _ws_id: str, _user: CrmUser, /) -> Record:
        raise denied()

    def get(self, ws_id: str) -> Record:
        record = next((row for row in self.rows() if self.ws_id(row) == ws_id), None)
        if record is None:
            raise not_found()
        return record

    def read(self, record: Record, user: CrmUser, /) -> dict[str, Any]:
        return {field.name: self.value(record, field.name, user) for field in self.columns()}

    def _written(self, record: Record, user: CrmUser) -> Written:
        return Written(record, self.read(record, user))


class UserActors(Actors):
    """Logins as rows (recording 24-query-users); they cannot be written (24-create-user-*)."""

    def create(self, _element: Element, _user: CrmUser, /) -> Written:
        raise denied(" for id")

    def get(self, ws_id: str) -> Record:
        record = next((row for row in self.rows() if self.ws_id(row) == ws_id), None)
        if record is None:
            raise denied()
        return record

    def rows(self) -> Iterable[Record]:
        return [_user_row(user) for user in self.database.users.all()]

    def columns(self) -> list[Field]:
        return [self.module.fields[name] for name in recorded("user")]

    def read(self, record: Record, user: CrmUser, /) -> dict[str, Any]:
        row = super().read(record, user)
        return row | {"label": php.encode_entities(row["userlabel"])}


def _user_row(user: CrmUser) -> Record:
    values: dict[str, str] = recorded("user") | {
        "user_name": user.user_name,
        "is_admin": "on" if user.is_admin else "off",
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email1": user.email,
        "is_owner": "1" if user.id == 1 else "0",
        "date_format": user.date_format,
        "time_zone": user.time_zone,
        "language": user.language,
        "currency_decimal_separator": user.decimal_separator,
        "no_of_currency_decimals": "" if user.currency_decimals is None else str(user.decimals),
        "userlabel": user.label,
    }
    return Record(user.id, "Users", values)


class GroupActors(Actors):
    def rows(self) -> Iterable[Record]:
        return [Record(number, "Groups", {"groupname": name}) for number, name in GROUPS.items()]


class CurrencyActors(Actors):
    """Currencies; the first is the base currency (recordings 72-currency-*)."""

    def __init__(self, database: Database, module: Module) -> None:
        super().__init__(database, module)
        base = {
            "currency_name": "Euro",
            "currency_code": "EUR",
            "currency_symbol": "€",
            "conversion_rate": "1.00000",
            "currency_status": "Active",
            "defaultid": "-11",
            "deleted": "0",
        }
        database.put(Record(1, module.name, base))

    def create(self, element: Element, user: CrmUser, /) -> Written:
        for name in self.module.mandatory:
            if element.get(name) in (None, ""):
                raise no_value(name)
        sent = {name: php.text(value) for name, value in element.items()}
        values = {name: sent.get(name, "") for name in self.module.fields if name != "id"}
        rate = columns.leading_number(values["conversion_rate"])
        values["conversion_rate"] = f"{rate.quantize(Decimal('0.00001')):f}"
        record = Record(_next_number(self), self.module.name, values)
        return self._written(self.database.put(record), user)


class TaxActors(Actors):
    """Taxes. A change looks `taxname` up by the label, which corrupts it (recordings 70-tax-*)."""

    def __init__(self, database: Database, module: Module) -> None:
        super().__init__(database, module)
        for label, rate in (("VAT", "4.500"), ("Sales", "10.000"), ("Service", "12.500")):
            self._put(label, rate)

    def create(self, element: Element, user: CrmUser, /) -> Written:
        label, rate = php.text(element.get("taxlabel")), _rate(element.get("percentage"))
        return self._written(self._put(label, rate), user)

    def update(self, element: Element, user: CrmUser, /) -> Written:
        record = self.get(php.text(element.get("id")))
        label = php.text(element.get("taxlabel", record.values["taxlabel"]))
        record.values["taxname"] = self._name_labelled(label)
        record.values["taxlabel"] = label
        if "percentage" in element:
            record.values["percentage"] = _rate(element["percentage"])
        return self._written(record, user)

    def revise(self, element: Element, user: CrmUser, /) -> Written:
        return self.update(element, user)

    def delete(self, ws_id: str, _user: CrmUser, /) -> Record:
        record = self.get(ws_id)
        record.deleted = True
        return record

    def value(self, record: Record, name: str, user: CrmUser, /) -> str:
        return "[]" if name in ("compoundon", "regions") else super().value(record, name, user)

    def read(self, record: Record, _user: CrmUser, /) -> dict[str, Any]:
        return {"taxid": str(record.number), **record.values, "id": self.ws_id(record)}

    def _put(self, label: str, rate: str) -> Record:
        number = _next_number(self)
        values = {"taxname": f"tax{number}", "taxlabel": label, "percentage": rate}
        values |= {"deleted": "0", "method": "Simple", "type": "Fixed"}
        return self.database.put(Record(number, self.module.name, values))

    def _name_labelled(self, label: str) -> str:
        wanted = collation.key(label)
        names = [
            row.values["taxname"]
            for row in self.rows()
            if collation.key(row.values["taxlabel"]) == wanted
        ]
        return names[-1] if names else ""


class ProductTaxActors(Actors):
    """Unusable in the real system: no rows ever, creating fails (recordings 71-*)."""

    def create(self, _element: Element, _user: CrmUser, /) -> Written:
        raise not_found()


def _next_number(actors: Actors) -> int:
    return actors.database.highest(actors.module.name) + 1


def _rate(sent: Any) -> str:
    return columns.to_decimal(php.text(sent), Field("percentage", "double", "decimal(7,3)"))
