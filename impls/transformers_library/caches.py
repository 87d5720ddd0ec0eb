"""The caches of transformers, lent to one text after the other."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections import defaultdict
from typing import Any

import torch
import transformers

from ..config import LlamaConfig
from ..gpt2_config import GPT2Config


class Caches(ABC):
    """Where caches come from, and how many positions one is taken to hold."""

    def __init__(self, library_config: Any, config: LlamaConfig | GPT2Config) -> None:
        self.library_config, self.config = library_config, config

    @abstractmethod
    def borrow(self, batch: int, dtype: torch.dtype) -> Any:
        """An empty cache for so many rows."""

    @abstractmethod
    def give_back(self, batch: int, cache: Any) -> None:
        """Of a cache that nobody uses any more."""

    @abstractmethod
    def cut(self, cache: Any, length: int) -> None:
        """Forget what lies behind the first `length` positions."""

    def slots(self, end: int) -> int:
        """How many slots a mask must tell of, of a cache that is filled to `end`."""
        return end


class GrowingCaches(Caches):
    """DynamicCache, which is concatenated with what is new at every step: what transformers uses if nobody asks."""

    def borrow(self, batch: int, dtype: torch.dtype) -> Any:
        return transformers.DynamicCache(config=self.library_config)

    def give_back(self, batch: int, cache: Any) -> None:
        """It has grown with its text, and none is made of it again."""

    def cut(self, cache: Any, length: int) -> None:
        if behind := cache.get_seq_length() - length:
            cache.crop(-behind)


class StaticCaches(Caches):
    """StaticCache, of full length from the start and written in place. What was given back is used again."""

    def __init__(self, library_config: Any, config: LlamaConfig | GPT2Config) -> None:
        super().__init__(library_config, config)
        self.idle: dict[int, list[Any]] = defaultdict(list)

    def borrow(self, batch: int, dtype: torch.dtype) -> Any:
        if idle := self.idle[batch]:
            return idle.pop()
        cache = transformers.StaticCache(config=self.library_config, max_cache_len=self.config.context)
        # Or it would be made within the first step, and that be another program than the next.
        cache.early_initialization(batch, self.config.kv_heads, self.config.head_dim, dtype, torch.device("cpu"))
        return cache

    def give_back(self, batch: int, cache: Any) -> None:
        self.idle[batch].append(cache)

    def slots(self, end: int) -> int:
        # All of them: a mask that grows would be another program at every step.
        return self.config.context

    def cut(self, cache: Any, length: int) -> None:
        for layer in cache.layers:
            layer.cumulative_length.fill_(length)


class Borrowed:
    """A cache of the library, which goes back when no cache of ours refers to it."""

    def __init__(self, caches: Caches, batch: int, dtype: torch.dtype) -> None:
        self.cache, self.length = caches.borrow(batch, dtype), 0
        caches.cut(self.cache, 0)
        weakref.finalize(self, caches.give_back, batch, self.cache)
