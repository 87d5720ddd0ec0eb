"""What all models have in common: how they are asked, what is checked before a step, and how far a cache is filled."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self

from jaxtyping import Float, Int

from .checks import check_rewind, checked_padding, checked_prompt, checked_token

Logits = Float[Any, "batch vocab_size"]


@dataclass(frozen=True, eq=False, kw_only=True)
class CacheOfSlots:
    """A cache whose first `length` slots are filled; what lies behind them is not looked at.

    The first `padding` slots of a row hold none of its positions: prompts of several lengths end in the same slot.
    """

    padding: Int[Any, " batch"]
    length: int = 0

    @property
    def batch(self) -> int:
        return len(self.padding)

    def rewind(self, length: int) -> Self:
        """The cache as it was at `length` slots; ValueError if it never was."""
        check_rewind(length, self)
        return self.at(length)

    def at(self, length: int) -> Self:
        """The same memory, filled up to there."""
        return replace(self, length=length)


class CachedModel(ABC):
    """A model with a `config`, as `impls/llama` and `impls/gpt2` hold them. Mistakes are named before a step begins.

    `unread` is the type of arrays on a device, which are not fetched to look at their ids.
    """

    config: Any
    unread: type | tuple[()] = ()

    @abstractmethod
    def _empty_cache(self, padding: Int[Any, " batch"]) -> Any:
        """A cache of the context's length, of which nothing is filled."""

    @abstractmethod
    def _step(self, tokens: Int[Any, "batch seq"], cache: Any) -> tuple[Logits, Any]:
        """Logits of the last of the tokens, which take the slots behind the cache; and the cache with them."""

    def prefill(
        self, tokens: Int[Any, "batch tokens"], cache: Any = None, *, padding: Int[Any, " batch"] | None = None
    ) -> tuple[Logits, Any]:
        """Logits of the last position of a prompt, or of what continues the text in `cache`; and the filled cache.

        `padding` is how many of the first ids of each row are none of its prompt; they may be any tokens.
        """
        tokens = checked_prompt(tokens, self.config, cache, self.unread)
        padding = checked_padding(padding, tokens, cache)
        return self._step(tokens, self._empty_cache(padding) if cache is None else cache)

    def decode(self, token: Int[Any, " batch"], cache: Any) -> tuple[Logits, Any]:
        """Logits after one more token a row, which takes slot `cache.length`; and the cache with it."""
        return self._step(checked_token(token, self.config, cache, self.unread)[:, None], cache)
