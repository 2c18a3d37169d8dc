"""The tasks of Florence-2."""

from __future__ import annotations

import dataclasses

from . import _native


@dataclasses.dataclass(frozen=True)
class TaskInfo:
    """One task."""

    token: str  #: "<OD>"
    name: str  #: "od", as on the command line
    input: str  #: "none", "text" or "region"
    shape: str  #: of the answer: "text", "boxes", "quads", "polygons" or "open_vocabulary"
    prompt: str  #: the sentence given to the model; "{input}" stands for the input
    help: str


#: All tasks by their token.
TASKS = {
    task.token: TaskInfo(task.token, task.name, task.input, task.shape, task.prompt, task.help)
    for task in _native.tasks()
}
