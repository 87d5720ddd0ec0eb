"""Generation as one program: the prompt, and a `while_loop` of steps and picks that ends when every row has stopped."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float32, Int, Int32

from ..checks import checked_padding, checked_prompt
from ..generation import check_count
from ..parts import PREFILL, SAMPLING, STEP
from ..picking import Pick, Sampled, drawing, greedy
from .decoder import Decoder
from .unrolled import Unrolled, begun_step, step

# What a picker draws by, a part of the program: the numbers of `picking.Sampled`, or none for the likeliest token.
Numbers = tuple[tuple[str, float], ...]


class Looped(Unrolled):
    """Steps are those of layers unrolled; a whole text needs the host only to start it, and to fetch it at the end."""

    def picks(self, pick: Pick) -> bool:
        """Whether `generate` can run the picker on the device."""
        return pick is greedy or (isinstance(pick, Sampled) and pick.backend in (None, "jax"))

    def generate(
        self,
        prompt: Int[Any, "batch tokens"],
        count: int,
        *,
        pick: Pick = greedy,
        stop: Collection[int] = (),
        padding: Int[Any, " batch"] | None = None,
    ) -> Int32[np.ndarray, "batch count"]:
        """As `generation.generate`, which calls this. All random numbers are taken first, even if a stop comes soon."""
        tokens = checked_prompt(prompt, self.config, None, self.unread)
        padding = checked_padding(padding, tokens, None)
        check_count(count, tokens.shape[1], self.config)
        # As long as any text can be, so that the program is the same for all counts.
        uniform = np.zeros((self.config.context, len(tokens)), np.float32)
        if isinstance(pick, Sampled):
            uniform[:count] = [pick.uniform(len(tokens)) for _ in range(count)]
        given = (tokens, padding, np.int32(count), np.array(sorted(stop), np.int32), uniform)
        written, steps = text(
            self.weights,
            *map(self._placed, given),
            decoder=self.decoder,
            numbers=tuple(pick.numbers.items()) if isinstance(pick, Sampled) else (),
        )
        return np.ascontiguousarray(np.asarray(written)[: int(steps)].T)


@partial(jax.jit, static_argnames=("decoder", "numbers"))
def text(
    weights: Any,
    prompt: Int[Array, "batch seq"],
    padding: Int[Array, " batch"],
    count: Int[Array, ""],
    stop: Int[Array, " ids"],
    uniform: Float32[Array, "context batch"],
    *,
    decoder: Decoder,
    numbers: Numbers,
) -> tuple[Int32[Array, "context batch"], Int[Array, ""]]:
    """Tokens, and how many of each row there are."""
    draw = drawing("jax", dict(numbers)) if numbers else None

    def picked(logits: Array, index: Int[Array, ""]) -> Int32[Array, " batch"]:
        with jax.named_scope(SAMPLING):
            token = greedy(logits) if draw is None else draw(logits, uniform[index])
            return token.astype(jnp.int32)

    def goes_on(carry: Any) -> Bool[Array, ""]:
        index, _, stopped, _, _ = carry
        return (index < count) & ~stopped.all()

    def one_more(carry: Any) -> Any:
        index, token, stopped, written, state = carry
        with jax.named_scope(STEP):
            logits, state = step(weights, token[:, None], state, decoder)
            token = jnp.where(stopped, token, picked(logits, index))
        return index + 1, token, jnp.isin(token, stop), put(written, token, index), state

    with jax.named_scope(PREFILL):
        logits, state = begun_step(weights, prompt, padding, decoder)
        token = picked(logits, jnp.int32(0))
    written = put(jnp.zeros(uniform.shape, jnp.int32), token, jnp.int32(0))
    begin = (jnp.int32(1), token, jnp.isin(token, stop), written, state)
    steps, _, _, written, _ = lax.while_loop(goes_on, one_more, begin)
    return written, steps


def put(written: Int32[Array, "context batch"], token: Int32[Array, " batch"], index: Int[Array, ""]) -> Array:
    return lax.dynamic_update_index_in_dim(written, token, index, axis=0)
