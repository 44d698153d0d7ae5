"""Colours: one theme for light surroundings, one for dark ones.

The hues are those of Okabe and Ito ("Color Universal Design", 2008), which people with any
kind of colour vision tell apart, lighter or darker so that each stands out from its background.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...estimates import Verdict

_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
#: A cross is for those that fall over.
_MARKERS: Final = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon",
                   "hexagon2", "star")  # fmt: skip
_DASHES: Final = ("solid", "dash", "dot")


@dataclass(frozen=True, slots=True)
class Theme:
    """What charts look like.

    :param series: colours of contestants, in turn.
    :param fast: the colours of the matrix go from this over ``middling`` to ``slow``.
    """

    name: str
    text: str
    grid: str
    paper: str
    series: Sequence[str]
    fast: str
    middling: str
    slow: str
    paralysed: str
    failed: str
    verdicts: Mapping[Verdict, str]

    @property
    def scale(self) -> list[list[Any]]:
        """Colours from fast to slow."""
        return [[0.0, self.fast], [0.5, self.middling], [1.0, self.slow]]

    @staticmethod
    def only(colour: str) -> list[list[Any]]:
        """The same colour for everything."""
        return [[0.0, colour], [1.0, colour]]

    def look(self, index: int) -> tuple[str, str, str]:
        """Colour, marker and dash of a contestant: no two of 24 are alike."""
        turn, place = divmod(index, len(self.series))
        marker = _MARKERS[(place + turn) % len(_MARKERS)]
        return self.series[place], marker, _DASHES[turn % len(_DASHES)]

    @property
    def template(self) -> dict[str, Any]:
        """What all charts have in common."""
        axis = {"gridcolor": self.grid, "linecolor": self.grid, "zeroline": False,
                "automargin": True, "showline": True, "ticks": "", "minor": {"ticks": ""},
                "title": {"standoff": 8, "font": {"size": 12}}}  # fmt: skip
        hoverlabel = {"align": "left", "bgcolor": self.paper, "bordercolor": self.text,
                      "font": {"color": self.text, "family": _FONT, "size": 12}}  # fmt: skip
        return {"layout": {
            "font": {"family": _FONT, "size": 12, "color": self.text},
            "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
            "xaxis": axis, "yaxis": axis, "hoverlabel": hoverlabel, "uirevision": "kept",
            "margin": {"l": 10, "r": 10, "t": 40, "b": 40}, "hoverdistance": 30,
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": self.grid,
                        "activecolor": self.text},
        }}  # fmt: skip


LIGHT: Final = Theme(
    name="light", text="#1f2328", grid="#d8dee4", paper="#ffffff",
    series=("#0072b2", "#d55e00", "#00805e", "#a0438f", "#a87800", "#3d4450", "#1b9cd0",
            "#b3214c"),
    fast="#e9f2fa", middling="#6aaed6", slow="#08306b", paralysed="#d55e00", failed="#6e7781",
    verdicts={Verdict.FASTER: "#0072b2", Verdict.SLOWER: "#d55e00", Verdict.SAME: "#8c959f",
              Verdict.UNEQUAL: "#e3e6ea", Verdict.OPEN: "#c4cad1"},
)  # fmt: skip
DARK: Final = Theme(
    name="dark", text="#e6e9ed", grid="#343c47", paper="#171c23",
    series=("#56a9e8", "#ff8a4c", "#2cc295", "#dd86cf", "#e0b83a", "#c3cad3", "#7fdbff",
            "#f2708a"),
    fast="#16283d", middling="#2f78b3", slow="#d3e8fb", paralysed="#ff7a33", failed="#8b949e",
    verdicts={Verdict.FASTER: "#56a9e8", Verdict.SLOWER: "#ff8a4c", Verdict.SAME: "#7d8794",
              Verdict.UNEQUAL: "#30363d", Verdict.OPEN: "#4a535f"},
)  # fmt: skip
THEMES: Final = (LIGHT, DARK)
