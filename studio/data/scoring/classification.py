"""Scores of answers that are labels, from the places of the labels.

Every function takes places along the last axis, and any axes before it, so that all resamples of a bootstrap are scored
at once: expected and answered of shape (..., rows), with `labels` how many labels there are. An expected place is 0 to
labels - 1; an answered one may also be `labels`, which is any other answer. ValueError for other places, or no row.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def confusion(expected: ArrayLike, answered: ArrayLike, labels: int) -> NDArray[np.int64]:
    """Count how often each expected label (a line) was answered as which (a column): (..., labels, labels + 1).

    The last column is any other answer.
    """
    wanted, said = np.broadcast_arrays(np.asarray(expected), np.asarray(answered))
    if not wanted.size:
        raise ValueError("There is no row to score.")
    if wanted.min() < 0 or wanted.max() >= labels or said.min() < 0 or said.max() > labels:
        raise ValueError(f"An answer's place is not among {labels} labels.")
    batch, cells = wanted.shape[:-1], labels * (labels + 1)
    tables = int(np.prod(batch, dtype=np.int64))
    places = (wanted.astype(np.int64) * (labels + 1) + said).reshape(tables, -1)
    places += np.arange(tables, dtype=np.int64)[:, None] * cells
    counts = np.bincount(places.ravel(), minlength=tables * cells).astype(np.int64)
    return counts.reshape(*batch, labels, labels + 1)


def balanced_accuracy(expected: ArrayLike, answered: ArrayLike, labels: int) -> NDArray[np.float64]:
    """Return the mean of the labels' recalls, over the labels that were expected at least once: (...).

    So a rare label counts as much as a frequent one (Brodersen et al. 2010).
    """
    table = confusion(expected, answered, labels)
    wanted = table.sum(axis=-1)
    recalls = np.diagonal(table, axis1=-2, axis2=-1) / np.maximum(wanted, 1)
    return np.asarray(recalls.sum(axis=-1) / (wanted > 0).sum(axis=-1), dtype=np.float64)


def macro_f1(expected: ArrayLike, answered: ArrayLike, labels: int) -> NDArray[np.float64]:
    """Return the mean of the labels' F1, over the labels that were expected or answered at least once: (...).

    The F1 of a label is twice the rows where it was both, by the rows where it was expected and those where it was
    answered together. "Any other answer" is no label: it lowers the recall of the label that was expected.
    """
    table = confusion(expected, answered, labels)
    both = table.sum(axis=-1) + table[..., :labels].sum(axis=-2)
    scores = 2 * np.diagonal(table, axis1=-2, axis2=-1) / np.maximum(both, 1)
    return np.asarray(scores.sum(axis=-1) / (both > 0).sum(axis=-1), dtype=np.float64)
