"""A task service as Python teams build it: FastAPI in front, Celery behind it, Redis between them.

Its paths and answers are those of Ortolan that the bench needs, so that one client measures both.
"""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import uvicorn
from celery import Celery
from celery.result import AsyncResult
from fastapi import Body, FastAPI

celery = Celery("celery_service", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
celery.conf.update(broker_connection_retry_on_startup=True, result_expires=600, worker_prefetch_multiplier=64)
api = FastAPI()

# One process that fetches and runs: for tasks that do nothing, handing them to others would cost more than they do.
WORKER = ["-A", "celery_service", "worker", "--pool=solo", "--without-gossip", "--without-mingle", "--loglevel=error"]
STATUS = {"SUCCESS": "completed", "FAILURE": "failed", "REVOKED": "cancelled"}


@celery.task
def noop() -> None:
    """Does nothing."""


@api.get("/health/ready")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


@api.post("/api/v1/tasks", status_code=201)
def submit(wish: Annotated[dict[str, object], Body()]) -> dict[str, object]:
    return {"task_id": noop.delay().id, "task_type": wish["task_type"], "status": "pending"}


@api.get("/api/v1/tasks/{task_id}")
def show(task_id: str) -> dict[str, str]:
    return {"task_id": task_id, "status": STATUS.get(AsyncResult(task_id, app=celery).status, "pending")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    # uvicorn raises the signal once more when it has stopped; the worker has to be told then.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    worker = subprocess.Popen([sys.executable, "-m", "celery", *WORKER], cwd=Path(__file__).parent)
    try:
        while not celery.control.ping(timeout=0.5):
            if worker.poll() is not None:
                sys.exit("the worker ended")
        uvicorn.run(api, host="127.0.0.1", port=port, access_log=False, log_level="warning")
    finally:
        worker.terminate()
        worker.wait()


if __name__ == "__main__":
    main()
