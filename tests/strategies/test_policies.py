"""Every policy: a distribution that samples follow, entropies by enumeration, gradients by central differences."""

import numpy as np
import pytest

from tests.strategies.kit import OPTIONS, everything, policy_of

each_policy = pytest.mark.parametrize("name", OPTIONS)


def entropies(policy, name, paths):
    """The entropy along each path, from probabilities alone: of every decision given those before it."""
    found, rows = np.zeros(len(paths)), everything(name)
    probabilities = np.exp(policy.log_prob(rows))
    for n, path in enumerate(paths):
        for choice, size in enumerate(OPTIONS[name]):
            same = (rows[:, :choice] == path[:choice]).all(axis=1)
            shares = np.array([probabilities[same & (rows[:, choice] == option)].sum() for option in range(size)])
            shares /= shares.sum()
            found[n] -= (shares * np.log(shares)).sum()
    return found


@each_policy
def test_probabilities_are_a_distribution_and_samples_follow_it(name):
    policy, rows, count = policy_of(name), everything(name), 10_000
    probabilities = np.exp(policy.log_prob(rows))
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)
    drawn, log_probs, reported = policy.sample(np.random.default_rng(0), count)
    np.testing.assert_allclose(policy.log_prob(drawn), log_probs, atol=1e-12)
    np.testing.assert_allclose(reported[:5], entropies(policy, name, drawn[:5]), atol=1e-12)
    strides = np.cumprod([1, *OPTIONS[name][:0:-1]])[::-1]
    shares = np.bincount(drawn @ strides, minlength=len(rows)) / count
    assert (np.abs(shares - probabilities) < 5 * np.sqrt(probabilities / count) + 1e-9).all()


@each_policy
def test_gradients_equal_central_differences(name):
    policy, weights = policy_of(name), (0.3, 0.8) if hasattr(policy_of(name), "penalty") else (0.3,)
    rows, _, _ = policy.sample(np.random.default_rng(1), 4)
    coefficients = np.random.default_rng(2).normal(size=4)

    def objective():
        value = coefficients @ policy.log_prob(rows) + weights[0] * entropies(policy, name, rows).sum()
        return value - (weights[1] * policy.penalty(rows).sum() if len(weights) > 1 else 0.0)

    gradients = policy.gradients(rows, coefficients, *weights)
    assert gradients.keys() == policy.parameters.keys()
    for parameter, value in policy.parameters.items():
        found, numeric = [], []
        positions = [position for position in np.ndindex(value.shape) if value[position] > -1e9]
        for position in positions[:: max(1, len(positions) // 4)]:
            kept, values = value[position], []
            for value[position] in (kept + 1e-5, kept - 1e-5):
                values.append(objective())
            value[position] = kept
            found.append(gradients[parameter][position])
            numeric.append((values[0] - values[1]) / 2e-5)
        scale = np.abs(numeric).max()
        assert scale > 0 or parameter in ("logits/1", "embedding/1"), parameter  # a choice of one option
        np.testing.assert_allclose(found, numeric, rtol=1e-6, atol=1e-7 * scale + 1e-9, err_msg=parameter)
