"""No-op jobs through procrastinate, a queue in PostgreSQL: prints how many a second were seen to have succeeded.

There is no HTTP here: jobs are submitted and looked for over connections to the database, many of them with one statement.
"""

import argparse
import asyncio
import json
import os
import sys
import time

from procrastinate import App, PsycopgConnector

# What has succeeded is asked for this often.
LOOK_EVERY_S = 0.005
WARM_UP_S = 0.5
ENDED = "SELECT id FROM procrastinate_jobs WHERE id >= %(oldest)s AND status = 'succeeded'"

app = App(connector=PsycopgConnector(conninfo=os.environ["DATABASE_URL"], min_size=4, max_size=20))


@app.task(name="noop", queue="bench")
async def noop() -> None:
    """Does nothing."""


async def work(under_way: int) -> None:
    async with app.open_async():
        await app.run_worker_async(queues=["bench"], concurrency=under_way)


class Load:
    """Keeps so many jobs under way."""

    def __init__(self, under_way: int) -> None:
        self.places = asyncio.Semaphore(under_way)
        self.open: set[int] = set()
        self.ended = 0

    async def submit(self) -> None:
        while True:
            await self.places.acquire()
            self.open.add(await noop.defer_async())

    async def look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not self.open:
                continue
            rows = await app.connector.execute_query_all_async(ENDED, oldest=min(self.open))
            ended = self.open.intersection(row["id"] for row in rows)
            self.open -= ended
            self.ended += len(ended)
            for _ in ended:
                self.places.release()


async def measure(seconds: float, under_way: int) -> None:
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        worker = await asyncio.create_subprocess_exec(sys.executable, __file__, "work", "--under-way", str(under_way))
        try:
            print(json.dumps({"tasks_per_s": await count(Load(under_way), seconds)}))
        finally:
            worker.terminate()
            await worker.wait()


async def count(load: Load, seconds: float) -> float:
    loops = [asyncio.create_task(load.submit()) for _ in range(16)] + [asyncio.create_task(load.look())]
    while load.ended == 0:
        await asyncio.sleep(LOOK_EVERY_S)
        broken = [task for task in loops if task.done()]
        if broken:
            await broken[0]
    await asyncio.sleep(WARM_UP_S)
    before, began = load.ended, time.perf_counter()
    await asyncio.sleep(seconds)
    per_s = (load.ended - before) / (time.perf_counter() - began)
    for task in loops:
        task.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    return per_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=["measure", "work"])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--under-way", type=int, default=64)
    args = parser.parse_args()
    asyncio.run(work(args.under_way) if args.role == "work" else measure(args.seconds, args.under_way))


if __name__ == "__main__":
    main()
