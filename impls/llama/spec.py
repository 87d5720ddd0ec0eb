"""Llama end to end: prefill of a prompt, one decoded step, and a text generated from a prompt in real words."""

from pathlib import Path

from kernelgate.kernel import Work

from ..config import SHAPES, LlamaConfig, RopeScaling
from ..model_spec import FORMATS, Family
from ..vocabulary import Vocabulary, default_vocabulary
from .reference import load

# Every way in which models differ, small enough to compile for JAX again and again: the first has what others leave
# out, the second all that it leaves out. `heads * head_dim` is not `dim`.
# Smaller still, some draws are so badly conditioned that bfloat16 gets the logits half wrong, however it is computed.
TINY = {
    "tiny": LlamaConfig(64, 2, 4, 4, 12, 96, 61, 16, tied=True),
    "tiny grouped": LlamaConfig(72, 2, 6, 2, 10, 80, 71, 12, 1e-6, 1000.0, RopeScaling(8.0, 1.0, 4.0, 24)),
}


def step_work(itemsize, config, batch, position, tokens):
    """What `tokens` more positions of each row cost behind `position`; only the last one's logits are wanted."""
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


# Measured over the domain: at most 15,000, since its attention reads the cache in float16.
LLAMACPP_ULPS = {"llamacpp:f32": 60_000}
FAMILY = Family(
    load=load,
    step_work=step_work,
    models={**SHAPES, **TINY},
    tiny=tuple(TINY),
    # Measured over the domain and stories15M: at most 18 in float32, 3.5 in bfloat16, and 555,000 with weights and
    # activations in bytes, whose rounding is left alone in it; 375,000 with weights of 4 bits.
    ulps={"f32": 80, "bf16": 12, "int8": 1_000_000, "int4": 1_500_000} | LLAMACPP_ULPS,
    dtypes={"numpy": ("f32",)},
    side_by_side={
        "stories15M": dict.fromkeys(FORMATS, ("decode-b1", "prefill-64", "prefill-256", "decode-b32")),
        # In float32 the weights alone take 5 GB, and every row holds some of its own.
        "llama-3.2-1B": dict.fromkeys(FORMATS[1:], ("decode-b1",)),
    },
)
OPERATIONS = FAMILY.operations("stories15M", heavy=("stories110M", "llama-3.2-1B"))


def use_checkpoint(checkpoint: Path | None, tokenizer: Path | None) -> None:
    """Time the model of a checkpoint in place of random weights, and a prompt in its own vocabulary.

    Call before the kernels are discovered. Raises ValueError or OSError for a file that cannot be used, or a
    vocabulary that is larger than the model's.
    """
    vocabulary = default_vocabulary() if tokenizer is None else Vocabulary.read(tokenizer)
    FAMILY.use(OPERATIONS, "stories15M", checkpoint, vocabulary, tokenizer or "the default vocabulary")
