"""gevent: the same measurements, with fewer repetitions, for it is slower."""

import gc
import sys
import time

import gevent
import gevent.event
import greenlet

BATCH = 1000


def yields(count, times):
    total = 0

    def run():
        nonlocal total
        for _ in range(times):
            total += 1
            gevent.sleep(0)

    start = time.process_time_ns()
    gevent.joinall([gevent.spawn(run) for _ in range(count)])
    cost = (time.process_time_ns() - start) / (count * times)
    assert total == count * times
    return cost


def spawns(run):
    def one():
        threads = [gevent.spawn(run, number) for number in range(BATCH)]
        gevent.joinall(threads)
        assert sum(thread.value for thread in threads) == BATCH * (BATCH - 1) // 2

    one()
    batches = 20
    start = time.process_time_ns()
    for _ in range(batches):
        one()
    return (time.process_time_ns() - start) / (BATCH * batches)


def yield_once(number):
    gevent.sleep(0)
    return number


def switch():
    count = 300_000

    def run(number):
        back = greenlet.getcurrent().parent
        while True:
            number = back.switch(number + 1)

    counter = greenlet.greenlet(run)
    number = 0
    start = time.process_time_ns()
    for _ in range(count):
        number = counter.switch(number)
    cost = (time.process_time_ns() - start) / count
    assert number == count
    return cost


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def park():
    count = 20_000
    never = gevent.event.Event()
    gc.collect()
    before = resident()
    threads = [gevent.spawn(never.wait) for _ in range(count)]
    gevent.sleep(0.05)
    return (resident() - before) / len(threads)


BENCHES = {
    "yield-2": lambda: yields(2, 50_000),
    "yield-1000": lambda: yields(1000, 100),
    "spawn-join": lambda: spawns(lambda number: number),
    "spawn-yield-join": lambda: spawns(yield_once),
    "switch": switch,
    "parked": park,
}
print(f"figure={BENCHES[sys.argv[1]]()}")
