"""What SentencePiece offers, with a model made from the same vocabulary."""

import numpy as np
from jaxtyping import Int32, UInt8
from sentencepiece import SentencePieceProcessor

from ..vocabulary_files import to_model


def prepare(tokens, byte_ids, unk_id):
    return (SentencePieceProcessor(model_proto=to_model(tokens, [0.0] * len(tokens), byte_ids, unk_id)),)


def tokenizer_decode(ids: Int32[np.ndarray, " ids"], processor: SentencePieceProcessor) -> UInt8[np.ndarray, " bytes"]:
    """`SentencePieceProcessor.decode`; byte tokens that are not valid UTF-8 become U+FFFD."""
    return np.frombuffer(bytearray(processor.decode(ids.tolist()).encode()), np.uint8)
