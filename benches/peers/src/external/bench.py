"""Python: the same measurements, with fewer operations, for it is slower."""

import gc
import os
import sys
import time

RUNTIME, BENCH = sys.argv[1], sys.argv[2]
BATCH = 1000


def cpu():
    return time.process_time_ns()


def resident():
    with open("/proc/self/smaps_rollup") as rollup:
        for line in rollup:
            if line.startswith("Rss:"):
                return int(line.split()[1]) * 1024


class Tasks:
    """asyncio's, on its own loop or on uvloop."""

    async def nothing(self, number):
        return number

    async def yield_once(self, number):
        await asyncio.sleep(0)
        return number

    async def spawn_join(self, batches, task):
        async def one():
            tasks = [asyncio.create_task(task(number)) for number in range(BATCH)]
            assert sum([await task for task in tasks]) == BATCH * (BATCH - 1) // 2

        await one()
        start = cpu()
        for _ in range(batches):
            await one()
        return (cpu() - start) / (BATCH * batches)

    async def yields(self, count, times):
        async def run():
            for _ in range(times):
                await asyncio.sleep(0)

        start = cpu()
        for task in [asyncio.create_task(run()) for _ in range(count)]:
            await task
        return (cpu() - start) / (count * times)

    async def ping_pong(self, times):
        there, back = asyncio.Queue(1), asyncio.Queue(1)

        async def other():
            for _ in range(times):
                await back.put(await there.get() + 1)

        task = asyncio.create_task(other())
        start = cpu()
        for number in range(times):
            await there.put(number)
            assert await back.get() == number + 1
        cost = (cpu() - start) / times
        await task
        return cost

    async def sleeps(self, count):
        async def one(number):
            await asyncio.sleep((number * 7919 % 1000 + 1) / 1000)

        start = cpu()
        for task in [asyncio.create_task(one(number)) for number in range(count)]:
            await task
        return (cpu() - start) / count

    async def parked(self, count):
        never = asyncio.Event()

        async def wait(state):
            await never.wait()
            return state

        gc.collect()
        before = resident()
        self.kept = [asyncio.create_task(wait(bytes(64))) for _ in range(count)]
        await asyncio.sleep(0)
        return (resident() - before) / count


class Greenlets:
    """gevent's."""

    def nothing(self, number):
        return number

    def yield_once(self, number):
        gevent.sleep(0)
        return number

    def spawn_join(self, batches, task):
        def one():
            threads = [gevent.spawn(task, number) for number in range(BATCH)]
            gevent.joinall(threads)
            assert sum(thread.value for thread in threads) == BATCH * (BATCH - 1) // 2

        one()
        start = cpu()
        for _ in range(batches):
            one()
        return (cpu() - start) / (BATCH * batches)

    def yields(self, count, times):
        def run():
            for _ in range(times):
                gevent.sleep(0)

        start = cpu()
        gevent.joinall([gevent.spawn(run) for _ in range(count)])
        return (cpu() - start) / (count * times)

    def ping_pong(self, times):
        there, back = gevent.queue.Queue(1), gevent.queue.Queue(1)

        def other():
            for _ in range(times):
                back.put(there.get() + 1)

        thread = gevent.spawn(other)
        start = cpu()
        for number in range(times):
            there.put(number)
            assert back.get() == number + 1
        cost = (cpu() - start) / times
        thread.join()
        return cost

    def sleeps(self, count):
        start = cpu()
        gevent.joinall(
            [gevent.spawn(gevent.sleep, (number * 7919 % 1000 + 1) / 1000) for number in range(count)]
        )
        return (cpu() - start) / count

    def parked(self, count):
        never = gevent.event.Event()

        ready = 0

        def wait(state):
            nonlocal ready
            ready += 1
            never.wait()
            return state

        gc.collect()
        before = resident()
        self.kept = [gevent.spawn(wait, bytes(64)) for _ in range(count)]
        while ready < count:
            gevent.sleep(0)
        return (resident() - before) / count

    def switch(self, times):
        def run(number):
            back = greenlet.getcurrent().parent
            while True:
                number = back.switch(number + 1)

        counter = greenlet.greenlet(run)
        number = 0
        start = cpu()
        for _ in range(times):
            number = counter.switch(number)
        cost = (cpu() - start) / times
        assert number == times
        return cost


def measure(it):
    return {
        "spawn-join": lambda: it.spawn_join(20, it.nothing),
        "spawn-yield-join": lambda: it.spawn_join(20, it.yield_once),
        "yield-2": lambda: it.yields(2, 30_000),
        "yield-1000": lambda: it.yields(1000, 60),
        "ping-pong": lambda: it.ping_pong(10_000),
        "sleeps": lambda: it.sleeps(20_000),
        "parked": lambda: it.parked(20_000),
        "switch": lambda: it.switch(300_000),
    }[BENCH]()


if RUNTIME == "gevent":
    import gevent
    import gevent.event
    import gevent.queue
    import greenlet

    figure = measure(Greenlets())
else:
    import asyncio

    if RUNTIME == "uvloop":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

    async def main():
        return await measure(Tasks())

    # Taking down what waits is not measured.
    figure = asyncio.new_event_loop().run_until_complete(main())

name = "resident_bytes" if BENCH == "parked" else "ns"
print(f"{name}={figure}", flush=True)
os._exit(0)
