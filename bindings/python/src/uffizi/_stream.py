"""Streaming answers."""

from __future__ import annotations

import dataclasses
import queue
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._errors import Error

if TYPE_CHECKING:
    from types import TracebackType

    from ._results import Result


@dataclasses.dataclass
class Token:
    """One step of an answer."""

    text: str  #: the answer so far, special tokens included
    token_ids: list[int]  #: the answer so far
    delta: str  #: what this step added; "" if beam search changed earlier text


class Stream:
    """An iterator of `Token`s. Closing or dropping it stops the model; `result` is the answer."""

    def __init__(self, run: Callable[[Callable[[int, list[int], str], bool]], Result]) -> None:
        self._events: queue.Queue[Token | Result | BaseException] = queue.Queue()
        self._stopped = threading.Event()
        self._result: Result | None = None
        self._error: BaseException | None = None
        # The thread refers to the queue and the flag, not the stream, so dropping the stream ends
        # it.
        self._thread = threading.Thread(
            target=_work, args=(run, self._events, self._stopped), name="uffizi-stream"
        )
        self._finalizer = weakref.finalize(self, self._stopped.set)
        self._thread.start()

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Token:
        if self._result is not None or self._error is not None:
            raise StopIteration
        event = self._events.get()
        if isinstance(event, Token):
            return event
        self._thread.join()
        if isinstance(event, BaseException):
            self._error = event
            raise event
        self._result = event
        raise StopIteration

    @property
    def result(self) -> Result:
        """The complete answer, for which this waits; for a closed stream, the answer so far."""
        for _ in self:
            pass
        if self._result is None:
            raise self._error or Error("the stream has no result")
        return self._result

    def close(self) -> None:
        """Stops the model. Tokens that have not been read yet are dropped."""
        self._stopped.set()
        self.result  # noqa: B018

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()


def _work(
    run: Callable[[Callable[[int, list[int], str], bool]], Result],
    events: queue.Queue[Any],
    stopped: threading.Event,
) -> None:
    before = ""

    def progress(_: int, token_ids: list[int], text: str) -> bool:
        nonlocal before
        delta = text[len(before) :] if text.startswith(before) else ""
        before = text
        events.put(Token(text, token_ids, delta))
        return not stopped.is_set()

    try:
        events.put(run(progress))
    except BaseException as error:  # the reader raises it
        events.put(error)
