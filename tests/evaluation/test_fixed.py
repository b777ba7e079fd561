"""Predictions with a fixed support: probabilities, and the votes of frames over their clip."""

import numpy as np
import torch
from sklearn.neighbors import NearestCentroid

from fewshot_fer.evaluation.fixed import fixed_log_probabilities, mean_by_clip, vote_by_majority
from fewshot_fer.models.methods.method import BoundMethod
from fewshot_fer.models.methods.prototypes import prototype_logits


def test_probabilities_and_labels_equal_nearest_centroid() -> None:
    """The nearest prototype is scikit-learn's nearest centroid; probabilities sum to one."""
    torch.manual_seed(0)
    support, query = torch.randn(4, 6, 10), torch.randn(3000, 10)
    ours = fixed_log_probabilities(BoundMethod(prototype_logits), support, query)
    centroid = NearestCentroid().fit(support.flatten(0, 1).numpy(), np.repeat(np.arange(4), 6))
    assert np.array_equal(ours.argmax(axis=1), centroid.predict(query.numpy()))
    np.testing.assert_allclose(np.exp(ours).sum(axis=1), 1, rtol=1e-9)


def test_votes_by_hand() -> None:
    """Mean probability and majority disagree where one frame is sure; a tie goes to the surer."""
    frames = np.array([[0.9, 0.1], [0.45, 0.55], [0.4, 0.6], [0.7, 0.3], [0.35, 0.65]])
    clips = np.array([0, 0, 0, 1, 1])
    mean = mean_by_clip(frames, clips)
    np.testing.assert_allclose(mean, [[1.75 / 3, 1.25 / 3], [0.525, 0.475]])
    majority = vote_by_majority(frames, clips)
    assert mean.argmax(axis=1).tolist() == [0, 0]
    assert majority.argmax(axis=1).tolist() == [1, 0]


def test_tie_break_never_outvotes_a_frame() -> None:
    """One frame more decides, however sure the others were."""
    for frames in range(3, 60, 2):
        less = frames // 2
        sure = np.tile([[0.999, 0.001]], (less, 1))
        unsure = np.tile([[0.499, 0.501]], (less + 1, 1))
        voted = vote_by_majority(np.concatenate([sure, unsure]), np.zeros(frames, dtype=np.int64))
        assert voted.argmax(axis=1).tolist() == [1]
