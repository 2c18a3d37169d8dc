"""Converts Python's kinds of pictures to arrays of RGB pixels."""

from __future__ import annotations

import importlib.util
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
    from typing_extensions import TypeGuard

Pixels = "npt.NDArray[np.uint8]"
Picture = Union[
    str,
    "os.PathLike[str]",
    bytes,
    bytearray,
    memoryview,
    io.IOBase,
    "PIL.Image.Image",
    "npt.NDArray[np.uint8]",
]
#: "all", a number from 1, or several.
Pages = Union[str, int, "Iterable[int]"]

#: Extensions by which pictures are recognized in folders, as on the command line.
SUFFIXES = frozenset(_native.picture_extensions())


def _find_libraries() -> None:
    """Sets the paths of PDF and HEIC libraries that come with Python packages."""
    for variable, package, pattern in (
        ("UFFIZI_PDFIUM", "pypdfium2_raw", "libpdfium.so"),
        ("UFFIZI_LIBHEIF", "pillow_heif", "../pillow_heif.libs/libheif-*.so*"),
    ):
        spec = importlib.util.find_spec(package) if variable not in os.environ else None
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for library in sorted(pathlib.Path(folder).parent.glob(f"{package}/{pattern}")):
                os.environ[variable] = str(library.resolve())


_find_libraries()


def to_pixels(
    picture: Any,
    *,
    exif: bool = True,
    drop_alpha: bool = False,
    max_pixels: int = _native.DEFAULT_MAX_PIXELS,
    page: int = 1,
    truncated: str = "refuse",
    pdf_dpi: float = 200.0,
    allow_private_urls: bool = False,
) -> npt.NDArray[np.uint8]:
    """Returns [height, width, 3] u8. An array that already has this form is not copied.

    Files and bytes are rotated according to their EXIF orientation. PIL images and arrays are used
    as they are, so that coordinates are those of the given object. Transparent pixels are
    composited over white; with `drop_alpha` only their colour is used, as in Pillow's
    convert("RGB"). `page` selects, from 1, a page of a TIFF or PDF or a frame of an animation. A
    truncated JPEG or PNG is an error, or with `truncated="fill"` used as far as it goes. A string
    that begins with http:// or https:// is an address; it may lead to this machine or a private
    network, also by redirects, only with `allow_private_urls`.
    """
    if truncated not in ("refuse", "fill"):
        raise ArgumentError(f'truncated is "refuse" or "fill", not {truncated!r}')
    options = _native.DecodeOptions(
        exif, drop_alpha, max_pixels, page, truncated == "fill", pdf_dpi
    )
    if is_url(picture):
        picture = download(picture, allow_private_urls)
    if isinstance(picture, (str, os.PathLike)):
        return _native.read_image(pathlib.Path(picture), options)
    if isinstance(picture, (bytes, bytearray, memoryview)):
        return _native.decode_image(bytes(picture), "picture", options)
    if isinstance(picture, np.ndarray):
        return _from_array(picture, drop_alpha)
    if hasattr(picture, "convert") and hasattr(picture, "getbands"):
        return _from_pil(picture, drop_alpha, max_pixels)
    if isinstance(picture, Download):
        return _native.decode_image(picture.getvalue(), picture.name, options)
    if hasattr(picture, "read"):
        name = str(getattr(picture, "name", "picture"))
        return _native.decode_image(picture.read(), name, options)
    raise TypeError(
        "a picture is a path, an address, bytes, a file, a PIL image or a numpy array, "
        f"not {type(picture).__name__}"
    )


def is_url(picture: Any) -> TypeGuard[str]:
    """Whether it is the address of a picture."""
    return isinstance(picture, str) and _native.is_http_url(picture)


def _from_pil(image: PIL.Image.Image, drop_alpha: bool, max_pixels: int) -> npt.NDArray[np.uint8]:
    if image.width * image.height > max_pixels:
        raise ImageError(
            f"the picture has {image.width} x {image.height} pixels; the limit is {max_pixels}",
            "image_too_large",
        )
    try:
        if image.mode in ("I", "F") or image.mode.startswith("I;16"):
            # Pillow would cut them off at 255.
            samples = np.asarray(image, np.float32)
            grey = _native.scale_samples(np.ascontiguousarray(samples), image.mode != "F")
            return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
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
    # Rows may be strided (a crop of a larger array); pixels within a row must be contiguous.
    packed = array.strides[1:] == (3, 1) and array.strides[0] >= 3 * array.shape[1]
    return array if packed else np.ascontiguousarray(array)


def _over_white(rgba: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Composites like the decoders: colour * alpha + white * (1 - alpha), rounded."""
    alpha = rgba[:, :, 3:].astype(np.uint32)
    mixed = rgba[:, :, :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


class Download(io.BytesIO):
    """A downloaded file, which can be read any number of times."""

    def __init__(self, data: bytes, url: str) -> None:
        super().__init__(data)
        self.name = url


def download(url: str, allow_private_urls: bool) -> Download:
    return Download(_native.fetch_picture(url, allow_private_urls), url)


def count_pages(
    picture: str | os.PathLike[str] | bytes, *, allow_private_urls: bool = False
) -> int:
    """The number of pages of a TIFF or PDF, or of frames of an animation; 1 for any other
    picture."""
    return _count(download(picture, allow_private_urls) if is_url(picture) else picture)


def _count(picture: Any) -> int:
    options = _native.DecodeOptions(True, False, _native.DEFAULT_MAX_PIXELS, 1, False, 200.0)
    if isinstance(picture, bytes):
        data = picture
    elif isinstance(picture, Download):
        data = picture.getvalue()
    else:
        data = pathlib.Path(picture).read_bytes()
    return _native.inspect_pages(data, _name(picture), options)[0]


def _name(picture: Any) -> str:
    """What messages call it."""
    if isinstance(picture, bytes):
        return "picture"
    return picture.name if isinstance(picture, Download) else str(picture)


class PageSelection:
    """Which pages of each file are pictures of a job: the first one of each by default."""

    def __init__(self, pages: Pages | None) -> None:
        self._numbers: list[int] | None = [1]  # None for all
        if pages == "all":
            self._numbers = None
        elif isinstance(pages, int):
            self._numbers = [pages]
        elif pages is not None:
            given = list(pages)
            numbers = [number for number in given if isinstance(number, int)]
            self._numbers = numbers if len(numbers) == len(given) else []
        if self._numbers is not None and (not self._numbers or min(self._numbers) < 1):
            raise ArgumentError(f'pages is "all" or numbers from 1, not {pages!r}')

    @property
    def first(self) -> int:
        """The first page that may be selected."""
        return self._numbers[0] if self._numbers else 1

    def of(self, picture: Any) -> tuple[list[int], int]:
        """The selected pages of a path, bytes or a download, and the number of all."""
        try:
            count = _count(picture)
        except OSError:
            return [1], 1  # what decodes it says why it cannot be read
        if self._numbers is None:
            return list(range(1, count + 1)), count
        selected = [number for number in self._numbers if number <= count]
        if not selected:
            raise ArgumentError(
                f"{_name(picture)}: has none of the requested pages; it has {count}"
            )
        return selected, count


def find_pictures(folder: str | os.PathLike[str], recursive: bool) -> Iterable[pathlib.Path]:
    """The picture files of a folder, sorted."""
    root = pathlib.Path(folder)
    found = root.rglob("*") if recursive else root.glob("*")
    return sorted(path for path in found if path.suffix.lower() in SUFFIXES and path.is_file())
