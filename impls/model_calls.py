"""What is timed of a model: its calls, apart from the spec, whose prompts and weights are no part of either side."""

from .generation import generate


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
