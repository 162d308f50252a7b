"""Signals that stop a run: SIGTERM (a batch system, preemption) and SIGINT (Ctrl+C).

By default a signal raises an exception at once. A training defers it to the end of its step, so
that the state it saves is whole; a second signal is not deferred.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Terminated(SystemExit):
    """SIGTERM, as batch systems send it at the end of a job's time."""


class StopRequest:
    """The signal that was received, and whether it is deferred.

    Attributes:
        received: number of the signal, 0 for none.
        deferred: a signal is kept in ``received``, and raises no exception.
        handled: the signals that this object handles.
    """

    def __init__(self) -> None:
        self.received = 0
        self.deferred = False
        self.handled: list[signal.Signals] = []

    def install(self) -> None:
        """Handle the signals of ``handled`` here again, where a library has put itself before."""
        for each in self.handled:
            signal.signal(each, self.handle)

    def handle(self, signum: int, frame: Any = None) -> None:
        """Keep the signal where it is deferred and the first; else raise its exception."""
        first = not self.received
        self.received = signum
        if not (self.deferred and first):
            self.stop()

    def stop(self) -> None:
        """Raise the exception of the signal that was received.

        Raises:
            Terminated: it was SIGTERM.
            KeyboardInterrupt: it was SIGINT.
        """
        self.deferred = False
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        # A second one must not interrupt what ends the run.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated(128 + self.received)


request = StopRequest()


@contextmanager
def raising_on_signals() -> Iterator[None]:
    """Raise :class:`Terminated` at SIGTERM and KeyboardInterrupt at SIGINT within the block.

    Handlers of the calling program, and other threads than the main one, are left alone.
    """
    request.received, request.deferred, request.handled = 0, False, []
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual: dict[signal.Signals, Any] = {
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGINT: signal.default_int_handler,
    }
    request.handled = [each for each in _SIGNALS if signal.getsignal(each) == usual[each]]
    request.install()
    try:
        yield
    finally:
        for each in request.handled:
            signal.signal(each, usual[each])
