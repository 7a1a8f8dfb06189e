# SPDX-License-Identifier: Apache-2.0
"""What a pool costs: dispatch against a direct call, two workers against one, two callers, and 1,000 workers."""
from .contenders import ours
from .session import spread, values

NEEDS = ("ipc-bench",)
# Times of a direct call; calls of two workers by those of one; seconds for the start of 1,000 workers.
MOST_DISPATCH, LEAST_SCALING, MOST_START = 1.3, 1.7, 20


def measure(session):
    bench = ours(session)
    dispatch, scaling, fairness = [], [], []
    for number in range(session.rounds):
        dispatch.append(session.run(bench, "pool-dispatch", number=number, settings={"n": 10_000}))
        scaling.append(session.run(bench, "pool-scaling", number=number, settings={"n": 200, "us": 10_000}))
        fairness.append(session.run(bench, "pool-fairness", number=number, settings={"n": 1_000}))
    session.judge("64 bytes through a pool, of a direct call", values(dispatch, "ratio"), most=MOST_DISPATCH,
                  key="pool dispatch", beside=f"; {spread(values(dispatch, 'pool_p50_us'), 'us', 0)}, direct "
                                              f"{spread(values(dispatch, 'direct_p50_us'), 'us', 0)}")
    session.judge("calls of 10 ms of a processor, two workers against one", values(scaling, "ratio"),
                  least=LEAST_SCALING, key="pool scaling",
                  beside=f"; one {spread(values(scaling, 'one_per_s'), '/s', 0)}, "
                         f"two {spread(values(scaling, 'two_per_s'), '/s', 0)}")
    session.judge("two callers of calls of 2 ms, p99 of the quiet one", values(fairness, "quiet_p99_ms"), "ms", 1,
                  key="pool fairness",
                  beside=f"; of the flooding one {spread(values(fairness, 'flood_p99_ms'), 'ms', 0)}")
    many = session.run(bench, "pool-many", settings={"workers": 1_000, "idle": 60})["metrics"]
    session.judge("1,000 workers ready after", [many["start_s"]], "s", 1, most=MOST_START, key="pool many",
                  beside=f"; {many['parent_pss_kib_a_worker']:.0f} KiB of the supervisor's memory (PSS) each, "
                         f"{many['idle_parent_cpu_ms']:.0f} ms of a processor in an idle minute, "
                         f"stopped in {many['stop_s']:.1f} s")
