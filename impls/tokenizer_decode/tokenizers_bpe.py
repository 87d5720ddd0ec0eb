"""What Hugging Face's tokenizers offer, set up as transformers does for Llama 2."""

import numpy as np
from jaxtyping import Int32, UInt8
from tokenizers import AddedToken, Tokenizer, decoders, models

from ..vocabulary_files import named


def prepare(tokens, byte_ids, unk_id):
    names = named(tokens, byte_ids, unk_id)
    tokenizer = Tokenizer(models.BPE({name: token_id for token_id, name in enumerate(names)}, []))
    of_bytes = frozenset(byte_ids.tolist())
    controls = [i for i, token in enumerate(tokens) if not token and i not in of_bytes and i != unk_id]
    tokenizer.add_special_tokens([AddedToken(names[i], special=True) for i in controls])
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("<unk>", " ⁇ "),
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return (tokenizer,)


def tokenizer_decode(ids: Int32[np.ndarray, " ids"], tokenizer: Tokenizer) -> UInt8[np.ndarray, " bytes"]:
    """`Tokenizer.decode`; byte tokens that are not valid UTF-8 become U+FFFD."""
    return np.frombuffer(bytearray(tokenizer.decode(ids.tolist()).encode()), np.uint8)
