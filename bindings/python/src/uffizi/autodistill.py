"""A base model for autodistill, which labels pictures to train a small model on.

>>> ontology = autodistill.detection.CaptionOntology({"a red car": "car", "a person": "person"})
>>> uffizi.autodistill.Florence2(ontology).label("photos", extension=".jpg", output_folder="labelled")
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

try:
    import supervision
    from autodistill.detection import (  # type: ignore[import-untyped, import-not-found, unused-ignore]
        DetectionBaseModel,
        DetectionOntology,
    )
    from autodistill.helpers import (  # type: ignore[import-untyped, import-not-found, unused-ignore]
        load_image,
    )
except ImportError as error:
    raise ImportError("uffizi.autodistill needs `pip install autodistill`") from error

from . import _model

if TYPE_CHECKING:
    import os

    from ._question import Question, Unpack

TASK = "<OPEN_VOCABULARY_DETECTION>"


@dataclasses.dataclass
class Florence2(DetectionBaseModel):  # type: ignore[misc, unused-ignore]
    """Detects what the ontology's prompts name.

    A picture is encoded once for all prompts. `class_id` is the index of the prompt's class
    in `ontology.classes()`. The options are those of `uffizi.Florence2.__call__`; `task` may be
    "<CAPTION_TO_PHRASE_GROUNDING>", which some fine-tunes do better.
    """

    ontology: DetectionOntology

    def __init__(
        self,
        ontology: DetectionOntology,
        *,
        model: _model.Florence2 | str | os.PathLike[str] | None = None,
        task: str = TASK,
        tiles: str = "",
        **question: Unpack[Question],
    ) -> None:
        super().__init__(ontology)
        self._florence = _model.as_model(model)
        self._task = task
        self._tiles = tiles
        self._question = question

    def predict(self, input: Any) -> supervision.Detections:
        """The detections in a picture: a path, an address, a PIL image, or a BGR array as in OpenCV
        (autodistill passes one)."""
        picture = self._florence.encode(
            load_image(input, "PIL") if isinstance(input, np.ndarray) else input, tiles=self._tiles
        )
        prompts = self.ontology.prompts()
        results = picture([(self._task, prompt) for prompt in prompts], **self._question)
        found = [
            (index, region) for index, result in enumerate(results) for region in result.regions
        ]
        if not found:
            return supervision.Detections.empty()
        classes = self.ontology.classes()
        places = [classes.index(self.ontology.promptToClass(prompt)) for prompt in prompts]
        return supervision.Detections(
            xyxy=np.array([region.bounds for _, region in found], np.float32),
            confidence=np.array([region.score for _, region in found], np.float32),
            class_id=np.array([places[index] for index, _ in found]),
            data={"class_name": np.array([classes[places[index]] for index, _ in found])},
        )
