"""What is sent and when: the same on every machine, shared out exactly."""

from dataclasses import replace
from itertools import chain, count, islice, pairwise, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.plan import Arrivals, Mix, Plan, Profile, Share, Stage, Think, duration, quantity
from loadgen.plan.units import show_duration, show_quantity

LEVELS = st.integers(0, 5000).map(lambda tenths: tenths / 10)
STAGES = st.lists(st.builds(Stage, st.floats(0.01, 5), LEVELS, LEVELS), min_size=1, max_size=4).map(
    tuple
)
PROFILES = st.builds(Profile, STAGES)
MIXES = st.sampled_from([Mix.parse("PING"), Mix.parse("PING=3,WAIT 0.5=1,BURN 7=0.5")])
SEEDS = st.integers(0, 2**32)
AGENTS = st.integers(1, 7)


@given(
    rate=PROFILES, mix=MIXES, seed=SEEDS, agents=AGENTS,
    arrivals=st.sampled_from(Arrivals), requests=st.none() | st.integers(0, 200),
)  # fmt: skip
def test_agents_together_send_the_plan(
    rate: Profile, mix: Mix, seed: int, agents: int, arrivals: Arrivals, requests: int | None
) -> None:
    """Every request of it at its instant, and no other; so do the workers of agents."""
    plan = Plan(mix=mix, rate=rate, seed=seed, arrivals=arrivals, requests=requests)
    whole = list(plan.schedule())
    if requests is not None:
        assert len(whole) <= requests
    shares = [Share(index, agents) for index in range(agents)]
    parts = [list(plan.part(share).schedule()) for share in shares]
    assert whole == sorted(chain.from_iterable(parts), key=lambda one: one[0])
    assert [whole[index::agents] for index in range(agents)] == parts
    workers = [shares[0].part(worker, 3) for worker in range(3)]
    assert parts[0] == sorted(
        chain.from_iterable(plan.part(worker).schedule() for worker in workers),
        key=lambda one: one[0],
    )


@given(mix=MIXES, seed=SEEDS, agents=AGENTS, requests=st.integers(0, 100))
def test_agents_share_a_script(mix: Mix, seed: int, agents: int, requests: int) -> None:
    """Of a closed loop; in the order of the numbers."""
    plan = Plan(mix=mix, seed=seed, requests=requests)
    whole = list(plan.script())
    assert requests == len(whole)
    parts = [list(plan.part(Share(k, agents)).script()) for k in range(agents)]
    assert [whole[k::agents] for k in range(agents)] == parts
    counts = [Share(index, agents).count(requests) for index in range(agents)]
    assert counts == [len(part) for part in parts]


@given(profile=PROFILES, agents=AGENTS)
def test_agents_share_clients_that_come_and_go(profile: Profile, agents: int) -> None:
    """Together there are as many as the profile says, at any time."""
    changes = sorted(chain.from_iterable(profile.changes(k, agents) for k in range(agents)))
    whole = sorted(profile.changes(0))
    assert whole == changes
    there = 0
    for at, by in profile.changes(0):
        assert 0 <= at <= profile.seconds * (1 + 1e-9)
        there += by
        assert 0 <= there <= profile.highest + 1
    last = profile.stages[-1].end
    assert last <= there < last + 1


@given(profile=PROFILES, arrivals=st.sampled_from(Arrivals), seed=SEEDS)
def test_as_many_arrive_as_the_rate_makes_up(
    profile: Profile, arrivals: Arrivals, seed: int
) -> None:
    """In order, within the profile; at a constant rate as many as its area, exactly."""
    instants = list(profile.instants(arrivals.areas(seed)))
    assert all(one <= other + 1e-9 for one, other in pairwise(instants))
    assert all(0 <= one <= profile.seconds * (1 + 1e-9) for one in instants)
    area = sum(stage.area for stage in profile.stages)
    if arrivals is Arrivals.CONSTANT:
        assert abs(len(instants) - area) <= 1
    else:
        assert abs(len(instants) - area) <= 6 * area**0.5 + 10


def test_a_constant_rate_has_equal_distances() -> None:
    """To the float."""
    plan = Plan(rate=Profile.constant(8, 2))
    assert [number / 8 for number in range(16)] == [at for at, _ in plan.schedule()]


@given(seed=SEEDS)
def test_a_mix_is_sent_in_its_proportions(seed: int) -> None:
    """Over many requests; and the same again with the same seed."""
    mix = Mix.parse("PING=80,WAIT 0.05=15,BURN 300=5")
    chosen = list(islice(mix.choices(seed), 4000))
    shares = [chosen.count(index) / 4000 for index in range(3)]
    assert pytest.approx([0.8, 0.15, 0.05], abs=0.035) == shares
    assert chosen == list(islice(mix.choices(seed), 4000))
    assert chosen != list(islice(mix.choices(seed + 1), 4000))


def test_thinking_has_its_mean() -> None:
    """Each client has times of its own, the same with the same seed."""
    think = Think.parse("exp:50ms")
    times = think.of(3, seed=1)
    drawn = [times() for _ in range(20_000)]
    assert pytest.approx(0.05, rel=0.05) == sum(drawn) / len(drawn)
    again, other = think.of(3, seed=1), think.of(4, seed=1)
    assert drawn[:9] == [again() for _ in range(9)]
    assert drawn[:9] != [other() for _ in range(9)]
    assert 0.1 == Think.parse("100ms").of(0, 0)()


@given(total=st.integers(0, 1000), agents=AGENTS)
def test_a_share_counts_what_is_its(total: int, agents: int) -> None:
    """All of it, and nothing twice."""
    for index in range(agents):
        numbers = takewhile(lambda number: number < total, count(index, agents))
        assert len(list(numbers)) == Share(index, agents).count(total)


def test_a_warm_up_is_the_like_of_the_beginning() -> None:
    """At the first rate, with other choices, and without an end of its own."""
    plan = Plan(rate=Profile.parse("1s:10-20/s"), requests=5, seed=3)
    warm = plan.warm_up(2.0)
    assert (Profile.constant(10, 2.0), None, 2.0) == (warm.rate, warm.requests, warm.seconds)
    assert plan.seed != warm.seed
    assert plan == replace(plan.part(Share(0, 1)))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("100ms", 0.1),
        ("10s", 10),
        ("5m", 300),
        ("1h", 3600),
        ("7", 7),
        (".5s", 0.5),
        ("30us", 3e-5),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """With their units."""
    assert pytest.approx(seconds) == duration(text)


@pytest.mark.parametrize(("text", "number"), [("800", 800), ("20k", 20_000), ("1.5M", 1_500_000)])
def test_quantities_are_read(text: str, number: float) -> None:
    """With k and M."""
    assert number == quantity(text)


@pytest.mark.parametrize(
    "text", ["", "-1s", "1 fortnight", "nan", "inf", "1e3s", "s", "٣s", "9" * 400]
)
def test_what_is_no_duration_is_said_so(text: str) -> None:
    """In one line."""
    with pytest.raises(ValueError, match=r"is not a duration|is too much"):
        duration(text)


@pytest.mark.parametrize(
    "text", ["", "=1", "PING=x", "PING=0", "PING=-1", "PING=nan", "PING,PING", "PING=inf", "A\nB"]
)
def test_what_is_no_mix_is_said_so(text: str) -> None:
    """In one line."""
    with pytest.raises(ValueError, match=r"mix|request|weight"):
        Mix.parse(text)


@pytest.mark.parametrize("text", ["", "10s", "10s:", "0s:5", "10s:5-", "x:5", "10s:5/s,5s:3", ":5"])
def test_what_are_no_stages_is_said_so(text: str) -> None:
    """In one line."""
    with pytest.raises(ValueError, match=r"stage|duration|number"):
        Profile.parse(text)


@pytest.mark.parametrize("text", ["", "3/3", "-1/2", "1", "a/b", "1/0"])
def test_what_is_no_share_is_said_so(text: str) -> None:
    """In one line."""
    with pytest.raises(ValueError, match=r"share|agent"):
        Share.parse(text)


def test_stages_are_read_and_shown() -> None:
    """Of clients, and of a rate."""
    assert "10s:0-5000,60s:5000-5000" == str(Profile.parse("10s:0-5k,60s:5k"))
    assert Profile.parse("10s:0-5k,60s:5k/s").is_rate
    assert "10s:0-5000,60s:5000-5000/s" == str(Profile.parse("10s:0-5k,60s:5k/s"))


def test_figures_have_three_digits() -> None:
    """And the unit that suits them."""
    assert ["12 µs", "1.50 ms", "2.00 s", "123 s"] == [
        show_duration(s) for s in (12e-6, 1.5e-3, 2.0001, 123.2)
    ]
    assert ["0", "999", "1.50 k", "20.0 k", "1.25 M"] == [
        show_quantity(n) for n in (0, 999, 1500, 20_000, 1_250_000)
    ]
