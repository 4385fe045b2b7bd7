"""Brand ids of the alliance: what a list shows beside a device's name (alliance protocol, 2.8)."""

THIRD_PARTY = 255

_RANGES: tuple[tuple[int, int, str], ...] = (
    (10, 19, "OPPO"),
    (20, 29, "vivo"),
    (30, 39, "Xiaomi"),
    (41, 45, "OnePlus"),
    (50, 59, "Meizu"),
    (60, 69, "nubia"),
    (70, 75, "Samsung"),
    (80, 89, "ZTE"),
    (90, 95, "Smartisan / ByteDance"),
    (100, 109, "Lenovo"),
    (110, 119, "Motorola"),
    (120, 129, "NIO"),
    (130, 139, "Pixel (third-party assignment)"),
    (140, 149, "HONOR"),
    (160, 160, "ROG"),
    (161, 169, "ASUS"),
    (170, 179, "Hisense"),
    (THIRD_PARTY, THIRD_PARTY, "third party / unknown"),
)

# Ids inside another brand's range.
_EXCEPTIONS = {11: "realme", 32: "Black Shark", 66: "RedMagic"}


def brand_name(brand_id: int) -> str:
    """Name the brand of `brand_id`; an id nobody has claimed gives "unknown"."""
    if brand_id in _EXCEPTIONS:
        return _EXCEPTIONS[brand_id]
    return next((name for first, last, name in _RANGES if first <= brand_id <= last), "unknown")
