"""Scenarios: somebody makes trouble for a server, and a bystander tells what others feel of it.

table ─▶ playing ─┬▶ making: a process, its crowd of clients, the trouble they are
                  └▶ the bystander: an agent, as of any other run

for played in play_all(SCENARIOS.values(), Target("127.0.0.1", 5000)):
    print(played.scenario.name, played.verdict.value, played.bystander)
"""

from .making import Made
from .playing import Beside, Played, Verdict, play, play_all
from .table import SCENARIOS, Scenario
from .trouble import Trouble

__all__ = [
    "SCENARIOS",
    "Beside",
    "Made",
    "Played",
    "Scenario",
    "Trouble",
    "Verdict",
    "play",
    "play_all",
]
