"""The exceptions of the package."""

from __future__ import annotations


class Error(Exception):
    """Base class of all errors. `code` is the name used in result records."""

    code: str = "internal"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code

    def __reduce__(self) -> tuple[type[Error], tuple[str, str]]:
        return type(self), (str(self), self.code)


class ModelError(Error):
    """A damaged model folder, or another kind of model."""

    code = "invalid_model"


class ImageError(Error):
    """A picture that cannot be decoded or has too many pixels."""

    code = "invalid_image"


class PromptError(Error, ValueError):
    """A prompt that does not fit the task or is too long for the model."""

    code = "invalid_prompt"


class ArgumentError(Error, ValueError):
    """An invalid option or value."""

    code = "invalid_argument"


class NotFoundError(Error, FileNotFoundError):
    """A file, folder or name that does not exist."""

    code = "not_found"

    def __str__(self) -> str:  # FileNotFoundError would show an errno
        return str(self.args[0])


class ReadError(Error, OSError):
    """Reading or writing failed."""

    code = "io_error"

    def __str__(self) -> str:
        return str(self.args[0])


class UnsupportedError(Error):
    """Something valid that this build or process does not support."""

    code = "unsupported"


_KINDS: dict[str, type[Error]] = {
    "invalid_model": ModelError,
    "invalid_image": ImageError,
    "image_too_large": ImageError,
    "invalid_prompt": PromptError,
    "prompt_too_long": PromptError,
    "invalid_argument": ArgumentError,
    "not_found": NotFoundError,
    "io_error": ReadError,
    "unsupported": UnsupportedError,
}


def make_error(code: str, message: str) -> Error:
    """Makes the exception for an error of the library."""
    return _KINDS.get(code, Error)(message, code)
