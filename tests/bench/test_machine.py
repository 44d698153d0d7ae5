"""What is read from ``/proc``."""

import pytest

from bench.machine import TICKS_PER_S, Usage, disturbance, usage_in

STAT = """\
cpu  999 999 999 999 999 999 999 999 999 999
cpu0 10 20 30 40 50 60 70 80 5 5
cpu1 1 2 3 4 5 6 7 8 0 0
cpu10 1000 1000 1000 1000 1000 1000 1000 1000 0 0
intr 1 2 3
"""


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        ((0,), Usage(360, 60, 80)),
        ((1,), Usage(36, 6, 8)),
        ((0, 1), Usage(396, 66, 88)),
    ],
)
def test_the_time_of_several_cpus_is_added_up(cpus: tuple[int, ...], expected: Usage) -> None:
    """CPU 1 is not CPU 10, and a guest's time is in that of its user already."""
    assert expected == usage_in(STAT, cpus)


def test_what_disturbed_a_measurement() -> None:
    """Others are those who worked and are not accounted for; never less than nobody."""
    half_a_second = 0.5 * TICKS_PER_S
    spent = Usage(total=round(2 * half_a_second), worked=round(half_a_second), stolen=0)
    assert (0.0, 0.25) == disturbance(spent, 0.25)
    assert (0.0, 0.0) == disturbance(spent, 0.6)
    assert (0.0, 0.0) == disturbance(Usage(0, 0, 0), 0)
