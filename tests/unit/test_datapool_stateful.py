"""Any order of what people, sources, the disk and the machine do ends well."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from downloader_by_hand import by_hand, trouble
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pelagos.datapool.database import url_of
from pelagos.datapool.delivery import DeliveryState, Outcome, Parcel
from pelagos.datapool.model import UNDER_WAY, FileState, OrderState
from pelagos.errors import AwayError, PelagosError

NAMES = ["a", "b", "c", "d", "u1", "u2", "e"]
MEANWHILE = ["nothing", "away", "failed", "cancel", "cancel and retry", "remove", "lose", "evict"]


class Orders(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
        self.stack.callback(shutil.rmtree, folder, ignore_errors=True)
        self.hand = self.stack.enter_context(by_hand(url_of(folder), folder / "pool"))

    def _one(self, data: st.DataObject, *states: OrderState) -> int:
        return data.draw(st.sampled_from(self.hand.orders(*states) or [0]))

    @rule(owner=st.sampled_from("xyz"), names=st.lists(st.sampled_from(NAMES), min_size=1))
    def create(self, owner: str, names: list[str]) -> None:
        self.hand.create(owner, *names)

    @rule(data=st.data(), what=st.sampled_from(["cancel", "retry", "remove"]))
    def change(self, data: st.DataObject, what: str) -> None:
        if number := self._one(data):
            with suppress(PelagosError):
                getattr(self.hand, what)(number)

    @rule()
    def look(self) -> None:
        self.hand.look()

    @rule(after=st.integers(0, 8))
    def look_without_a_database(self, after: int) -> None:
        with suppress(AwayError), trouble(after):
            self.hand.look()

    @rule()
    def begin(self) -> None:
        self.hand.begin()

    @precondition(lambda self: self.hand.flights)
    @rule(data=st.data(), how=st.sampled_from(["ok", "ok", "again", "fail", "wait", "stop"]))
    def end(self, data: st.DataObject, how: str) -> None:
        flights = sorted(self.hand.flights)
        flight = self.hand.flights[data.draw(st.sampled_from(flights))]
        may_be_empty = "may_be_empty" in flight.task.plan and how == "ok"
        self.hand.end(flight, data.draw(st.sampled_from(["ok", "empty"])) if may_be_empty else how)

    @rule()
    def write(self) -> None:
        self.hand.ledger.flush()

    @rule(how=st.sampled_from(MEANWHILE), looks=st.booleans(), after=st.integers(0, 30))
    def finish(self, how: str, looks: bool, after: int) -> None:
        def meanwhile(parcel: Parcel) -> Outcome | None:
            self.hand.meanwhile = lambda parcel: None
            found: Any = None
            if how == "away":
                raise AwayError("The agent is away.")
            if how == "failed":
                found = Outcome(DeliveryState.FAILED, reason="It is full.")
            if "cancel" in how:
                self.hand.cancel(parcel.number)
            if "retry" in how:
                self.hand.retry(parcel.number)
            if how == "remove":
                self.hand.remove(parcel.number)
            if how == "lose":
                self.lose()
                self.hand.create("w", *NAMES)
            if how == "evict":
                self.evict()
            if looks:
                self.hand.look()
            return found

        self.hand.meanwhile = meanwhile
        with trouble(after):
            self.hand.finish()
        self.hand.meanwhile = lambda parcel: None

    @rule()
    def evict(self) -> None:
        self.hand.room.evict(10**9)

    def lose(self) -> None:
        """Somebody removes files from the disk."""
        for path in [*self.hand.pool.root.rglob("*.nc")][:1]:
            for number in self.hand.orders(OrderState.READY):
                if any(row.place.endswith(path.name) for row in self.hand.files(number)):
                    return  # nobody can see that before somebody looks
            path.unlink()

    @rule(seconds=st.sampled_from([1, 6, 200]))
    def wait(self, seconds: int) -> None:
        self.hand.clock.now += seconds

    @rule()
    def restart(self) -> None:
        with suppress(AwayError):
            self.hand.restart()

    @invariant()
    def holds(self) -> None:
        self.hand.check()

    def teardown(self) -> None:
        try:
            self._all_end_well()
        finally:
            self.stack.close()

    def _all_end_well(self) -> None:
        hand = self.hand
        for _ in range(12):
            hand.work(seconds=60)
        left = [hand.order(number) for number in hand.orders(*UNDER_WAY)]
        assert not left, f"for ever under way: {left}"
        hand.check()
        idle = {FileState.QUEUED.value, FileState.WAITING.value, FileState.FETCHING.value}
        assert not [row for row in hand.files() if row.state in idle], "nobody wants these"
        for number in hand.orders(OrderState.READY):
            row = hand.order(number)
            assert (row.files_ready, row.files_failed, row.sizes_unknown) == (row.files, 0, 0)
            assert row.bytes_done == row.bytes_known <= 10 * row.files


TestOrders = Orders.TestCase
TestOrders.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
