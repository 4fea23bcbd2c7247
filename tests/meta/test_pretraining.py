"""The loss of joint pre-training in closed form."""

import keras
import numpy as np
import pytest

from kerasnas.meta.pretraining import JointCrossentropy, within_groups


def test_each_data_set_has_a_softmax_of_its_own():
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(5, 5)), np.array([0, 1, 2, 3, 4])
    loss = JointCrossentropy([0, 0, 1, 1, 1], label_smoothing=0.2, reduction="none")(labels, logits)
    for row, label in enumerate(labels):
        own = logits[row, :2] if label < 2 else logits[row, 2:]
        log = own - np.log(np.exp(own).sum())
        place, size = (label, 2) if label < 2 else (label - 2, 3)
        expected = -(0.8 * log[place] + 0.2 / size * log.sum())
        assert np.isclose(float(loss[row]), expected, rtol=1e-5)


def test_it_is_saved_with_its_groups_and_refuses_nonsense():
    loss = JointCrossentropy([0, 1, 1], 0.3)
    assert keras.losses.deserialize(keras.losses.serialize(loss)).get_config() == loss.get_config()
    with pytest.raises(ValueError, match="at least one class"):
        JointCrossentropy([])
    with pytest.raises(ValueError, match="label_smoothing"):
        JointCrossentropy([0], 1.0)


def test_the_answer_is_one_of_the_own_data_set():
    logits = np.array([[0.0, 1.0, 5.0], [0.0, 1.0, 5.0]])
    assert within_groups(logits, [0, 2], [0, 0, 1]).tolist() == [1, 2]
