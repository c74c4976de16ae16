"""Edits on both sides in any order, with writes that mangle and edits between read and write.

Whatever happens, an edit ends on the other side, or in a note, or in a reported conflict.
"""

from collections.abc import Mapping

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from app.domain import ConflictPolicy, Direction, System
from app.mapping.paths import set_path
from app.mapping.rules import ACCOUNT_NAME_SIZE, CONTACT_SIZES
from app.mapping.values import Agreed, Mapped, Patch, PatchOptions, Value
from app.modules.contacts.mapping import COMPANY, CONTACT_RULES, vtiger_patch, woo_patch
from app.sync.merge import Merge, merge, next_base
from tests.mapping.probes import probed_texts
from tests.mapping.systems import VtigerCrm, WooShop, vtiger_stores

WOO, VTIGER = System.WOOCOMMERCE, System.VTIGER
RULES = {rule.name: rule for rule in CONTACT_RULES}
PLACES = ["US", "DE", "United States", "Germany", "CA", "California", "DE-BY", "Bayern", "BY"]
TEXTS = st.one_of(
    st.sampled_from(PLACES),
    st.sampled_from([text for text in probed_texts() if "\ud83d" not in text]),
    st.text(alphabet="ab \n\\&;<>%0😀é�", max_size=8),
)
EMAILS = st.sampled_from(["anna@shop.example", "Berta@shop.example", "o'hara@x.example"])
WOO_PATHS = st.sampled_from([path for r in CONTACT_RULES for path in r.woo if path != "email"])
VTIGER_NAMES = st.sampled_from(list(RULES))


class Cycles(RuleBasedStateMachine):
    """Two systems, the people who edit them, and the sync between them."""

    def __init__(self) -> None:
        super().__init__()
        self.shop, self.crm = WooShop(), VtigerCrm()
        self.base: dict[str, Agreed] = {}
        self.policy = ConflictPolicy.ASK
        self.options = PatchOptions()
        self.known: dict[System, Mapping[str, Value]] = {WOO: {}, VTIGER: {}}
        self.open: set[str] = set()

    @initialize(policy=st.sampled_from(ConflictPolicy), too_long=st.sampled_from(["cut", "skip"]))
    def choose(self, policy: ConflictPolicy, too_long: str) -> None:
        self.policy = policy
        self.options = PatchOptions(too_long="cut" if too_long == "cut" else "skip")
        self.sync(newer=WOO, meanwhile=None)

    @rule(path=WOO_PATHS, text=TEXTS)
    def edit_woo(self, path: str, text: str) -> None:
        body: dict[str, object] = {}
        set_path(body, path, text)
        self.shop.put(body)

    @rule(email=EMAILS)
    def edit_woo_email(self, email: str) -> None:
        self.shop.put({"email": email})

    @rule(name=VTIGER_NAMES, text=TEXTS)
    def edit_vtiger(self, name: str, text: str) -> None:
        if name == COMPANY:
            self.crm.account = vtiger_stores(text, ACCOUNT_NAME_SIZE, revise=False)
        elif name != "last_name" or text:
            field = RULES[name].vtiger
            self.crm.data[field] = vtiger_stores(text, CONTACT_SIZES[field], revise=False)

    @rule(
        newer=st.sampled_from(System),
        meanwhile=st.none() | st.tuples(st.sampled_from(System), VTIGER_NAMES, TEXTS),
    )
    def sync(self, newer: System, meanwhile: tuple[System, str, str] | None) -> None:
        woo, vtiger = self.shop.mapped, self.crm.mapped
        merged = merge(
            self.base,
            woo,
            vtiger,
            rules=CONTACT_RULES,
            direction=Direction.BOTH,
            policy=self.policy,
            newer=newer,
        )
        self.check_conflicts(merged, woo, vtiger)
        to_woo, to_vtiger = self.patches(merged)
        if meanwhile:
            self.edit_meanwhile(merged, *meanwhile)
        self.shop.put(to_woo.body)
        woo_after = self.shop.mapped
        self.crm.apply(to_vtiger)
        vtiger_after = self.crm.mapped
        self.check_carried(merged, to_woo, after=woo_after, target=WOO)
        self.check_carried(merged, to_vtiger, after=vtiger_after, target=VTIGER)
        self.base = next_base(
            self.base,
            merged,
            woo_after=woo_after,
            vtiger_after=vtiger_after,
            unwritten=to_woo.unwritten | to_vtiger.unwritten,
        )
        self.known = {
            WOO: self.seen_by_sync(WOO, woo, woo_after, merged.to_woo),
            VTIGER: self.seen_by_sync(VTIGER, vtiger, vtiger_after, merged.to_vtiger),
        }

    def patches(self, merged: Merge) -> tuple[Patch, Patch]:
        return (
            woo_patch(merged.to_woo, CONTACT_RULES, current=self.shop.record, options=self.options),
            vtiger_patch(
                merged.to_vtiger, CONTACT_RULES, current=self.crm.record, options=self.options
            ),
        )

    def edit_meanwhile(self, merged: Merge, system: System, name: str, text: str) -> None:
        """Somebody saves between our read and our write, in a field that is not being written."""
        written = merged.to_woo if system is WOO else merged.to_vtiger
        touched = {RULES[other].given for other in written} | set(written)
        if name in touched:
            return
        if system is VTIGER:
            self.edit_vtiger(name, text)
        elif name != "email":
            self.edit_woo(RULES[name].woo[0], text)

    def seen_by_sync(
        self, system: System, read: Mapped, after: Mapped, written: Mapping[str, Value]
    ) -> dict[str, Value]:
        """What each field held the last time the sync looked; open conflicts stay as they were."""
        held = {name: (after if name in written else read).get(name) for name in RULES}
        return held | {name: self.known[system].get(name) for name in self.open}

    def changed(self, system: System, side: Mapped, name: str) -> bool:
        """Whether a person changed a field since the sync last looked at it."""
        before = self.known[system].get(name)
        return name not in side.derived and not RULES[name].same(before, side.get(name))

    def check_conflicts(self, merged: Merge, woo: Mapped, vtiger: Mapped) -> None:
        """Every edit goes to the other side or is in a conflict."""
        reported = {conflict.field for conflict in merged.conflicts}
        self.open = {conflict.field for conflict in merged.conflicts if not conflict.winner}
        for name, field in RULES.items():
            if self.known[WOO] and not field.same(woo.get(name), vtiger.get(name)):
                mine, theirs = self.changed(WOO, woo, name), self.changed(VTIGER, vtiger, name)
                if name in woo.derived and not field.canonical(vtiger.get(name)):
                    assert not theirs or merged.to_vtiger[name] == woo.get(name)
                elif mine and theirs:
                    assert name in reported
                elif mine:
                    assert merged.to_vtiger[name] == woo.get(name)
                elif theirs:
                    assert merged.to_woo[name] == vtiger.get(name)

    def check_carried(self, merged: Merge, patch: Patch, *, after: Mapped, target: System) -> None:
        """What was to be written is there, or a note says why not."""
        noted = {note.field for note in patch.notes}
        for name, value in (merged.to_woo if target is WOO else merged.to_vtiger).items():
            assert name in noted or RULES[name].same(after.get(name), value)

    def teardown(self) -> None:
        """Left alone, one more sync settles what is left, and the next writes nothing."""
        self.sync(newer=WOO, meanwhile=None)
        settled = merge(
            self.base,
            self.shop.mapped,
            self.crm.mapped,
            rules=CONTACT_RULES,
            direction=Direction.BOTH,
            policy=self.policy,
            newer=WOO,
        )
        assert (settled.to_woo, settled.to_vtiger) == ({}, {})


TestCycles = Cycles.TestCase
TestCycles.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
