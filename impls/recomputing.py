"""A model without a cache of keys and values, the baseline of having one: each token computes the whole text again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Int32

from .cached_model import CachedModel, CacheOfSlots
from .reference_model import ReferenceModel

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Text(CacheOfSlots):
    """The tokens themselves."""

    tokens: Int32[Array, "batch context"]


class Recomputing(CachedModel):
    """A reference, asked for the logits of a whole text each time."""

    def __init__(self, model: ReferenceModel) -> None:
        self.model, self.config = model, model.config

    def _empty_cache(self, padding: Int[Array, " batch"]) -> Text:
        return Text(np.zeros((len(padding), self.config.context), np.int32), padding=padding)

    def _step(self, tokens: Int[Array, "batch seq"], text: Text) -> tuple[Float[Array, "batch vocab_size"], Text]:
        end = text.length + tokens.shape[1]
        text.tokens[:, text.length : end] = tokens
        logits, _ = self.model.prefill(text.tokens[:, :end], padding=text.padding)
        return logits, text.at(end)
