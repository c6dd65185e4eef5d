"""Follows orders that are under way, and tells the browser when one changed.

Two threads that begin when somebody looks at orders, or when some were under way when the server
started: one follows the data pool's events, the other looks at the orders that this server carries
out itself, and whether memory ran out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from jupyterlab_pelagos.known_orders import KnownOrders
from jupyterlab_pelagos.orders import Desk
from jupyterlab_pelagos.places import has_pool
from jupyterlab_pelagos.server_status import ServerWatch
from jupyterlab_pelagos.shared import Shared

_SILENCE = 40.0  # seconds without a byte, which the service sends every 15
_INTEREST = 120.0  # seconds for which all orders are followed after somebody looked at them
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_SHORT = 5.0  # seconds: a stream that ends sooner is no good
_LOOK, _SLOW_LOOK = 1.0, 5.0
_EVENTS_PAUSE = 0.5  # between two of one order
_JOIN = 5.0
_OVER = ("ready", "failed", "cancelled", "expired")


class Watcher:
    """Both threads. `wake` begins, `stop` ends them."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._desk, self._known = shared.one(Desk), shared.one(KnownOrders)
        self._memory = shared.one(ServerWatch)
        self._stopping = threading.Event()
        self._news = threading.Event()  # somebody looks, or made an order
        self._changed = threading.Event()  # the same, for the thread of local orders
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._until = 0.0
        self._end_stream: Callable[[], None] | None = None
        self._told: dict[str, tuple[int, float]] = {}  # sequence and when it was told
        self._running: set[str] = set()  # orders of the data pool that are under way
        self._open: set[str] = set()  # local orders that were under way at the last look
        self._ended: set[str] = set()  # local orders that were over at the last look
        self._last = 0  # sequence of the newest event

    def begin(self) -> None:
        """If orders were under way when the server stopped."""
        known = self._known.get()
        self._running = {str(number) for number in known.under_way}
        if known.under_way or any(one.running for one in known.local.values()):
            self.wake()

    def wake(self) -> None:
        """Somebody looks at orders, or something was ordered."""
        self._until = time.monotonic() + _INTEREST
        self._start("pelagos-look", self._look)
        if has_pool():
            self._start("pelagos-follow", self._follow)
        self._news.set()
        self._changed.set()

    def gone(self, order: str) -> None:
        """An order was forgotten: nobody will say that it is over."""
        self._running.discard(order)

    def watch_memory(self) -> None:
        """Somebody looks at this server."""
        if self._memory.counts:
            self._start("pelagos-look", self._look)

    def _start(self, name: str, work: Callable[[], None]) -> None:
        with self._lock:
            if self._stopping.is_set() or any(one.name == name for one in self._threads):
                return
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End the threads, and the orders that this server carries out: the next one goes on."""
        with self._lock:
            self._stopping.set()
            threads, end = list(self._threads), self._end_stream
        self._news.set()
        self._changed.set()
        if end is not None:
            end()
        for thread in threads:
            thread.join(_JOIN)
        self._desk.pause()

    # the data pool's orders

    def _follow(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            self._news.clear()
            if self._stopping.is_set():  # since the last look
                return
            if not self._is_wanted():
                self._news.wait()
                continue
            began = time.monotonic()
            self._stream()
            if time.monotonic() - began > _SHORT:
                pause = _FIRST_PAUSE
            if self._is_wanted():  # the service is away, and asked less and less often
                self._stopping.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _is_wanted(self) -> bool:
        return bool(self._running) or time.monotonic() < self._until

    def _stream(self) -> None:
        """Follow the events until nobody wants them, or the service ends them."""
        from pelagos_client import hub_orders
        from pelagos_client.errors import ServiceError

        stream = None
        try:
            # what was over before is no news, and what was removed sends none
            found = self._desk.hub_orders()
            before, self._running = self._running, {one.id for one in found if one.can_cancel}
            for one in found:
                if one.id in before - self._running:
                    self._tell(one.id, one.sequence)
            self._last = self._last or max((one.sequence for one in found), default=0)
            last = str(self._last) if self._last else ""
            stream = hub_orders.SERVICE.events("/events", _SILENCE, last, self._opened)
            for event in stream:
                if event:
                    self._take(event)
                if self._stopping.is_set() or not self._is_wanted():
                    break
        except ServiceError as error:
            self._shared.log.debug("orders are not followed: %s", error)
        except Exception:  # a thread that dies silently would tell nothing ever after
            self._shared.log.exception("following orders")
        finally:
            with self._lock:
                self._end_stream = None
            if stream is not None:
                stream.close()

    def _opened(self, end: Callable[[], None]) -> None:
        with self._lock:
            self._end_stream = end
            stopped = self._stopping.is_set()
        if stopped:
            end()

    def _take(self, event: dict[str, object]) -> None:
        order, sequence = str(event["number"]), int(str(event["sequence"]))
        is_over = event["state"] in _OVER
        self._last = max(self._last, sequence)
        before = set(self._running)
        (self._running.discard if is_over else self._running.add)(order)
        if before != self._running:
            self._known.set_under_way(sorted(int(one) for one in self._running))
        if not is_over or order in before:
            self._shared.active()
        self._tell(order, sequence)

    # orders of this server

    def _look(self) -> None:
        self._resume()
        while not self._stopping.is_set():
            self._changed.clear()
            if self._stopping.is_set():
                return
            busy = False
            try:
                busy = self._look_once()
                if self._shared.kernels():
                    self._memory.look()
            except Exception:  # as above: the next look may succeed
                self._shared.log.exception("looking at orders")
            if busy:
                self._stopping.wait(_LOOK)
            else:
                self._changed.wait(_SLOW_LOOK if self._memory.counts else None)

    def _look_once(self) -> bool:
        """Tell of changes; whether an order is under way."""
        busy = False
        for name, entry in self._known.local().items():
            # whose end another server of this person asked for is followed until it came
            if not entry.running and name not in self._open:
                continue
            order = self._desk.show(name)
            self._tell(name, order.sequence)
            if order.state not in _OVER:
                self._open.add(name)
                self._ended.discard(name)
                self._shared.active()
            elif not self._stopping.is_set() and self._desk.take_over(name):
                self._ended.discard(name)
            elif name in self._ended:
                self._ended.discard(name)
                self._open.discard(name)
                self._known.set_running(name, False)
                continue
            else:  # looked at once more: the last change must be told
                self._ended.add(name)
            busy = True
        return busy

    def _resume(self) -> None:
        """Go on with what a server that stopped had begun."""
        from pelagos_client.errors import PelagosError

        for name, entry in self._known.local().items():
            if not entry.running:
                continue
            try:
                self._desk.resume(name)
            except PelagosError as error:
                self._shared.log.info("%s: %s", name, error)
            except Exception:  # one order must not keep the others from going on
                self._shared.log.exception("%s", name)

    def _tell(self, order: str, sequence: int) -> None:
        before, when = self._told.get(order, (0, 0.0))
        if sequence <= before:
            return
        # the last change must be told too, so it waits rather than being left out
        self._stopping.wait(max(0.0, min(_EVENTS_PAUSE, when + _EVENTS_PAUSE - time.monotonic())))
        self._told[order] = sequence, time.monotonic()
        self._shared.emit("order", order, sequence)
