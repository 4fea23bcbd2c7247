"""What trainers, meta-learners and clients evaluate in workers: as here, to the bit, also where a worker is killed."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

from kerasnas import BilevelTrainer
from kerasnas.datasets import EpisodeSampler
from kerasnas.executors import Executor
from kerasnas.executors.processes import Processes
from kerasnas.federated import FederatedClient, federate, shared_values
from kerasnas.meta import Reptile
from kerasnas.networks import few_shot_network
from kerasnas.search import ENASTrainer
from kerasnas.spaces import DARTSSpace, ENASMicroSpace

RNG = np.random.default_rng(0)
X, Y = RNG.random((40, 8, 8, 1), "float32"), np.arange(40) % 4
CHILDREN = ENASMicroSpace(filters=2, num_cells=1, num_nodes=1, primitives=["max_pool_3x3", "nor_conv_3x3"])
CELLS = DARTSSpace(filters=2, num_cells=1, num_nodes=1, primitives=["skip_connect", "avg_pool_3x3"])


class Copies(Executor):
    """A worker of another machine: what it gets and returns are copies."""

    done = 0

    def completed(self, function, items, shared=None):
        there, own = copied((function, shared))
        for number, item in enumerate(items):
            self.done += 1
            yield number, copied(there(own, copied(item)))


def copied(value):
    return ForkingPickler.loads(ForkingPickler.dumps(value))


class Noted(Processes):
    """Processes that count what they have done."""

    done = 0

    def completed(self, function, items, shared=None):
        for one in super().completed(function, items, shared):
            self.done += 1
            yield one


@pytest.fixture(scope="module", params=["copies", pytest.param("process", marks=pytest.mark.slow)])
def worker(request):
    """One, whose imports are paid for once, with the threads and the sums of this process."""
    if request.param == "copies":
        yield Copies()
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_NUM_INTRAOP_THREADS", os.environ.get("TF_NUM_INTRAOP_THREADS", "0"))
        with Noted(1) as executor:
            yield executor


@pytest.fixture(scope="module")
def one_shot():
    search = ENASTrainer(CHILDREN.build_supernet((8, 8, 1), 4, seed=1), CHILDREN, seed=0)
    search.compile(run_eagerly=True)
    return search


@pytest.fixture(scope="module")
def learner():
    made = Reptile(few_shot_network((8, 8, 1), num_classes=2, filters=2), inner_steps=1, adaptation_steps=2)
    made.compile(run_eagerly=True)
    return made


def tasks(seed=0):
    return EpisodeSampler(X, Y, ways=2, shots=1, query_shots=3, seed=seed)


def test_children_have_the_rewards_that_they_have_here(worker, one_shot):
    children, before = [CHILDREN.sample(RNG) for _ in range(3)], worker.done
    here = one_shot.evaluate_children(children, X, Y, batch_size=16)
    there = one_shot.evaluate_children(children, X, Y, batch_size=16, executor=worker)
    assert there.tolist() == here.tolist() and len(set(here)) > 1 and worker.done == before + 3
    state = one_shot.controller.get_state()
    ranked = one_shot.rank(2, X, Y)
    one_shot.controller.set_state(state)
    assert one_shot.rank(2, X, Y, executor=worker) == ranked
    one_shot.controller.set_state(state)
    assert one_shot.derive(2, X, Y, executor=worker) == ranked[0][0] and worker.done == before + 3 + 2 * len(ranked)


@pytest.mark.slow
def test_tasks_have_the_estimates_that_they_have_here(worker, learner):
    before, here = worker.done, learner.evaluate(tasks(), episodes=5, tasks=2)
    assert learner.evaluate(tasks(), episodes=5, tasks=2, executor=worker) == here and worker.done == before + 3
    assert learner.evaluate(tasks(seed=1), episodes=5, tasks=2, executor=worker) != here


@pytest.mark.slow
def test_a_federation_of_searches_is_that_of_one_process(worker):
    def run(executor):
        search = BilevelTrainer(CELLS.build_supernet((8, 8, 1), 4, seed=3), curvature_ratio=None)
        search.compile(run_eagerly=True)
        clients = [FederatedClient(str(i), search, X[i::2], Y[i::2], batch_size=8, seed=i) for i in range(2)]
        return federate(clients, shared_values(search), rounds=2, executor=executor)

    before = worker.done
    here, there = run(None), run(worker)
    assert here.rounds == there.rounds and worker.done == before + 4
    for own, other in zip(here.values, there.values, strict=True):
        for array, expected in zip(own, other, strict=True):
            np.testing.assert_array_equal(array, expected)


@pytest.mark.slow
def test_a_killed_worker_loses_nothing(one_shot, learner):
    children = [CHILDREN.sample(RNG) for _ in range(20)]
    evaluations = (
        lambda executor: one_shot.evaluate_children(children, X, Y, batch_size=4, executor=executor).tolist(),
        lambda executor: learner.evaluate(tasks(), episodes=40, tasks=2, executor=executor),
    )
    with Processes(2) as executor:
        for evaluate in evaluations:
            expected = evaluate(None)
            assert evaluate(executor) == expected
            before = {child.pid for child in multiprocessing.active_children()}
            timer = threading.Timer(0.5, os.kill, (next(iter(before)), signal.SIGKILL))
            timer.start()
            assert evaluate(executor) == expected
            timer.join()
            assert {child.pid for child in multiprocessing.active_children()} != before
