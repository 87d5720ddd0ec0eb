"""A model without a cache of keys and values, the baseline of having one: each token computes the whole text again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Int32

from .checks import check_rewind, checked_padding, checked_prompt, checked_token
from .reference_model import ReferenceModel

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Text:
    """The tokens in the first `length` slots, of which the first `padding` of each row are none of its text."""

    tokens: Int32[Array, "batch context"]
    padding: Int32[Array, " batch"]
    length: int = 0

    @property
    def batch(self) -> int:
        return len(self.tokens)

    def rewind(self, length: int) -> Text:
        """The text as it was at `length` slots; ValueError if it never was."""
        check_rewind(length, self)
        return replace(self, length=length)


class Recomputing:
    """A reference, asked for the logits of a whole text each time."""

    def __init__(self, model: ReferenceModel) -> None:
        self.model, self.config = model, model.config

    def prefill(
        self,
        tokens: Int[Any, "batch tokens"],
        cache: Text | None = None,
        *,
        padding: Int[Any, " batch"] | None = None,
    ) -> tuple[Float[Array, "batch vocab_size"], Text]:
        """Logits of the last position of a prompt, or of what continues the text in `cache`; and the whole text.

        `padding` is how many of the first ids of each row are none of its prompt; they may be any tokens.
        """
        tokens = checked_prompt(tokens, self.config, cache)
        padding = checked_padding(padding, tokens, cache)
        empty = Text(np.zeros((len(tokens), self.config.context), np.int32), padding)
        return self._continued(tokens, cache or empty)

    def decode(self, token: Int[Any, " batch"], cache: Text) -> tuple[Float[Array, "batch vocab_size"], Text]:
        """Logits after one more token a row, and the text with it."""
        return self._continued(checked_token(token, self.config, cache)[:, None], cache)

    def _continued(self, tokens: Int[Array, "batch seq"], text: Text) -> tuple[Float[Array, "batch vocab_size"], Text]:
        end = text.length + tokens.shape[1]
        text.tokens[:, text.length : end] = tokens
        logits, _ = self.model.prefill(text.tokens[:, :end], padding=text.padding)
        return logits, replace(text, length=end)
