"""Llama end to end: prefill of a prompt, one decoded step, and a text generated from a prompt in real words."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from kernelgate.kernel import Kernel, Work

from ..checkpoints import read
from ..config import SHAPES, LlamaConfig, RopeScaling, random_parameters
from ..generation import generate
from ..vocabulary import Vocabulary, default_prompt, default_vocabulary
from .reference import load

# Longer contexts are cut, since the cache has its full length; shorter ones are stretched where a case needs it, as
# RoPE has no learned positions that could run out.
LONGEST_CONTEXT = 1024
TEXT = "prompt.txt"
COUNT = 256

# Every way in which models differ, small enough to compile for JAX again and again. `heads * head_dim` is not `dim`.
# Smaller still, some draws are so badly conditioned that bfloat16 gets the logits half wrong, however it is computed.
TINY = {
    "tiny": LlamaConfig(64, 2, 4, 4, 12, 96, 61, 16, tied=True),
    "tiny grouped": LlamaConfig(64, 2, 8, 4, 10, 96, 67, 12, norm_eps=1e-6),
    "tiny rescaled": LlamaConfig(72, 2, 6, 2, 8, 80, 71, 16, 1e-5, 1000.0, RopeScaling(8.0, 1.0, 4.0, 24)),
}

MODELS: dict[str, LlamaConfig] = {**SHAPES, **TINY}
WEIGHTS: dict[str, dict[str, np.ndarray]] = {}
VOCABULARY: list[Vocabulary] = []


def use_checkpoint(checkpoint: Path | None, tokenizer: Path | None) -> None:
    """Time the model of a checkpoint in place of random weights, and a prompt in its own vocabulary.

    Call before the kernels are discovered. Raises ValueError or OSError for a file that cannot be used, or a
    vocabulary that is larger than the model's.
    """
    vocabulary = default_vocabulary() if tokenizer is None else Vocabulary.read(tokenizer)
    params, config = (None, MODELS["stories15M"]) if checkpoint is None else read(checkpoint)
    if vocabulary.vocab_size > config.vocab_size:
        raise ValueError(
            f"{tokenizer or 'the default vocabulary'} has {vocabulary.vocab_size} tokens, expected at most "
            f"{config.vocab_size}, the vocab_size of {checkpoint or 'stories15M'}: give its own with --tokenizer"
        )
    VOCABULARY[:] = [vocabulary]
    if params is not None:
        name = checkpoint.name if checkpoint.is_dir() else checkpoint.stem
        MODELS[name], WEIGHTS[name] = config, params
        OPERATIONS.update(operations(name))


def model_of(name, positions):
    """The configuration of a model with a context that holds so many positions."""
    config = MODELS[name]
    return replace(config, context=max(positions, min(config.context, LONGEST_CONTEXT)))


def parameters(rng, dtype, name):
    if name in WEIGHTS:
        return {key: array.astype(dtype, copy=False) for key, array in WEIGHTS[name].items()}
    return random_parameters(MODELS[name], rng, dtype)


def drawn(rng, name, *shape):
    return rng.integers(0, MODELS[name].vocab_size, shape, np.int32)


def text_ids():
    vocabulary = VOCABULARY[0] if VOCABULARY else default_vocabulary()
    return vocabulary.encode(default_prompt())


def prompt_length(prompt):
    return len(text_ids()) if prompt == TEXT else prompt


def prefill_inputs(rng, dtype, model, batch, tokens):
    return drawn(rng, model, batch, tokens), parameters(rng, dtype, model), model_of(model, tokens)


def decode_inputs(rng, dtype, model, batch, position):
    return prefill_inputs(rng, dtype, model, batch, position + 1)


def generate_inputs(rng, dtype, model, batch, prompt, count):
    length = prompt_length(prompt)
    ids = np.tile(np.array(text_ids(), np.int32), (batch, 1)) if prompt == TEXT else drawn(rng, model, batch, length)
    return ids, parameters(rng, dtype, model), model_of(model, length + count), count


def bind_prefill(module, tokens, params, config):
    model = module.load(params, config)
    return lambda: model.prefill(tokens)[0]


def bind_decode(module, tokens, params, config):
    """A step behind all tokens but the last; it starts by taking back the step before."""
    model = module.load(params, config)
    token, position = tokens[:, -1], tokens.shape[1] - 1
    cache = model.prefill(tokens[:, :-1])[1]

    def step():
        nonlocal cache
        logits, cache = model.decode(token, cache.rewind(position))
        return logits

    return step


def bind_generate(module, tokens, params, config, count):
    model = module.load(params, config)
    return lambda: generate(model, tokens, count)


def step_work(itemsize, model, batch, position, tokens):
    """What `tokens` more positions of each row cost behind `position`; only the last one's logits are wanted."""
    config = MODELS[model]
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    matrices = config.dim * (2 * queries + 2 * keys) + 3 * config.dim * config.ffn_dim
    head = config.dim * config.vocab_size
    columns = batch * tokens
    scores = batch * config.heads * (tokens * position + tokens * (tokens + 1) // 2)
    # As the kernels' own folders count: RMSNorm and softmax 4 an element, RoPE 3.
    layer = columns * (2 * matrices + 8 * config.dim + 3 * (queries + keys)) + scores * (4 * config.head_dim + 4)
    weights = config.layers * (matrices + 2 * config.dim) + config.dim + head
    cache = 2 * config.layers * batch * keys * (position + tokens)
    # Looked up rows, read beside the head even where both are one array; and the logits.
    ends = columns * config.dim + batch * config.vocab_size
    return Work(
        flops=config.layers * layer + batch * (2 * head + 4 * config.dim), bytes=itemsize * (weights + cache + ends)
    )


def prefill_work(itemsize, model, batch, tokens):
    return step_work(itemsize, model, batch, 0, tokens)


def decode_work(itemsize, model, batch, position):
    return step_work(itemsize, model, batch, position, 1)


def generate_work(itemsize, model, batch, prompt, count):
    length = prompt_length(prompt)
    steps = [step_work(itemsize, model, batch, position, 1) for position in range(length, length + count - 1)]
    steps.append(step_work(itemsize, model, batch, 0, length))
    return Work(sum(step.flops for step in steps), sum(step.bytes for step in steps))


def is_greedy(result, tokens, params, config, count):
    """Each token is the likeliest after those before it, up to what two exact implementations could differ by."""
    assert (result.shape, result.dtype) == ((len(tokens), count), np.int32), f"gave {result.dtype}{list(result.shape)}"
    assert ((result >= 0) & (result < config.vocab_size)).all(), f"gave ids outside the vocabulary: {result}"
    logits = load(params, config).forward(np.concatenate([tokens, result[:, :-1]], axis=1))[:, tokens.shape[1] - 1 :]
    picked = np.take_along_axis(logits, result[..., None], axis=-1)[..., 0]
    missed = (logits.max(axis=-1) - picked) / np.abs(logits).max(axis=-1)
    row, step = np.unravel_index(np.argmax(missed), missed.shape)
    assert missed.max() <= 2 * ULPS["f32"] * np.finfo(np.float32).eps, (
        f"row {row}: token {step} is {result[row, step]} with logit {picked[row, step]:.7g}, "
        f"the likeliest is {logits[row, step].argmax()} with {logits[row, step].max():.7g}"
    )


# Measured over the domain and stories15M: at most 18 in float32, and 3.5 in bfloat16.
ULPS = {"f32": 80, "bf16": 12}


def operations(model, heavy=()):
    """The three kernels with their cases for one model, and heavy cases for others."""
    tiny = {"model": tuple(TINY), "batch": (1, 3)}
    numpy = {"numpy": ("f32",)}

    def prefill_cases(name):
        return {f"{name}-{tokens}": {"model": name, "batch": 1, "tokens": tokens} for tokens in (64, 256)}

    def decode_cases(name):
        return {f"{name}-b{batch}": {"model": name, "batch": batch, "position": 128} for batch in (1, 32)}

    return {
        "prefill": Kernel(
            inputs=prefill_inputs,
            work=prefill_work,
            cases=prefill_cases(model),
            heavy={case: dims for name in heavy for case, dims in prefill_cases(name).items()},
            domain={**tiny, "tokens": (1, 5)},
            ulps=ULPS,
            bind=bind_prefill,
            dtypes=numpy,
        ),
        "decode": Kernel(
            inputs=decode_inputs,
            work=decode_work,
            cases=decode_cases(model),
            heavy={case: dims for name in heavy for case, dims in decode_cases(name).items()},
            domain={**tiny, "position": (1, 5)},
            ulps=ULPS,
            bind=bind_decode,
            dtypes=numpy,
        ),
        "generate": Kernel(
            inputs=generate_inputs,
            work=generate_work,
            cases={f"{model}-b1": {"model": model, "batch": 1, "prompt": TEXT, "count": COUNT}},
            domain={**tiny, "prompt": (1, 5), "count": (1, 6)},
            ulps=ULPS,
            agrees=is_greedy,
            bind=bind_generate,
            # Rounded to bfloat16, logits are often equal, and which token is the likeliest means little.
            dtypes={"reference": ("f32",), "numpy": ("f32",), "jax": ("f32",)},
        ),
    }


OPERATIONS = operations("stories15M", heavy=("stories110M", "llama-3.2-1B"))
