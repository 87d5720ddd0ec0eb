"""What Hugging Face's tokenizers offers, with the merges that the vocabulary's scores mean."""

import numpy as np
from jaxtyping import Int32
from tokenizers import Tokenizer, models, normalizers

from ..vocabulary_files import named, to_merges


def prepare(tokens, scores, byte_ids):
    names = named(tokens, byte_ids)
    ids = {name: token_id for token_id, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(ids, to_merges(tokens, scores), byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return (tokenizer,)


def tokenizer_encode(text: str, tokenizer: Tokenizer) -> Int32[np.ndarray, " ids"]:
    """`Tokenizer.encode`, its list made the array that a model takes; set up as transformers does for Llama 2."""
    return np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int32)
