"""What can be read on a colour: the contrast of WCAG 2, and whichever of two inks has more.

On any colour either black or white has a contrast of 4.58 or more; WCAG AA asks for 4.5.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

#: What text in cells is written in.
INKS: Final = ("#000000", "#ffffff")


def contrast(one: str, other: str) -> float:
    """The ratio of the relative luminances of two colours such as ``#0072b2``: from 1 to 21."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def ink(colour: str) -> str:
    """The one of `INKS` that stands out more."""
    return max(INKS, key=lambda each: contrast(each, colour))


def on_scale(scale: Sequence[Sequence[float | str]], place: float) -> str:
    """The colour at a place of a colour scale of Plotly's; what is beyond an end is as the end."""
    stops = [(float(at), _channels(str(colour))) for at, colour in scale]
    place = min(max(place, stops[0][0]), stops[-1][0])
    (low, first), (high, second) = next(two for two in pairwise(stops) if place <= two[1][0])
    share = (place - low) / (high - low)
    mixed = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return "#" + "".join(f"{each:02x}" for each in mixed)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(each / 255) for each in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
