"""The charts, as Plotly's figures: data, of which Plotly draws what is to be seen.

Plotly takes some HTML in whatever it shows, so all text of others goes through `texts`.
"""

from .curves import curves
from .matrix import matrix
from .ratios import ratios
from .themes import THEMES, Theme

__all__ = ["THEMES", "Theme", "curves", "matrix", "ratios"]
