"""Options of a question besides the task: its input, how its answer is read, and the search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Union

from . import _native
from ._errors import ArgumentError, PromptError
from ._generation import Generation, make_options

if TYPE_CHECKING:
    from typing_extensions import Unpack

    __all__ = ["Question", "Unpack"]

#: Four numbers in pixels, or "<loc_x1><loc_y1><loc_x2><loc_y2>".
Region = Union[str, Sequence[float]]
#: A task that needs no input, a whole prompt, or a task with its input.
Task = Union[str, "tuple[str, str | Sequence[float] | Sequence[str]]"]


class Question(Generation, total=False):
    """The options of the search, and these:

    `text` is the input of all tasks that take a phrase (several for open-vocabulary detection), and
    `region` of those that take a region (four numbers in pixels). `answer_as` names the task whose
    answer format a prompt of your own uses. `min_score` and `labels` drop regions with a lower score
    or with other labels; without `min_score`, only objects found in tiles need one, 0.5."""

    text: str | Sequence[str] | None
    region: Region | None
    answer_as: str | None
    min_score: float | None
    labels: Sequence[str] | None


class Asked:
    """A `Question`, checked."""

    def __init__(self, tasks: Sequence[Any], question: Question, max_positions: int) -> None:
        given: dict[str, Any] = dict(question)
        unknown = given.keys() - Question.__annotations__.keys()
        if unknown:
            names = ", ".join(sorted(Question.__annotations__))
            raise TypeError(f"no option is called {unknown.pop()!r}; there are {names}")
        self._text = given.pop("text", None)
        self._region = given.pop("region", None)
        self._answer_as = given.pop("answer_as", None)
        self.min_score = given.pop("min_score", None)
        labels = given.pop("labels", None)
        self.options = make_options(given, max_positions)
        if isinstance(labels, str):
            raise TypeError("labels is a list of strings")
        self.labels = list(labels or ())
        if self._answer_as is not None:
            if _native.find_task(self._answer_as) is None:
                raise ArgumentError(f"answer_as: no task is called {self._answer_as}")
            if all(names_task(task) for task in tasks):
                raise ArgumentError(
                    "answer_as is for prompts of your own; a task's answer is its own"
                )

    def prompt(self, task: Task, width: int, height: int) -> _native.Prompt:
        """The prompt of a task for a picture of this size."""
        given = None
        if isinstance(task, tuple):
            if len(task) != 2:
                raise PromptError(
                    f"a tuple is a task and its input, not {task!r}; several tasks are a list"
                )
            task, given = task
        if not isinstance(task, str):
            raise TypeError(f"a task is a string or a tuple of strings, not {type(task).__name__}")
        known = _native.find_task(task)
        if known is None:  # a whole prompt
            if given is not None:
                raise PromptError(f"no task is called {task}; a prompt of your own takes no input")
            answer_as = None if names_task(task) else self._answer_as
            return _native.make_prompt(None, task, width, height, answer_as)
        if given is None and known.input == "text":
            given = self._text
        elif given is None and known.input == "region":
            given = self._region if self._region is not None else self._text
        return _native.make_prompt(known.token, _input_text(given, known.input), width, height)


def names_task(task: Any) -> bool:
    """Whether `task` is a task's name or a prompt that begins with a task's token."""
    name = task[0] if isinstance(task, tuple) else task
    if not isinstance(name, str):
        return False
    token = name[: name.find(">") + 1] if name.startswith("<") else ""
    return any(_native.find_task(text) is not None for text in (name, token) if text)


def _input_text(given: str | Sequence[Any] | None, kind: str) -> str:
    if given is None:
        return ""
    if isinstance(given, str):
        return given
    if kind == "region":
        return ",".join(repr(float(number)) for number in given)
    return ";".join(given)
