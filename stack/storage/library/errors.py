"""What can be wrong with the settings of the library, or with what it needs, each with its remedy."""

from board.errors import FerryError


class TemplateError(FerryError):
    """A path template is not one. `position` is the index of the character where it goes wrong."""

    def __init__(self, sentence: str, template: str, position: int, remedy: str) -> None:
        super().__init__(f"{sentence}, at character {position + 1} of the path template {template!r}")
        self.position = position
        self.remedy = remedy


class RuleError(FerryError):
    """A rule of the library has an unknown key, or a value that means nothing."""

    def __init__(self, sentence: str, remedy: str) -> None:
        super().__init__(sentence)
        self.remedy = remedy


class CollisionError(FerryError):
    """Thousands of different files want the same name."""

    remedy = "Use a path template with {hash8} or {task}."


class ReaderUnavailableError(FerryError):
    """The process that reads metadata does not start."""

    remedy = "Install what the forwarder needs: pip install 'ferry[forward]'."
