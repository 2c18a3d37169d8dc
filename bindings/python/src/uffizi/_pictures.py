"""Pictures of every kind that Python has, as arrays of RGB pixels."""

from __future__ import annotations

import io
import os
import pathlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from . import _native
from ._errors import ArgumentError, ImageError

if TYPE_CHECKING:
    import numpy.typing as npt
    import PIL.Image

Pixels = "npt.NDArray[np.uint8]"
Picture = Union[
    str, "os.PathLike[str]", bytes, bytearray, memoryview, io.IOBase, "PIL.Image.Image",
    "npt.NDArray[np.uint8]",
]  # fmt: skip

#: File names that `annotate` and other walks over folders take for pictures.
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff"})


def to_pixels(
    picture: Any,
    *,
    exif: bool = True,
    drop_alpha: bool = False,
    max_pixels: int = _native.DEFAULT_MAX_PIXELS,
) -> npt.NDArray[np.uint8]:
    """[height, width, 3] u8. An array that already is that is not copied.

    Files and bytes are turned as their EXIF says; PIL images and arrays are taken as they stand,
    so that coordinates are those of the object given. Transparent pixels are composed over white,
    or with `drop_alpha` only their colour is taken, as Pillow's convert("RGB") does.
    """
    if isinstance(picture, (str, os.PathLike)):
        return _native.read_image(pathlib.Path(picture), exif, drop_alpha, max_pixels)
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return _native.decode_image(bytes(picture), "picture", exif, drop_alpha, max_pixels)
    if isinstance(picture, np.ndarray):
        return _from_array(picture, drop_alpha)
    if hasattr(picture, "convert") and hasattr(picture, "getbands"):
        return _from_pil(picture, drop_alpha, max_pixels)
    if hasattr(picture, "read"):
        name = str(getattr(picture, "name", "picture"))
        return _native.decode_image(picture.read(), name, exif, drop_alpha, max_pixels)
    raise TypeError(
        "a picture is a path, bytes, a file, a PIL image or a numpy array, "
        f"not {type(picture).__name__}"
    )


def _from_pil(image: PIL.Image.Image, drop_alpha: bool, max_pixels: int) -> npt.NDArray[np.uint8]:
    if image.width * image.height > max_pixels:
        raise ImageError(
            f"the picture has {image.width} x {image.height} pixels; the limit is {max_pixels}",
            "image_too_large",
        )
    try:
        if image.mode != "RGB":
            if image.has_transparency_data and not drop_alpha:
                return _over_white(np.asarray(image.convert("RGBA")))
            image = image.convert("RGB")
        return np.asarray(image)
    except OSError as error:  # what Pillow raises when a file that it opened lazily is damaged
        raise ImageError(f"{getattr(image, 'filename', '') or 'picture'}: {error}") from error


def _from_array(array: npt.NDArray[Any], drop_alpha: bool) -> npt.NDArray[np.uint8]:
    if array.dtype != np.uint8:
        raise ArgumentError(f"an array of pixels has dtype uint8 (0 to 255), not {array.dtype}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 2:
        array = np.repeat(array[:, :, np.newaxis], 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4):
        raise ArgumentError(
            "an array of pixels has the shape (height, width), (height, width, 3) or "
            f"(height, width, 4), not {array.shape}"
        )
    if 0 in array.shape:
        raise ArgumentError(f"the array of shape {array.shape} holds no pixels")
    if array.shape[2] == 4:
        return np.ascontiguousarray(array[:, :, :3]) if drop_alpha else _over_white(array)
    # Rows may lie apart (a crop of a larger array); pixels within a row may not.
    packed = array.strides[1:] == (3, 1) and array.strides[0] >= 3 * array.shape[1]
    return array if packed else np.ascontiguousarray(array)


def _over_white(rgba: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """As the decoders compose files: colour * alpha + white * (1 - alpha), rounded."""
    alpha = rgba[:, :, 3:].astype(np.uint32)
    mixed = rgba[:, :, :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def find_pictures(folder: str | os.PathLike[str], recursive: bool) -> Iterable[pathlib.Path]:
    """The picture files of a folder, sorted."""
    root = pathlib.Path(folder)
    found = root.rglob("*") if recursive else root.glob("*")
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES and path.is_file())
