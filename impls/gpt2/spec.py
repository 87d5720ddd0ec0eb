"""GPT-2 end to end: prefill of a prompt, one decoded step, and a text generated from a prompt."""

from pathlib import Path

from kernelgate.kernel import Work

from ..byte_level_bpe import VOCABULARY, ByteLevelBPE
from ..gpt2_config import GPT2_SHAPES, GPT2Config
from ..model_spec import FORMATS, Family
from ..vocabulary import default_vocabulary
from .reference import load

TINY = {
    "tiny": GPT2Config(64, 2, 4, 61, 16),
    "tiny wide": GPT2Config(72, 2, 6, 67, 12, norm_eps=1e-6),
}


def step_work(itemsize, config, batch, position, tokens):
    """What `tokens` more positions of each row cost behind `position`; only the last one's logits are wanted."""
    dim, layers, columns = config.dim, config.layers, batch * tokens
    matrices = 4 * dim * dim + 2 * dim * config.ffn_dim
    vectors = 9 * dim + config.ffn_dim
    scores = batch * config.heads * (tokens * position + tokens * (tokens + 1) // 2)
    # LayerNorm 8 an element, tanh-GELU 8, softmax 4, as the kernels' own folders count.
    layer = columns * (2 * matrices + 16 * dim + 8 * config.ffn_dim) + scores * (4 * config.head_dim + 4)
    head = dim * config.vocab_size
    weights = layers * (matrices + vectors) + 2 * dim + head
    cache = 2 * layers * batch * dim * (position + tokens)
    ends = 2 * columns * dim + batch * config.vocab_size
    return Work(flops=layers * layer + batch * (2 * head + 8 * dim), bytes=itemsize * (weights + cache + ends))


# Measured over the domain: at most 8,400 in float32 (its attention reads the cache in float16, its GELU a table of
# float16), and 180,000 where it quantises activations to bytes.
LLAMACPP_ULPS = {"llamacpp:f32": 36_000, "llamacpp_int8:int8": 800_000, "llamacpp_int4:int4": 800_000}
FAMILY = Family(
    load=load,
    step_work=step_work,
    models={**GPT2_SHAPES, **TINY},
    tiny=tuple(TINY),
    # Measured over the domain: at most 6 in float32, 1.6 in bfloat16, and 146,000 with activations in bytes.
    ulps={"f32": 24, "bf16": 6, "int8": 600_000, "int4": 600_000} | LLAMACPP_ULPS,
    dtypes={"numpy": ("f32",)},
    side_by_side={"gpt2-124M": dict.fromkeys(FORMATS, ("decode-b1", "prefill-512", "decode-b32"))},
)
OPERATIONS = FAMILY.operations("gpt2-124M", count=16)


def use_checkpoint(checkpoint: Path | None, tokenizer: Path | None) -> None:
    """Time the model of a checkpoint in place of random weights, and a prompt in its own vocabulary.

    `tokenizer` is a directory with vocab.json and merges.txt; by default the checkpoint, if it holds them. Call before
    the kernels are discovered. Raises ValueError or OSError for a file that cannot be used, or a vocabulary that is
    larger than the model's.
    """
    if tokenizer is None and checkpoint is not None and (checkpoint / VOCABULARY).exists():
        tokenizer = checkpoint
    vocabulary = default_vocabulary() if tokenizer is None else ByteLevelBPE.read(tokenizer)
    FAMILY.use(OPERATIONS, "gpt2-124M", checkpoint, vocabulary, tokenizer or "the default vocabulary")
