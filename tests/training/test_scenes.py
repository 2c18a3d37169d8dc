"""What a scene says is true of its pixels."""

import random
import shutil

import answers
import drawings
import numpy as np
import pytest
import scenes
import things
from conftest import DRAWINGS, INK, scene_number

NUMBERS = range(40)


def pixels_of(picture, color) -> np.ndarray:
    """Where a picture has a colour, whatever its brightness. [height, width] bool."""
    pixels = np.asarray(picture).astype(int)
    full = np.array(color) > 0
    return (pixels[..., full].min(-1) > 100) & (pixels[..., ~full].max(-1, initial=0) < 90)


@pytest.mark.parametrize("number", NUMBERS)
def test_masks_and_boxes_are_where_the_pixels_are(draw_scene, number):
    scene = draw_scene(number)
    assert scene.things
    for name in {thing.name for thing in scene.things}:
        masks = np.stack([thing.mask for thing in scene.things if thing.name == name])
        assert masks.sum(0).max() == 1, "masks of two things share a pixel"
        seen = pixels_of(scene.picture, DRAWINGS[name])
        assert (masks.any(0) & seen).sum() / (masks.any(0) | seen).sum() > 0.95
    for thing in scene.things:
        rows, columns = np.nonzero(thing.mask)
        assert thing.box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        alone = [t for t in scene.things if t.name == thing.name] == [thing]
        if alone:
            rows, columns = np.nonzero(pixels_of(scene.picture, DRAWINGS[thing.name]))
            found = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert np.abs(np.subtract(found, thing.box)).max() <= 3


@pytest.mark.parametrize("number", NUMBERS)
def test_quads_hold_their_letters_and_little_else(draw_scene, number):
    scene = draw_scene(number)
    if not scene.signs:
        pytest.skip("this scene has no sign")
    rows, columns = np.nonzero(pixels_of(scene.picture, INK))
    letters = np.stack([columns + 0.5, rows + 0.5], 1)
    held = np.zeros(len(letters), bool)
    for sign in scene.signs:
        corners = np.array(sign.quad).reshape(4, 2)
        across, down = corners[1] - corners[0], corners[3] - corners[0]
        width, height = np.linalg.norm(across), np.linalg.norm(down)
        assert across @ down == pytest.approx(0, abs=1e-6 * width * height)
        along = np.stack(
            [(letters - corners[0]) @ across / width, (letters - corners[0]) @ down / height], 1
        )
        inside = (along > -2).all(1) & (along < (width + 2, height + 2)).all(1)
        held |= inside
        span = along[inside].max(0) - along[inside].min(0)
        assert span[0] > 0.8 * (width - 12) and span[1] > 0.6 * (height - 12)
        left, top, right, bottom = sign.box
        assert left - 1 <= corners[:, 0].min() and corners[:, 0].max() <= right + 1
        assert top - 1 <= corners[:, 1].min() and corners[:, 1].max() <= bottom + 1
    assert held.mean() > 0.99


def test_the_same_numbers_draw_the_same_scene(studio):
    first, again, other = (scene_number(studio, number) for number in (3, 3, 4))
    assert first.picture.tobytes() == again.picture.tobytes()
    assert first.picture.tobytes() != other.picture.tobytes()
    assert [t.box for t in first.things] == [t.box for t in again.things]


def test_held_out_scenes_keep_to_the_names_of_their_group(studio_folder, tmp_path):
    folder = shutil.copytree(studio_folder, tmp_path / "studio")
    noto = folder / "sprites" / "noto"
    shutil.copy(next(noto.glob("apple.*")), noto / "zebra.1.png")
    drawn, absent = {}, {}
    for group in ("seen", "seen-all"):
        studio = scenes.Studio(folder, scenes.HELD_OUT[group])
        those = [scene_number(studio, number) for number in NUMBERS]
        drawn[group] = {thing.name for scene in those for thing in scene.things}
        absent[group] = {answers.absent_name(scene, random.Random(1)) for scene in those}
    assert drawn["seen"] == set(DRAWINGS) and absent["seen"] <= set(DRAWINGS)
    assert drawn["seen-all"] == {*DRAWINGS, "zebra"}


def test_training_never_sees_a_photograph_that_is_held_out():
    training, held_out = drawings.photographs(held_out=False), drawings.photographs(held_out=True)
    assert set(things.CLASS_NAMES) > set(training) == set(drawings.PHOTOGRAPHS)
    assert len(held_out) > 10
    for name, stamps in held_out.items():
        assert not set(stamps) & set(training[name])
        assert len({stamp.split("/")[-1] for stamp in (*stamps, *training[name])}) == len(
            drawings.PHOTOGRAPHS[name]
        )


def test_things_hidden_by_a_sign_are_not_seen_there(draw_scene):
    hidden = 0
    for number in NUMBERS:
        scene = draw_scene(number)
        for sign in scene.signs:
            x, y = np.array(sign.quad).reshape(4, 2).mean(0).astype(int)
            hidden += 1
            assert not any(thing.mask[y, x] for thing in scene.things)
    assert hidden > 10


def test_spots_keep_their_distance():
    rng = random.Random(5)
    taken = [(0.0, 0.0, 60.0, 100.0)]
    for _ in range(50):
        spot = scenes.find_spot(rng, (100, 100), (30, 30), taken, 0.0)
        assert spot is None or spot[0] >= 60
    assert scenes.find_spot(rng, (100, 100), (100, 30), [], 0.0) is None
