"""MAML, FOMAML and Reptile in PyTorch on the network of four convolutions: time of a step, accuracy, and parity.

    python benchmarks/pytorch_maml.py --method maml --tasks 16 --threads 1 --loop --time
    python benchmarks/pytorch_maml.py --method maml --tasks 16 --threads 2 --vmap --time
    python benchmarks/pytorch_maml.py --method reptile --workers 2 --time          # two tasks at a time
    python benchmarks/pytorch_maml.py --method fomaml --steps 700 --data omniglot28.npz
    python benchmarks/pytorch_maml.py --golden tests/golden/pytorch_maml.npz

Nothing of KerasNAS is used. Written from the papers with `torch.func`: parameters are a dictionary, the network a
function of them, images NCHW. Tasks are independent 5-way 1-shot tasks, with 5 queries a class in training. Prints one
JSON line. `--time` takes random images; `--data` takes Omniglot as one file with `images` (classes, samples, 28, 28) of
ink 0..15 and `split` (0 for training classes, 1 for test classes), each class in four rotations, and prints the
(transductive) accuracy of 600 tasks. `--golden` writes small seeded inputs and this program's results for them, in
float64 and in Keras' layouts.

References:
    Finn et al., "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", 2017 (arXiv 1703.03400).
    Nichol et al., "On First-Order Meta-Learning Algorithms", 2018 (arXiv 1803.02999).
"""

import json
import resource
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import skeleton
import torch
import torch.nn.functional as F
import tracked
from torch.func import grad, grad_and_value, vmap

REPTILE_RATE, BETA_2, ADAM_EPSILON = 1e-3, 0.999, 1e-8  # of Reptile's inner Adam
INNER_RATE = 0.4  # of the one inner step of MAML and FOMAML
BATCH_NORM = {"eps": 1e-3}  # Keras' own; set by `--epsilon`
WAYS = 5  # of a task
DEFAULT_TASKS = {"maml": 16, "fomaml": 16, "reptile": 5}


# Network -----------------------------------------------------------------------------------------------------
def start_values(ways=WAYS, filters=64, blocks=4, size=28, seed=0, bias=True, dtype=torch.float32):
    """Draw parameters in Keras' order, by Glorot's uniform: kernels (out, in, 3, 3), head (ways, features)."""
    generator, parameters, channels = torch.Generator().manual_seed(seed), {}, 1

    def glorot(*shape):
        receptive = int(np.prod(shape[2:]))
        limit = (6 / (receptive * (shape[0] + shape[1]))) ** 0.5
        return limit * (2 * torch.rand(shape, generator=generator, dtype=dtype) - 1)

    for block in range(blocks):
        parameters[f"block{block}/kernel"] = glorot(filters, channels, 3, 3)
        if bias:
            parameters[f"block{block}/bias"] = torch.zeros(filters, dtype=dtype)
        parameters[f"block{block}/gamma"] = torch.ones(filters, dtype=dtype)
        parameters[f"block{block}/beta"] = torch.zeros(filters, dtype=dtype)
        channels, size = filters, -(-size // 2)
    parameters["head/kernel"] = glorot(ways, filters * size * size)
    parameters["head/bias"] = torch.zeros(ways, dtype=dtype)
    return parameters


def explicit_norm(x, running_mean, running_variance, gamma, beta, training, eps):
    """`F.batch_norm` in training, for `vmap`.

    There the second derivative of PyTorch 2.13's own is wrong (by up to 61 % in the case of `golden`); this one's
    agrees with the loop and with finite differences.
    """
    centered = x - x.mean((0, 2, 3), keepdim=True)
    scale = gamma[:, None, None] * torch.rsqrt((centered**2).mean((0, 2, 3), keepdim=True) + eps)
    return centered * scale + beta[:, None, None]


def network(parameters, x, norm=F.batch_norm):
    """Compute logits `(batch, ways)` of images `(batch, channels, height, width)`, padded where Keras pads.

    At even sizes that is one pixel at the bottom and right. Batch norm always takes the statistics of the batch.
    """
    for block in range(sum(name.endswith("gamma") for name in parameters)):
        names = (f"block{block}/{name}" for name in ("kernel", "bias", "gamma", "beta"))
        kernel, bias, gamma, beta = (parameters.get(name) for name in names)
        top, left = x.shape[2] % 2, x.shape[3] % 2
        x = F.conv2d(F.pad(x, (left, 1, top, 1)), kernel, bias, stride=2)
        x = torch.relu(norm(x, None, None, gamma, beta, training=True, **BATCH_NORM))
    return F.linear(x.flatten(1), parameters["head/kernel"], parameters["head/bias"])


def loss_of(parameters, batch, norm=F.batch_norm):
    """Cross-entropy on a batch."""
    x, y = batch
    return F.cross_entropy(network(parameters, x, norm), y)


def to_keras(values):
    """Convert to Keras' layouts, channels last: kernels (3, 3, in, out), head (features, ways)."""
    arrays = {name: value.detach().numpy() for name, value in values.items()}
    filters = len(arrays["block0/gamma"])
    for name, array in arrays.items():
        if array.ndim == 4:
            arrays[name] = array.transpose(2, 3, 1, 0)
        elif name == "head/kernel":
            side = round((array.shape[1] / filters) ** 0.5)
            arrays[name] = array.reshape(-1, filters, side, side).transpose(2, 3, 1, 0).reshape(-1, len(array))
    return arrays


# MAML and FOMAML ---------------------------------------------------------------------------------------------
def adapt(parameters, support, steps=1, rate=INNER_RATE, norm=F.batch_norm):
    """Take steps of gradient descent on the support set; differentiable within `torch.func`."""
    for _ in range(steps):
        gradients = grad(loss_of)(parameters, support, norm)
        parameters = {name: value - rate * gradients[name] for name, value in parameters.items()}
    return parameters


def task_gradient(parameters, support, query, second_order, steps, rate, norm=F.batch_norm):
    """Compute (gradients, query loss) of one task by `torch.func`."""
    options = steps, rate, norm
    if second_order:
        return grad_and_value(lambda own: loss_of(adapt(own, support, *options), query, norm))(parameters)
    return grad_and_value(loss_of)(adapt(parameters, support, *options), query, norm)


def tape_task_gradient(parameters, support, query, second_order, steps, rate):
    """Compute the same by `torch.autograd.grad`, which takes less time for one task."""
    start = task = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    for _ in range(steps):
        gradients = torch.autograd.grad(loss_of(task, support), list(task.values()), create_graph=second_order)
        moved = zip(task.items(), gradients, strict=True)
        task = {name: value - rate * gradient for (name, value), gradient in moved}
        if not second_order:
            task = {name: value.detach().requires_grad_() for name, value in task.items()}
    loss = loss_of(task, query)
    gradients = torch.autograd.grad(loss, list((start if second_order else task).values()))
    return dict(zip(parameters, gradients, strict=True)), loss.detach()


def meta_gradient(
    parameters, support, query, second_order=True, steps=1, rate=INNER_RATE, vectorized=False, task=tape_task_gradient
):
    """Compute the gradient of the mean of the tasks' query losses by the parameters, and that mean.

    `support` and `query` are (images `(tasks, samples, channels, height, width)`, labels `(tasks, samples)`). Without
    `second_order` (FOMAML) the gradient is that at the adapted parameters. `vectorized` computes all tasks at once by
    `vmap`, otherwise `task` computes one after the other.
    """
    options = second_order, steps, rate
    if not vectorized:
        return mean([task(parameters, *each, *options) for each in tasks_of(support, query)])
    norm = explicit_norm
    if second_order:  # differentiating the sum is cheaper than summing each task's gradient

        def total(own):
            adapted = vmap(lambda s: adapt(own, s, steps, rate, norm))(support)
            return vmap(lambda own, q: loss_of(own, q, norm))(adapted, query).mean()

        return grad_and_value(total)(parameters)
    gradients, losses = vmap(lambda s, q: task_gradient(parameters, s, q, *options, norm))(support, query)
    return {name: value.mean(0) for name, value in gradients.items()}, losses.mean()


def tasks_of(*batches):
    """List the tasks of batches of tasks: a tuple with a pair (images, labels) for each batch."""
    return list(zip(*(list(zip(*batch, strict=True)) for batch in batches), strict=True))


def mean(results):
    """Average pairs (dictionary, number)."""
    values, losses = zip(*results, strict=True)
    return {name: sum(each[name] for each in values) / len(values) for name in values[0]}, sum(losses) / len(losses)


# Reptile -----------------------------------------------------------------------------------------------------
def reptile_task(parameters, moments, done, batches, norm=F.batch_norm):
    """Run the inner loop of one task: Adam without momentum, a step for each batch; `done` steps came before.

    Second `moments` are kept from task to task as in the published code. Returns (adapted parameters, second moments),
    and the loss of the last step.
    """
    loss = torch.zeros(())
    for step, batch in enumerate(zip(*batches, strict=True), start=done + 1):
        gradients, loss = grad_and_value(loss_of)(parameters, batch, norm)
        moments = {name: BETA_2 * v + (1 - BETA_2) * gradients[name] ** 2 for name, v in moments.items()}
        rate = REPTILE_RATE * (1 - BETA_2**step) ** 0.5
        parameters = {
            name: value - rate * gradients[name] / (moments[name].sqrt() + ADAM_EPSILON)
            for name, value in parameters.items()
        }
    return (parameters, moments), loss


@torch.no_grad()
def tape_reptile_task(parameters, moments, done, batches):
    """Run the same by `torch.autograd.grad`, in place."""
    task = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    moments = {name: value.clone() for name, value in moments.items()}
    for step, batch in enumerate(zip(*batches, strict=True), start=done + 1):
        with torch.enable_grad():
            loss = loss_of(task, batch)
        gradients = torch.autograd.grad(loss, list(task.values()))
        rate = REPTILE_RATE * (1 - BETA_2**step) ** 0.5
        for value, v, gradient in zip(task.values(), moments.values(), gradients, strict=True):
            v.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
            value.addcdiv_(gradient, v.sqrt().add_(ADAM_EPSILON), value=-rate)
    return ({name: value.detach() for name, value in task.items()}, moments), loss.detach()


def reptile_mean(parameters, moments, done, batches, vectorized, task):
    """Average over the tasks: (adapted parameters, second moments), loss. All tasks start with the same moments."""
    if vectorized:
        both, losses = vmap(lambda own: reptile_task(parameters, moments, done, own, norm=explicit_norm))(batches)
        return tuple({name: value.mean(0) for name, value in part.items()} for part in both), losses.mean()
    results = [task(parameters, moments, done, own) for (own,) in tasks_of(batches)]
    parts, losses = zip(*results, strict=True)
    means = tuple(mean([(part, 0.0) for part in side])[0] for side in zip(*parts, strict=True))
    return means, sum(losses) / len(losses)


# Steps -------------------------------------------------------------------------------------------------------
class Learner:
    """Initial weights and their optimizer: Adam for MAML and FOMAML, an interpolation for Reptile.

    `steps` are those over which Reptile's step falls from 1 to 0; `vectorized` computes all tasks at once by `vmap`,
    otherwise `workers` threads share them. Convolutions have a `bias`, as published, which batch norm takes away.
    """

    def __init__(
        self, method, steps, vectorized=False, workers=1, channels_last=False, compiled=False, seed=0, bias=True
    ):
        self.method, self.steps, self.workers, self.vectorized = method, steps, workers, vectorized
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        self.parameters = {
            name: value.contiguous(memory_format=self.format) if value.ndim == 4 else value
            for name, value in start_values(seed=seed, bias=bias).items()
        }
        self.optimizer = torch.optim.Adam(self.parameters.values(), lr=1e-3, fused=True)
        self.moments = {name: torch.zeros_like(value) for name, value in self.parameters.items()}
        self.made = self.done = 0  # meta-steps, and steps of Reptile's inner Adam
        self.pool = ThreadPoolExecutor(workers)
        names = {"reptile": (reptile_mean, reptile_task, tape_reptile_task)}
        whole, task, tape = names.get(method, (meta_gradient, task_gradient, tape_task_gradient))
        self.whole = torch.compile(whole) if compiled and vectorized else whole
        self.options = {"vectorized": vectorized, "task": torch.compile(task) if compiled and not vectorized else tape}
        if method != "reptile":
            self.options["second_order"] = method == "maml"

    def shared(self, *arguments, batches):
        """Run `whole` on the batches of tasks, shared by all workers."""
        parts = [
            tuple(tuple(part[w :: self.workers] for part in batch) for batch in batches) for w in range(self.workers)
        ]
        if self.workers == 1:
            return [self.whole(*arguments, *parts[0], **self.options)], [1.0]
        results = list(self.pool.map(lambda part: self.whole(*arguments, *part, **self.options), parts))
        counts = [len(part[0][0]) for part in parts]
        return results, [count / sum(counts) for count in counts]

    def step(self, batches):
        """Take one meta-step on `(support, query)`, for Reptile on `(batches,)`; return the loss."""
        if self.method != "reptile":
            results, weights = self.shared(self.parameters, batches=batches)
            for name, parameter in self.parameters.items():
                parameter.grad = sum(w * gradients[name] for w, (gradients, _) in zip(weights, results, strict=True))
            self.optimizer.step()
        else:
            results, weights = self.shared(self.parameters, self.moments, self.done, batches=batches)
            sides = zip(*(both for both, _ in results), strict=True)
            adapted, self.moments = (
                {name: sum(w * part[name] for w, part in zip(weights, side, strict=True)) for name in self.parameters}
                for side in sides
            )
            rate, inner = 1 - self.made / self.steps, batches[0][0].shape[1]
            for name, parameter in self.parameters.items():
                parameter.lerp_(adapted[name], rate)
            self.done += inner
            self.made += 1
        return float(sum(w * loss for w, (_, loss) in zip(weights, results, strict=True)))


# Tasks -------------------------------------------------------------------------------------------------------
class Tasks:
    """Tasks of random classes of `images` (classes, samples, 28, 28), rotated by quarter turns; or of random images."""

    def __init__(self, images=None, rotations=(0,), seed=0):
        self.images, self.rotations, self.rng = images, rotations, np.random.default_rng(seed)

    def sets(self, tasks, *samples):
        """Return, for each number of samples of a class, (images `(tasks, ways * samples, 1, 28, 28)`, labels)."""
        x = np.empty((tasks, WAYS, sum(samples), 28, 28), "float32")
        for task in x if self.images is not None else ():
            for way, row in enumerate(self.rng.choice(len(self.images), WAYS, replace=False)):
                chosen = self.images[row][self.rng.permutation(self.images.shape[1])[: sum(samples)]]
                task[way] = np.rot90(chosen, self.rng.choice(self.rotations), (1, 2))
        if self.images is None:
            x[:] = self.rng.random(x.shape, "float32")
        parts = np.split(x, np.cumsum(samples)[:-1], axis=2)
        labels = [torch.arange(WAYS).repeat_interleave(n).expand(tasks, -1) for n in samples]
        return [(torch.from_numpy(p.reshape(tasks, -1, 1, 28, 28)), y) for p, y in zip(parts, labels, strict=True)]

    def batches(self, learner, tasks):
        """Return the arguments of `learner.step`; for Reptile 5 batches of 10 from 10 samples of a class."""
        if learner.method != "reptile":
            return self.sets(tasks, 1, 5)
        ((x, y),) = self.sets(tasks, 10)
        order = torch.from_numpy(self.rng.permutation(x.shape[1]).reshape(-1, 10))
        return [(x[:, order], y[:, order])]


def accuracies(learner, tasks, number=600):
    """Return the accuracy of each of `number` tasks of 1 shot and 15 queries, after adaptation (Reptile: 50 steps)."""
    found = []
    for _ in range(number):
        support, (x, y) = ((x[0], y[0]) for x, y in tasks.sets(1, 1, 15))
        if learner.method == "reptile":
            batches = tuple(part.expand(50, *part.shape) for part in support)
            (adapted, _), _ = tape_reptile_task(learner.parameters, learner.moments, learner.done, batches)
        else:
            adapted = adapt(learner.parameters, support)
        with torch.no_grad():
            found.append(float((network(adapted, x).argmax(1) == y).float().mean()))
    return np.array(found)


# Golden ------------------------------------------------------------------------------------------------------
def golden(path):
    """Write seeded inputs, and what `task_gradient` and `reptile_task` compute of them, as arrays in Keras' layouts.

    `parameters/*` in Keras' order; `support/x` (tasks, samples, height, width, channels), `support/y`, `query/x`,
    `query/y`; `maml/*` and `fomaml/*`: gradients of the mean query loss after one inner step, `maml/loss`; `maml_3/*`
    and `fomaml_3/*`: after three inner steps at half the rate; `reptile/*`: parameters after the steps of Adam on the
    batches `reptile_order` (steps, batch) of the first task's query set, from second moments of 0;
    `reptile_moments/*`: the second moments then. Where a network's convolutions have no bias, leave `*/block?/bias`
    out: the rest is the same, since batch norm takes it away. Batch norm's epsilon is 1e-3; what follows from 1e-5, on
    the same inputs, has the same keys after `epsilon_1e-5/`.
    """
    tasks, ways, size, rng = 2, 3, 8, np.random.default_rng(0)
    parameters = start_values(ways, filters=4, blocks=2, size=size, dtype=torch.float64)
    for value in parameters.values():
        if value.ndim == 1:  # offsets and scales that are not 0 and 1
            value += 0.1 * torch.from_numpy(rng.standard_normal(value.shape))
    support, query = (
        (
            torch.from_numpy(rng.standard_normal((tasks, ways * shots, 1, size, size))),
            torch.from_numpy(np.stack([rng.permutation(np.arange(ways * shots) % ways) for _ in range(tasks)])),
        )
        for shots in (2, 4)
    )
    arrays = {f"parameters/{name}": value for name, value in to_keras(parameters).items()}
    for name, (x, y) in (("support", support), ("query", query)):
        arrays |= {f"{name}/x": x.numpy().transpose(0, 1, 3, 4, 2), f"{name}/y": y.numpy()}
    order = np.stack([rng.permutation(query[0].shape[1])[:5] for _ in range(5)])
    arrays |= {"reptile_order": order, "reptile_inner_learning_rate": np.array(REPTILE_RATE)}
    for prefix, epsilon in (("", 1e-3), ("epsilon_1e-5/", 1e-5)):
        BATCH_NORM["eps"] = epsilon
        found = outcomes(parameters, support, query, order)
        arrays |= {f"{prefix}{name}": value for name, value in found.items()}
    np.savez_compressed(path, **arrays)


def outcomes(parameters, support, query, order):
    """Compute the golden file's results; raises where the loop, `torch.func` and `vmap` differ."""
    arrays = {}
    for steps, suffix, rate in ((1, "", INNER_RATE), (3, "_3", INNER_RATE / 2)):
        arrays[f"inner_learning_rate{suffix}"] = np.array(rate)
        for name in ("maml", "fomaml"):
            ours = meta_gradient(parameters, support, query, name == "maml", steps, rate, task=task_gradient)
            for check in ({"vectorized": True}, {"task": tape_task_gradient}):  # all three ways are one
                torch.testing.assert_close(
                    meta_gradient(parameters, support, query, name == "maml", steps, rate, **check), ours
                )
            arrays |= {f"{name}{suffix}/{key}": value for key, value in to_keras(ours[0]).items()}
            arrays[f"{name}{suffix}/loss"] = ours[1].detach().numpy()
    zeros = {name: torch.zeros_like(value) for name, value in parameters.items()}
    batches = tuple(part[0][order] for part in query)
    ours = reptile_task(parameters, zeros, 0, batches)
    torch.testing.assert_close(tape_reptile_task(parameters, zeros, 0, batches), ours)
    arrays |= {"reptile/loss": ours[1].numpy()}
    for name, values in zip(("reptile", "reptile_moments"), ours[0], strict=True):
        arrays |= {f"{name}/{key}": value for key, value in to_keras(values).items()}
    return arrays


def main() -> None:
    arguments = skeleton.arguments(
        __doc__,
        method=skeleton.one_of(*DEFAULT_TASKS),
        tasks=(int, "of a step; default 16, Reptile 5"),
        steps=20,
        threads=(0, "of an operation; 0: PyTorch's own choice"),
        workers=(1, "threads that share the tasks of a step"),
        vmap=(False, "all tasks at once"),
        loop=(False, "one task after the other (the default)"),
        epsilon=(1e-3, "of batch norm"),
        no_bias=(False, "convolutions without one: the same function"),
        channels_last=(False, "NHWC in memory"),
        compile=(False, "torch.compile"),
        time=(False, "on random images (the default)"),
        data=(str, "Omniglot as .npz: learn on it, and print the accuracy"),
        seed=0,
        golden={"metavar": "OUT.npz", "help": "write it and nothing else"},
    )
    if arguments.golden:
        golden(arguments.golden)
        return
    BATCH_NORM["eps"] = arguments.epsilon
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    tasks = arguments.tasks or DEFAULT_TASKS[arguments.method]
    flags = (arguments.vmap, arguments.workers, arguments.channels_last, arguments.compile, arguments.seed)
    learner = Learner(arguments.method, arguments.steps, *flags, not arguments.no_bias)
    training, test = Tasks(seed=arguments.seed), None
    if arguments.data:
        with np.load(arguments.data) as file:
            images, split = file["images"].astype("float32") / 15, file["split"]
        training, test = Tasks(images[split == 0], range(4), seed=arguments.seed), Tasks(images[split == 1], seed=12345)
    wall, cpu, losses = [], [], []
    for _ in range(arguments.steps):
        batches = training.batches(learner, tasks)
        before = time.perf_counter(), time.process_time()
        losses.append(learner.step(batches))
        wall.append(time.perf_counter() - before[0])
        cpu.append(time.process_time() - before[1])
    later = slice(min(2, len(wall) - 1), None)
    record = {
        "framework": "pytorch",
        **tracked.settings(arguments),
        "tasks": tasks,
        "tasks_per_second": round(tasks / float(np.median(wall[later])), 2),
        "cpu_ms_per_task": round(1e3 * float(np.median(cpu[later])) / tasks, 2),
        "first_step_s": round(wall[0], 2),
        "minutes": round(sum(wall) / 60, 2),
        "loss": round(float(np.mean(losses[-50:])), 4),
        "peak_memory_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }
    if test:
        found = accuracies(learner, test)
        record["accuracy_transductive"] = round(float(found.mean()), 4)
        record["interval"] = round(float(1.96 * found.std(ddof=1) / len(found) ** 0.5), 4)
    print(json.dumps(record))
    tracked.record(arguments, [record])


if __name__ == "__main__":
    main()
