"""Clients without a network, whose rounds have closed forms; processes of the tests import nothing heavier."""

import os
import signal

import numpy as np

from kerasnas.federated.averaging import Update, Values
from kerasnas.federated.channels import ClientInfo


class Towards:
    """A client that takes gradient steps of `|w - center|^2 / 2`: `w' = center + (1 - rate)^steps (w - center)`."""

    def __init__(self, name, center, samples=1, rate=0.5, steps=1, shape=(1,), dies_at=None, kills_itself_at=None):
        self.name, self.center, self.samples, self.shape = name, np.asarray(center, "float32"), samples, shape
        self.kept = float((1 - rate) ** steps)
        self.dies_at, self.kills_itself_at, self.trained = dies_at, kills_itself_at, 0

    def describe(self):
        return ClientInfo(self.name, self.samples, self.shape)

    def train(self, values, number, rounds):
        if number == self.dies_at:
            raise ConnectionError("the line is dead")
        if number == self.kills_itself_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.trained += 1
        ends = [[self.center + self.kept * (w - self.center) for w in arrays] for arrays in values]
        return Update(Values(*ends), self.samples, {"loss": float(self.trained)})

    def get_state(self):
        return {"trained": np.array(self.trained)}

    def set_state(self, state):
        self.trained = int(state["trained"])


def start():
    """Values 0 of one weight array, one of alphas and one of statistics."""
    return Values(*([np.zeros(1, "float32")] for _ in range(3)))


class KilledOnce(Towards):
    """A client whose process is killed in its training, the first time; `flag` is the file by which that is known."""

    def __init__(self, name, center, flag, **options):
        super().__init__(name, center, **options)
        self.flag = flag

    def train(self, values, number, rounds):
        if not self.flag.exists():
            self.flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().train(values, number, rounds)
