"""Words from strangers, made fit for a screen and a log (alliance protocol, 8)."""

import unicodedata
from itertools import islice

# Control, format (all direction marks are among them), surrogate, line and paragraph separators.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

# Format characters that only join: without them family emoji and Persian words fall apart.
_JOINERS = frozenset("\u200c\u200d")


def clean_text(text: str, max_chars: int) -> str:
    """Drop control and direction characters from `text`, cut it to `max_chars` and trim its ends."""
    return "".join(islice(filter(_is_shown, text), max_chars)).strip()


def without_lone_surrogates(text: str) -> str:
    """Replace each half of a broken surrogate pair, so that the result can be encoded as UTF-8."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _is_shown(char: str) -> bool:
    return char in _JOINERS or unicodedata.category(char) not in _HIDDEN_CATEGORIES
