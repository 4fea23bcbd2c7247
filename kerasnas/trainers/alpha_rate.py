"""Default learning rate of the alphas, from the number of steps in which they learn."""

from __future__ import annotations

from kerasnas import checks

PAPERS_RATE, PAPERS_STEPS = 3e-4, 50 * 390  # DARTS: CIFAR-10's halves of 25,000 images in batches of 64, 50 epochs
MOVEMENT = 30.0  # measured, see `architecture_learning_rate`
HIGHEST = 0.15  # of Adam; the entropy of the alphas falls no further above it


def architecture_learning_rate(steps: int) -> float:
    """Return the alphas' first learning rate, annealed by a cosine, for a search in which they learn for `steps` steps.

    The default of `fit`, the command line and the tuners: `MOVEMENT / steps`, between the paper's 3e-4 and 0.15.

    Adam moves a parameter by about its rate per step, whatever the size of the gradient, and a cosine to 0 averages
    half of its first rate: an alpha whose gradients all have one sign moves by `MOVEMENT / 2`, in a search of any
    length. One rate cannot suit all lengths: at 3e-4, 600 steps move an alpha by 0.2, too little to search, and at
    0.15, 20,000 steps move it by 1,500, so that the first few decide. The bounds apply below 200 and above 100,000
    steps.

    Why 30: searches of 600 to 750 steps choose well at 0.05. On 4,000 images of Fashion-MNIST (3 cells of 2 nodes, 4
    filters, 372 steps of 32 images) the entropy of the alphas fell from 2.08 to 2.03 with 6 in its place, to 1.99 with
    12, and to 1.91 with 30 as at the highest rate, 0.15, mostly in the first epoch after the warm-up. The paper's
    search at its constant 3e-4 moves as far as with 12. This is rough: the best rate depends on the space.

    Args:
        steps: number of steps in which the alphas learn, without those of the warm-up.

    Example:

    >>> [architecture_learning_rate(steps) for steps in (100, 600, 1500, 200_000)]
    [0.15, 0.05, 0.02, 0.0003]
    """
    return min(max(MOVEMENT / checks.integer("steps", steps, least=1), PAPERS_RATE), HIGHEST)


def rate_for(epochs: int, steps: int | None) -> float:
    """Return the rate for `epochs` epochs of `steps` steps; if that is None, warn and return the paper's."""
    if steps is None:
        checks.warn(
            f"The number of steps per epoch is unknown, so the alphas learn at {PAPERS_RATE}, the paper's "
            f"rate for {PAPERS_STEPS:,} steps. Pass `steps_per_epoch`, or an `architecture_optimizer` to `compile`."
        )
        return PAPERS_RATE
    return architecture_learning_rate(max(epochs * steps, 1))
