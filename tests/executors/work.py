"""Functions for the workers of tests: a module, since a worker imports what it is to call."""

import math
import os
import signal
import time
from pathlib import Path


def times(shared, item):
    return shared * item


def root(shared, item):
    return math.sqrt(item)


def pid(shared, item):
    time.sleep(shared)
    return os.getpid()


def threads(shared, item):
    return os.environ["TF_NUM_INTRAOP_THREADS"], os.environ["OMP_NUM_THREADS"]


def dies(shared, item):
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def waits(shared, item):
    """Say that an item has begun, with the process it is in, and wait until the file `go` is there."""
    folder = Path(shared)
    (folder / f"{item}-{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)
    return item


def sleeps(shared, item):
    Path(shared, f"{item}-{os.getpid()}").touch()
    time.sleep(item)
    return item


def lock(shared, item):
    import threading

    return threading.Lock()


class Odd(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


def odd(shared, item):
    raise Odd("one", "two")


def begin():
    os.environ["BEGUN"] = "yes"


class Begun:
    """A value that becomes, where it arrives, what `begin` left there."""

    def __reduce__(self):
        return os.getenv, ("BEGUN",)


def shared(shared, item):
    return shared


def fail():
    raise ValueError("the setup fails")


def slowly(first):
    """Take long, in all processes but one."""
    try:
        Path(first).touch(exist_ok=False)
    except FileExistsError:
        time.sleep(60)


class Counted:
    """A value that leaves a file whenever it arrives in a process."""

    def __init__(self, folder, value):
        self.folder, self.value = folder, value

    def __setstate__(self, state):
        vars(self).update(state)
        Path(self.folder, f"{os.getpid()}-{time.monotonic_ns()}").touch()


def times_kept(shared, item):
    return shared.value.value * item
