"""The NumPy models' own product, which has two ways."""

import numpy as np
import pytest

from impls.features_first import arrays


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("streamed", [0, arrays.STREAMED])
def test_dot_products_and_blas_multiply_alike(monkeypatch, streamed, columns):
    monkeypatch.setattr(arrays, "STREAMED", streamed)
    rng = np.random.default_rng(2)
    weights, inputs = (rng.standard_normal(shape).astype(np.float32) for shape in ((7, 40), (40, columns)))
    out = np.empty((7, columns), np.float32)
    arrays.product(weights, inputs, out)
    assert np.allclose(out, weights.astype(np.float64) @ inputs, rtol=0, atol=1e-5)
