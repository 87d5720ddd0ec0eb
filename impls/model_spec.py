"""What every folder of a model times and proves: prefill of a prompt, one decoded step, and a generated text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kernelgate.kernel import Extrapolated, Kernel, Work

from .checkpoints import read
from .config import random_parameters
from .model_calls import bind_decode, bind_generate, bind_prefill
from .vocabulary import Vocabulary, default_prompt, default_vocabulary

# Longer contexts are cut, since the cache has its full length; shorter ones are stretched where a case needs it.
LONGEST_CONTEXT = 1024
TEXT = "prompt.txt"
FORMATS = ("f32", "bf16", "int8", "int4")


@dataclass
class Family:
    """Models of one architecture, and the kernels made of them.

    load:      the reference's `load(params, config)`, whose `forward` is the oracle of generated tokens.
    step_work: `(itemsize, config, batch, position, tokens) -> Work`: what `tokens` more positions of each row cost
               behind `position`, when only the last one's logits are wanted.
    models:    configurations by name; `tiny` names those that are proven, small enough to compile again and again.
    dtypes:    as in Kernel.
    side_by_side: the operations, by model and format of the weights, that `python -m kernelgate peers` times beside
               llama.cpp and transformers.
    """

    load: Callable[..., Any]
    step_work: Callable[..., Work]
    models: dict[str, Any]
    tiny: tuple[str, ...]
    ulps: Mapping[str, float]
    dtypes: Mapping[str, tuple[str, ...]]
    weights: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    vocabulary: Vocabulary | None = None
    side_by_side: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)

    def model_of(self, name, positions):
        """The configuration of a model with a context that holds so many positions."""
        config = self.models[name]
        return replace(config, context=max(positions, min(config.context, LONGEST_CONTEXT)))

    def parameters(self, rng, dtype, name, config):
        if name in self.weights:
            return self.trained(dtype, name, config)
        return random_parameters(config, rng, dtype)

    def trained(self, dtype, name, config):
        """The parameters of a checkpoint, of learned positions as many as the context has."""
        weights, shapes = self.weights[name], config.parameter_shapes()
        for key, array in weights.items():
            if len(array) < shapes[key][0]:
                raise ValueError(f"{name} has {len(array)} positions, expected at least {shapes[key][0]} for this case")
        return {key: array[: shapes[key][0]].astype(dtype, copy=False) for key, array in weights.items()}

    def text_ids(self):
        return self.encode(default_prompt())

    def encode(self, text):
        return (self.vocabulary or default_vocabulary()).encode(text)

    def decode(self, ids):
        """The text of token ids; one that the vocabulary has not, as a model with random weights gives, is unknown."""
        vocabulary = self.vocabulary or default_vocabulary()
        return vocabulary.decode(one if one < vocabulary.vocab_size else vocabulary.unk_id for one in ids)

    def use(self, operations, default, checkpoint, vocabulary, given):
        """Time the model of a checkpoint in place of random weights, and a prompt in its own vocabulary, from `given`.

        Raises ValueError or OSError for a checkpoint that cannot be used, or a vocabulary that is larger than its.
        """
        params, config = (None, self.models[default]) if checkpoint is None else read(checkpoint)
        if type(config) is not type(self.models[default]):
            raise ValueError(f"{checkpoint}: its sizes are a {type(config).__name__}, not those of a {default}")
        if vocabulary.vocab_size > config.vocab_size:
            raise ValueError(
                f"{given} has {vocabulary.vocab_size} tokens, expected at most {config.vocab_size}, "
                f"the vocab_size of {checkpoint or default}: give its own with --tokenizer"
            )
        self.vocabulary = vocabulary
        if params is not None:
            name = checkpoint.name if checkpoint.is_dir() else checkpoint.stem
            self.models[name], self.weights[name] = config, params
            operations.update(self.operations(name))

    def prompt_length(self, prompt):
        return len(self.text_ids()) if prompt == TEXT else prompt

    def drawn(self, rng, name, *shape):
        return rng.integers(0, self.models[name].vocab_size, shape, np.int32)

    def prefill_inputs(self, rng, dtype, model, batch, tokens):
        config = self.model_of(model, tokens)
        return self.drawn(rng, model, batch, tokens), self.parameters(rng, dtype, model, config), config

    def decode_inputs(self, rng, dtype, model, batch, position):
        return self.prefill_inputs(rng, dtype, model, batch, position + 1)

    def generate_inputs(self, rng, dtype, model, batch, prompt, count):
        length = self.prompt_length(prompt)
        text = prompt == TEXT
        ids = (
            np.tile(np.array(self.text_ids(), np.int32), (batch, 1)) if text else self.drawn(rng, model, batch, length)
        )
        config = self.model_of(model, length + count)
        return ids, self.parameters(rng, dtype, model, config), config, count

    def prefill_work(self, itemsize, model, batch, tokens):
        return self.step_work(itemsize, self.models[model], batch, 0, tokens)

    def decode_work(self, itemsize, model, batch, position):
        return self.step_work(itemsize, self.models[model], batch, position, 1)

    def generate_work(self, itemsize, model, batch, prompt, count):
        length, config = self.prompt_length(prompt), self.models[model]
        steps = [self.step_work(itemsize, config, batch, position, 1) for position in range(length, length + count - 1)]
        steps.append(self.step_work(itemsize, config, batch, 0, length))
        return Work(sum(step.flops for step in steps), sum(step.bytes for step in steps))

    def is_greedy(self, result, tokens, params, config, count):
        """Each token is the likeliest after those before it, up to what two exact implementations could differ by."""
        given = f"{result.dtype}{list(result.shape)}"
        assert (result.shape, result.dtype) == ((len(tokens), count), np.int32), f"gave {given}"
        assert ((result >= 0) & (result < config.vocab_size)).all(), f"gave ids outside the vocabulary: {result}"
        text = np.concatenate([tokens, result[:, :-1]], axis=1)
        logits = self.load(params, config).forward(text)[:, tokens.shape[1] - 1 :]
        picked = np.take_along_axis(logits, result[..., None], axis=-1)[..., 0]
        missed = (logits.max(axis=-1) - picked) / np.abs(logits).max(axis=-1)
        row, step = np.unravel_index(np.argmax(missed), missed.shape)
        assert missed.max() <= 2 * self.ulps["f32"] * np.finfo(np.float32).eps, (
            f"row {row}: token {step} is {result[row, step]} with logit {picked[row, step]:.7g}, "
            f"the likeliest is {logits[row, step].argmax()} with {logits[row, step].max():.7g}"
        )

    def operations(self, model, heavy=(), count=256):
        """The three kernels with their cases for one model, and heavy cases for others."""
        tiny = {"model": self.tiny, "batch": (1, 3)}
        heavy_prefill = {case: dims for name in heavy for case, dims in prefill_cases(name).items()}
        heavy_decode = {case: dims for name in heavy for case, dims in decode_cases(name).items()}
        generate_cases = {f"{model}-b1": {"model": model, "batch": 1, "prompt": TEXT, "count": count}}
        return {
            "prefill": Kernel(
                inputs=self.prefill_inputs,
                work=self.prefill_work,
                cases=prefill_cases(model),
                heavy=heavy_prefill,
                extrapolated=without_recomputing(prefill_cases(model), heavy_prefill),
                domain={**tiny, "tokens": (1, 5)},
                where=all_or_one,
                ulps=self.ulps,
                bind=bind_prefill,
                rounded=as_held,
                dtypes=self.dtypes,
            ),
            "decode": Kernel(
                inputs=self.decode_inputs,
                work=self.decode_work,
                cases=decode_cases(model),
                heavy=heavy_decode,
                extrapolated=without_recomputing(
                    decode_cases(model), heavy_decode, kept=f"{model}-b1", files=("reference_nocache", "jax_nocache")
                ),
                domain={**tiny, "position": (1, 5)},
                where=all_or_one,
                ulps=self.ulps,
                bind=bind_decode,
                rounded=as_held,
                dtypes=self.dtypes,
            ),
            "generate": Kernel(
                inputs=self.generate_inputs,
                work=self.generate_work,
                cases=generate_cases,
                extrapolated=without_recomputing(generate_cases),
                domain={**tiny, "prompt": (1, 5), "count": (1, 6)},
                where=all_or_one,
                ulps=self.ulps,
                agrees=self.is_greedy,
                bind=bind_generate,
                # Rounded to bfloat16, logits are often equal, and which token is the likeliest means little.
                dtypes={"*": ("f32",), "numba_bf16": (), "numba_int8": (), "numba_int4": (), "jax_int8": ()}
                # Where llama.cpp's logits decide between tokens, they are no float32: its cache and GELU are float16.
                | dict.fromkeys(("llamacpp", "llamacpp_int8", "llamacpp_int4"), ()),
            ),
        }


def all_or_one(batch, tokens=None, position=None, prompt=None, **others):
    """One row of one token, or several of several: each shape costs JAX another program, and laws hold for the rest."""
    length = next(length for length in (tokens, position, prompt) if length is not None)
    return (batch == 1) == (length == 1)


def prefill_cases(name):
    return {f"{name}-{tokens}": {"model": name, "batch": 1, "tokens": tokens} for tokens in (64, 256)}


def decode_cases(name):
    return {f"{name}-b{batch}": {"model": name, "batch": batch, "position": 128} for batch in (1, 32)}


def without_recomputing(*cases, kept="", files=("reference_nocache",)):
    """Leaves those that compute the whole text for each token out of cases, where they would take minutes."""
    names = {case for some in cases for case in some if case != kept}
    return {case: Extrapolated(case, 1.0, files) for case in names}


def as_held(module, tokens, params, config):
    """The parameters as a model of quantised weights holds them, by its file's `rounded(params, config)`."""
    return tokens, module.rounded(params, config) if hasattr(module, "rounded") else params, config
