"""Several runs with one question: how much a server holds, and what comes after that."""

from .bisection import Bisection
from .curve import Curve, Point, good

__all__ = ["Bisection", "Curve", "Point", "good"]
