"""What a user sees: a live view while a run goes on, and results in several forms."""

from .fitting import Fitted, Sheet, parts
from .fitting import show as show_sheet
from .forms import as_csv, as_text
from .text import console_for, plain, quoted
from .watching import Lines, Live, Silent, View

__all__ = [
    "Fitted",
    "Lines",
    "Live",
    "Sheet",
    "Silent",
    "View",
    "as_csv",
    "as_text",
    "console_for",
    "parts",
    "plain",
    "quoted",
    "show_sheet",
]
