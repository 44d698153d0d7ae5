"""What a user sees: a live view while a run goes on, and results in several forms."""

from .forms import as_csv, as_text
from .text import console_for, plain, quoted
from .watching import Lines, Live, Silent, View

__all__ = ["Lines", "Live", "Silent", "View", "as_csv", "as_text", "console_for", "plain", "quoted"]
