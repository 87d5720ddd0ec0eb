"""GPT-2 end to end: prefill of a prompt, one decoded step, and a text generated from a prompt."""

from kernelgate.kernel import Work

from ..gpt2_config import GPT2_SHAPES, GPT2Config
from ..model_spec import Family
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


FAMILY = Family(
    load=load,
    step_work=step_work,
    models={**GPT2_SHAPES, **TINY},
    tiny=tuple(TINY),
    # Measured over the domain: at most 6 in float32, and 1.6 in bfloat16.
    ulps={"f32": 24, "bf16": 6},
    dtypes={"numpy": ("f32",)},
)
OPERATIONS = FAMILY.operations("gpt2-124M", count=16)
