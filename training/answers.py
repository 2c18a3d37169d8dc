"""Exact questions and answers about a scene, for all fifteen tasks, in Florence-2's own formats."""

import random
from collections.abc import Callable, Sequence

import numpy as np

from scenes import Box, Scene, Sign, Thing
from things import COLORS, plural, with_article

PROMPTS: dict[str, str] = {
    "<OCR>": "What is the text in the image?",
    "<OCR_WITH_REGION>": "What is the text in the image, with regions?",
    "<CAPTION>": "What does the image describe?",
    "<DETAILED_CAPTION>": "Describe in detail what is shown in the image.",
    "<MORE_DETAILED_CAPTION>": "Describe with a paragraph what is shown in the image.",
    "<OD>": "Locate the objects with category name in the image.",
    "<DENSE_REGION_CAPTION>": "Locate the objects in the image, with their descriptions.",
    "<REGION_PROPOSAL>": "Locate the region proposals in the image.",
    "<CAPTION_TO_PHRASE_GROUNDING>": "Locate the phrases in the caption: {input}",
    "<REFERRING_EXPRESSION_SEGMENTATION>": "Locate {input} in the image with mask",
    "<REGION_TO_SEGMENTATION>": "What is the polygon mask of region {input}",
    "<OPEN_VOCABULARY_DETECTION>": "Locate {input} in the image.",
    "<REGION_TO_CATEGORY>": "What is the region {input}?",
    "<REGION_TO_DESCRIPTION>": "What does the region {input} describe?",
    "<REGION_TO_OCR>": "What text is in the region {input}?",
}
NUMBERS = ("no", "one", "two", "three", "four", "five", "six")
POLYGON_POINTS = 16

# The share of questions about single things that ask for one that is not there.
ABSENT_SHARE = 0.1

Answer = tuple[str, str]  # the task's input ("" where it takes none) and the model's text
Phrases = list[tuple[str, list[Thing]]]  # with the things that each means


def locations(values: Sequence[float], scene: Scene) -> str:
    """Location tokens of x, y, x, y, ... in pixels: floor(x / (width / 1000)), clamped to 0..999."""
    sides = (scene.picture.width, scene.picture.height)
    bins = [min(999, max(0, int(v * 1000 / sides[i % 2]))) for i, v in enumerate(values)]
    return "".join(f"<loc_{b}>" for b in bins)


def join_words(parts: list[str]) -> str:
    """'a, b and c'."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def groups(scene: Scene) -> dict[str, list[Thing]]:
    """The things by class, in the order of the first of each class from left to right."""
    found: dict[str, list[Thing]] = {}
    for thing in scene.things:
        found.setdefault(thing.name, []).append(thing)
    return found


def count_phrase(name: str, count: int) -> str:
    return with_article(name) if count == 1 else f"{NUMBERS[count]} {plural(name)}"


def scene_words(scene: Scene) -> str:
    """'two cats and a dog on a green background'."""
    things = join_words([count_phrase(name, len(group)) for name, group in groups(scene).items()])
    return f"{things} on {scene.background}"


def says(scene: Scene) -> str:
    """A sentence for each sign, with a space before it."""
    return "".join(f' A sign says "{sign.text}".' for sign in scene.signs)


def caption(scene: Scene, rng: random.Random) -> Answer:
    words = scene_words(scene)
    return "", words[0].upper() + words[1:] + "."


def detailed_caption(scene: Scene, rng: random.Random) -> Answer:
    places = join_words([f"{with_article(t.name)} {t.place}" for t in scene.things])
    return "", f"The image shows {scene_words(scene)}. There is {places}.{says(scene)}"


def more_detailed_caption(scene: Scene, rng: random.Random) -> Answer:
    sentences = "".join(f" There is {with_article(t.description)}." for t in scene.things)
    return "", f"The image shows {scene_words(scene)}.{sentences}{says(scene)}"


def ocr(scene: Scene, rng: random.Random) -> Answer:
    return "", " ".join(sign.text for sign in scene.signs)


def ocr_with_region(scene: Scene, rng: random.Random) -> Answer:
    return "", "".join(sign.text + locations(sign.quad, scene) for sign in scene.signs)


def detection(scene: Scene, rng: random.Random) -> Answer:
    return "", "".join(t.name + locations(t.box, scene) for t in scene.things)


def described_regions(scene: Scene) -> list[tuple[str, Box]]:
    """Descriptions and boxes of things and signs, from left to right."""
    found = [(t.description, t.box) for t in scene.things] + [
        (sign_words(s), s.box) for s in scene.signs
    ]
    return sorted(found, key=lambda region: region[1][0])


def sign_words(sign: Sign) -> str:
    return f"sign that says {sign.text}"


def dense_region_caption(scene: Scene, rng: random.Random) -> Answer:
    return "", "".join(words + locations(box, scene) for words, box in described_regions(scene))


def region_proposal(scene: Scene, rng: random.Random) -> Answer:
    return "", "".join(locations(box, scene) for _, box in described_regions(scene))


def grounding(scene: Scene, rng: random.Random) -> Answer:
    """A caption's phrases and their boxes: of whole groups as in the caption, or of single described things."""
    if rng.random() < 0.7:
        phrases = [(count_phrase(name, len(group)), group) for name, group in groups(scene).items()]
    else:
        chosen = [t for t in scene.things if is_only(scene, t.description)]
        phrases = [(with_article(t.description), [t]) for t in chosen] or [
            (count_phrase(name, len(group)), group) for name, group in groups(scene).items()
        ]
    if rng.random() < 0.4:
        rng.shuffle(phrases)
        phrases = phrases[: rng.randint(1, len(phrases))]
    if rng.random() < ABSENT_SHARE:
        phrases = _with_absent(scene, phrases, rng)
    spoken = join_words([words for words, _ in phrases])
    if rng.random() < 0.6:
        spoken += f" on {scene.background}"
    if rng.random() < 0.6:
        spoken = spoken[0].upper() + spoken[1:] + "."
    found = "".join(
        _spoken_phrase(spoken, words) + _boxes(scene, group) for words, group in phrases if group
    )
    return spoken, found


def _with_absent(scene: Scene, phrases: Phrases, rng: random.Random) -> Phrases:
    """The phrases with that of something that is not in the scene, or only that one."""
    name = absent_name(scene, rng)
    phrase = (
        with_article(name) if rng.random() < 0.7 else f"{NUMBERS[rng.randint(2, 4)]} {plural(name)}"
    )
    if rng.random() < 0.5:
        return [(phrase, [])]
    at = rng.randint(0, len(phrases))
    return [*phrases[:at], (phrase, []), *phrases[at:]]


def _spoken_phrase(spoken: str, words: str) -> str:
    """The phrase as the caption writes it, upper case at the caption's start."""
    return spoken[: len(words)] if spoken.lower().startswith(words.lower()) else words


def _boxes(scene: Scene, group: list[Thing]) -> str:
    return "".join(locations(t.box, scene) for t in group)


def is_only(scene: Scene, description: str) -> bool:
    return sum(t.description == description for t in scene.things) == 1


def referring_words(scene: Scene, rng: random.Random) -> tuple[str, Thing]:
    """Words that mean exactly one thing of the scene (as nearly as can be), and that thing."""
    thing = rng.choice(scene.things)
    forms: list[tuple[str, Callable[[Thing], str]]] = [
        (thing.name, lambda t: t.name),
        (f"{thing.color} {thing.name}", lambda t: f"{t.color} {t.name}"),
        (f"{thing.name} {thing.place}", lambda t: f"{t.name} {t.place}"),
    ]
    fitting = [words for words, form in forms if sum(form(t) == words for t in scene.things) == 1]
    words = rng.choice(fitting or [thing.description])
    return rng.choice(("", "the ", "the ", "a ")) + words, thing


def absent_name(scene: Scene, rng: random.Random) -> str:
    """A class that the scene could have, but does not."""
    present = groups(scene)
    return rng.choice([name for name in scene.names if name not in present])


def referring_segmentation(scene: Scene, rng: random.Random) -> Answer:
    if rng.random() < ABSENT_SHARE:
        name = absent_name(scene, rng)
        color = rng.choice(("", "", f"{rng.choice(list(COLORS))} "))
        return rng.choice(("", "the ", "the ", "a ")) + color + name, ""
    words, thing = referring_words(scene, rng)
    return words, locations(polygon(thing), scene)


def region_segmentation(scene: Scene, rng: random.Random) -> Answer:
    thing = rng.choice(scene.things)
    return shaken_region(scene, thing.box, rng), locations(polygon(thing), scene)


def polygon(thing: Thing) -> list[float]:
    """The outline of what is seen of a thing: for each of 16 directions from its box's centre, clockwise from
    the top, the farthest seen pixel's place."""
    x1, y1, x2, y2 = thing.box
    center, half = ((x1 + x2) / 2, (y1 + y2) / 2), ((x2 - x1) / 2, (y2 - y1) / 2)
    reach = np.linspace(1.42, 0.0, 72)
    points: list[float] = []
    for angle in np.arange(POLYGON_POINTS) * 2 * np.pi / POLYGON_POINTS - np.pi / 2:
        x = center[0] + half[0] * reach * np.cos(angle)
        y = center[1] + half[1] * reach * np.sin(angle)
        inside = (x >= x1) & (x < x2) & (y >= y1) & (y < y2)
        rows, columns = y[inside].astype(int), x[inside].astype(int)
        hits = np.flatnonzero(thing.mask[rows, columns])
        farthest = hits[0] if len(hits) else -1
        points += [float(x[inside][farthest]), float(y[inside][farthest])]
    return points


def open_vocabulary_detection(scene: Scene, rng: random.Random) -> Answer:
    """One to three classes, joined by " <and> "; what isn't there gets no boxes."""
    present = groups(scene)
    asked = rng.sample(list(present), min(len(present), rng.choice((1, 1, 2, 3))))
    if rng.random() < 0.2:
        absent = absent_name(scene, rng)
        asked = [absent] if rng.random() < 0.6 else [*asked, absent]
        rng.shuffle(asked)
    found = "".join(name + _boxes(scene, present[name]) for name in asked if name in present)
    return " <and> ".join(asked), found


def shaken_region(scene: Scene, box: Box, rng: random.Random) -> str:
    """A region as a user would give it: near the box, not exact."""
    give_x, give_y = 0.05 * (box[2] - box[0]), 0.05 * (box[3] - box[1])
    gives = (give_x, give_y, give_x, give_y)
    return locations(
        [side + rng.uniform(-give, give) for side, give in zip(box, gives, strict=True)], scene
    )


def region_category(scene: Scene, rng: random.Random) -> Answer:
    regions = [(t.name, t.box) for t in scene.things] + [("sign", s.box) for s in scene.signs]
    name, box = rng.choice(regions)
    return shaken_region(scene, box, rng), name


def region_description(scene: Scene, rng: random.Random) -> Answer:
    words, box = rng.choice(described_regions(scene))
    return shaken_region(scene, box, rng), words


def region_ocr(scene: Scene, rng: random.Random) -> Answer:
    sign = rng.choice(scene.signs)
    return shaken_region(scene, sign.box, rng), sign.text


TASKS: dict[str, Callable[[Scene, random.Random], Answer]] = {
    "<OCR>": ocr,
    "<OCR_WITH_REGION>": ocr_with_region,
    "<CAPTION>": caption,
    "<DETAILED_CAPTION>": detailed_caption,
    "<MORE_DETAILED_CAPTION>": more_detailed_caption,
    "<OD>": detection,
    "<DENSE_REGION_CAPTION>": dense_region_caption,
    "<REGION_PROPOSAL>": region_proposal,
    "<CAPTION_TO_PHRASE_GROUNDING>": grounding,
    "<REFERRING_EXPRESSION_SEGMENTATION>": referring_segmentation,
    "<REGION_TO_SEGMENTATION>": region_segmentation,
    "<OPEN_VOCABULARY_DETECTION>": open_vocabulary_detection,
    "<REGION_TO_CATEGORY>": region_category,
    "<REGION_TO_DESCRIPTION>": region_description,
    "<REGION_TO_OCR>": region_ocr,
}
NEEDS_SIGNS = ("<REGION_TO_OCR>",)


def ask(task: str, scene: Scene, rng: random.Random) -> tuple[str, str]:
    """The whole prompt of a task, and the exact answer."""
    given, answer = TASKS[task](scene, rng)
    return PROMPTS[task].format(input=given), answer


def possible_tasks(scene: Scene) -> list[str]:
    return [task for task in TASKS if scene.signs or task not in NEEDS_SIGNS]
