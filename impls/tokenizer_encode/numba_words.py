"""Word by word over UTF-8 bytes: most words are found whole in a hash table, the rest are merged once and remembered.

No merge reaches across a place where no token holds the two bytes on its sides, so what lies between two such places,
a word, is encoded by itself. Nothing is remembered from one call to the next.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int32
from numba import njit, types

# Up to so many bytes, looking at all pairs of a word for each merge is quicker than a heap: 0.12 us against 0.21 for 8
# letters, 1.6 against 2.1 for 32; the two meet at 64.
SHORT = 32
# So many bytes have room in a key.
SPELLED = 7
PRIME = np.int64(-7046029254386353131)  # odd, its bits as irregular as those of the golden ratio (Knuth 6.4)
NO_TOKEN = np.int64(2**63 - 1)


class Tables(NamedTuple):
    """A vocabulary as arrays. Symbols are token ids and, above them, characters that only longer tokens hold.

    A pair's order is `rank << 32 | token`: the rank of the token that it makes, lower ones first, and the token.
    Hash tables have a power of two of slots, empty ones hold 0, and the next slot is tried when one is taken.
    """

    byte_ids: np.ndarray  # int32, by byte
    inside: np.ndarray  # uint8, by two bytes: whether a token holds them side by side
    characters: np.ndarray  # int32, the symbol by code point; the last is that of all characters in no token
    pairs: np.ndarray  # int64, two a slot: `(left symbol << 32 | right symbol) + 1`, order
    words: np.ndarray  # int64, two a slot: key, a token to which the merges of its own text lead
    ends: np.ndarray  # int32, by token: where its text ends
    content: np.ndarray  # uint8, the texts of all tokens


def prepare(tokens, scores, byte_ids):
    ids: dict[str, int] = {}
    for token_id, token in enumerate(tokens):
        if token:
            ids.setdefault(token, token_id)
    symbols = dict(ids)
    for character in sorted(set("".join(ids)).difference(ids)):
        symbols[character] = len(tokens) + len(symbols) - len(ids)
    ranks = np.unique(-scores, return_inverse=True)[1].tolist()
    pairs = []
    for token, token_id in ids.items():
        for at in range(1, len(token)):
            left, right = symbols.get(token[:at]), symbols.get(token[at:])
            if left is not None and right is not None:
                pairs.append(((left << 32 | right) + 1, ranks[token_id] << 32 | token_id))
    characters = {ord(symbol): index for symbol, index in symbols.items() if len(symbol) == 1}
    by_code_point = np.full(max(characters, default=0) + 2, len(tokens) + len(symbols), np.int32)
    by_code_point[list(characters)] = list(characters.values())
    texts = [token.encode() for token in tokens]
    content = np.frombuffer(bytearray().join(texts), np.uint8)
    ends = np.cumsum([len(text) for text in texts], dtype=np.int32)
    inside = np.zeros((256, 256), np.uint8)
    for text in texts:
        inside[list(text[:-1]), list(text[1:])] = 1
    inside[:, 0x80:0xC0] = 1  # a character goes on
    tables = Tables(
        byte_ids=np.ascontiguousarray(byte_ids),
        inside=inside.reshape(-1),
        characters=by_code_point,
        pairs=_table(len(pairs)),
        words=_table(len(ids)),
        ends=ends,
        content=content,
    )
    _fill(*tables, np.array(pairs, np.int64).reshape(-1, 2))
    return (tables,)


def _table(count):
    """A hash table for that many entries, at most half full."""
    return np.zeros(2 << max(2 * count - 1, 1).bit_length(), np.int64)


def tokenizer_encode(text: str, tables: Tables) -> Int32[np.ndarray, " ids"]:
    """Token ids of `text` by byte-pair merges, as the reference defines them."""
    content = bytearray((" " + text).replace("▁", " ").encode() if text else b"")
    # A character takes at most as many ids as it has bytes.
    result = np.empty(len(content), np.int32)
    return result[: _encode(np.frombuffer(content, np.uint8), *tables, result)]


@njit(inline="always")
def _slot(key, table):
    """Where the search for a key begins: an index into a table of two numbers a slot."""
    return ((key * PRIME) >> 32) & (table.size - 2)


@njit
def _order(left, right, pairs):
    """The order of two symbols, or NO_TOKEN if they make none."""
    key = (np.int64(left) << 32 | np.int64(right)) + 1
    slot = _slot(key, pairs)
    while pairs[slot] != key:
        if pairs[slot] == 0:
            return NO_TOKEN
        slot = (slot + 2) & (pairs.size - 2)
    return pairs[slot + 1]


@njit
def _same(left, at, right, start, count):
    """Whether `count` bytes are equal."""
    i = 0
    while i < count and left[at + i] == right[start + i]:
        i += 1
    return i == count


@njit
def _word(text, first, last, key, words, ends, content):
    """The slot of the token that is spelled `text[first:last]`, or the empty one where it would be."""
    slot = _slot(key, words)
    while words[slot] != 0:
        if words[slot] == key:
            token = words[slot + 1]
            start = ends[token - 1] if token > 0 else 0
            size = last - first
            if key > 0 or (ends[token] - start == size and _same(content, start, text, first, size)):
                break
        slot = (slot + 2) & (words.size - 2)
    return slot


@njit(inline="always")
def _longer(key, size, byte):
    """The key of a word of `size` bytes and one more: its bytes below a 1, or a negative hash if they do not fit."""
    if size < SPELLED:
        return key << 8 | np.int64(byte)
    return ((key ^ np.int64(byte)) * PRIME) ^ (key >> 29) | np.int64(-(2**63))


@njit
def _symbols(text, first, last, characters, symbols, starts):
    """Write the symbol of each character of `text[first:last]`, and where it starts; return how many there are."""
    count = 0
    while first < last:
        starts[count] = first
        lead = np.int32(text[first])
        size = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        code = lead if size == 1 else lead & (0x7F >> size)
        for i in range(first + 1, first + size):
            code = code << 6 | np.int32(text[i] & 0x3F)
        symbols[count] = characters[min(code, characters.size - 1)]
        count += 1
        first += size
    starts[count] = last
    return count


@njit
def _merge_short(symbols, starts, count, pairs, orders):
    """Merge the first `count` symbols in place, looking at every pair each time; return how many are left."""
    for i in range(count - 1):
        orders[i] = _order(symbols[i], symbols[i + 1], pairs)
    while True:
        least, at = NO_TOKEN >> 32, -1
        for i in range(count - 1):
            if orders[i] >> 32 < least:
                least, at = orders[i] >> 32, i
        if at < 0:
            return count
        symbols[at] = orders[at] & 0xFFFFFFFF
        count -= 1
        for i in range(at + 1, count):
            symbols[i], starts[i], orders[i - 1] = symbols[i + 1], starts[i + 1], orders[i]
        starts[count] = starts[count + 1]
        if at > 0:
            orders[at - 1] = _order(symbols[at - 1], symbols[at], pairs)
        if at < count - 1:
            orders[at] = _order(symbols[at], symbols[at + 1], pairs)


@njit
def _push(heap, size, entry):
    """Add to the first `size` entries of a binary heap, its least in front."""
    at = size
    while at > 0 and heap[(at - 1) >> 1] > entry:
        heap[at] = heap[(at - 1) >> 1]
        at = (at - 1) >> 1
    heap[at] = entry
    return size + 1


@njit
def _pop(heap, size):
    """Remove the first of `size` entries."""
    size -= 1
    entry, at, child = heap[size], 0, 1
    while child < size:
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= entry:
            break
        heap[at] = heap[child]
        at, child = child, 2 * child + 1
    heap[at] = entry
    return size


@njit
def _merge_long(symbols, starts, count, pairs):
    """As `_merge_short`, with a linked list and a heap of `rank << 32 | left`."""
    following, preceding = np.arange(1, count + 1), np.arange(-1, count - 1)
    orders = np.full(count, NO_TOKEN, np.int64)
    # Each of fewer than `count` merges offers two pairs.
    heap, size = np.empty(3 * count, np.int64), 0
    for i in range(count - 1):
        orders[i] = _order(symbols[i], symbols[i + 1], pairs)
        if orders[i] != NO_TOKEN:
            size = _push(heap, size, (orders[i] >> 32 << 32) | i)
    while size > 0:
        entry = heap[0]
        size = _pop(heap, size)
        at = entry & 0xFFFFFFFF
        # Out of date once the left side was merged away, or makes something else with its neighbour of now.
        if orders[at] >> 32 != entry >> 32:
            continue
        symbols[at] = orders[at] & 0xFFFFFFFF
        gone = following[at]
        orders[gone] = NO_TOKEN
        after = following[at] = following[gone]
        orders[at] = NO_TOKEN
        if after < count:
            preceding[after] = at
            orders[at] = _order(symbols[at], symbols[after], pairs)
            if orders[at] != NO_TOKEN:
                size = _push(heap, size, (orders[at] >> 32 << 32) | at)
        before = preceding[at]
        if before >= 0:
            orders[before] = _order(symbols[before], symbols[at], pairs)
            if orders[before] != NO_TOKEN:
                size = _push(heap, size, (orders[before] >> 32 << 32) | before)
    left = at = 0
    while at < count:
        symbols[left], starts[left] = symbols[at], starts[at]
        left += 1
        at = following[at]
    starts[left] = starts[count]
    return left


@njit
def _write(text, symbols, starts, count, vocab_size, byte_ids, result, written):
    """Append the ids of merged symbols, of those that are no token the ids of their bytes."""
    for i in range(count):
        if symbols[i] < vocab_size:
            result[written] = symbols[i]
            written += 1
        else:
            for at in range(starts[i], starts[i + 1]):
                result[written] = byte_ids[text[at]]
                written += 1
    return written


@njit
def _merge_word(text, first, last, characters, pairs, vocab_size, byte_ids, result, written):
    symbols, starts = np.empty(last - first, np.int32), np.empty(last - first + 1, np.int32)
    count = _symbols(text, first, last, characters, symbols, starts)
    count = _merge_long(symbols, starts, count, pairs)
    return _write(text, symbols, starts, count, vocab_size, byte_ids, result, written)


_I32, _I64, _U8 = types.int32[::1], types.int64[::1], types.uint8[::1]
_TABLES = (_I32, _U8, _I32, _I64, _I64, _I32, _U8)


@njit((*_TABLES, types.int64[:, ::1]), cache=True)
def _fill(byte_ids, inside, characters, pairs, words, ends, content, entries):
    """Enter the pairs, then the tokens to which merging leads."""
    for i in range(len(entries)):
        slot = _slot(entries[i, 0], pairs)
        while pairs[slot] != 0:
            slot = (slot + 2) & (pairs.size - 2)
        pairs[slot], pairs[slot + 1] = entries[i]
    result = np.empty(content.size, np.int32)
    first = 0
    for token in range(ends.size):
        last = ends[token]
        written = _merge_word(content, first, last, characters, pairs, ends.size, byte_ids, result, 0)
        if written == 1 and result[0] == token:
            key = np.int64(1)
            for at in range(first, last):
                key = _longer(key, at - first, content[at])
            slot = _word(content, first, last, key, words, ends, content)
            words[slot], words[slot + 1] = key, token
        first = last


@njit((_U8, *_TABLES, _I32), cache=True)
def _encode(text, byte_ids, inside, characters, pairs, words, ends, content, result):
    """Write the ids of `text`, and return how many there are."""
    symbols, starts, orders = np.empty(SHORT, np.int32), np.empty(SHORT + 1, np.int32), np.empty(SHORT, np.int64)
    # The word that was last seen in a slot: its key, where it starts and ends in the text, and where its ids do.
    slots = 16
    while slots < 4096 and slots < text.size >> 3:
        slots *= 2
    keys, seen = np.zeros(slots, np.int64), np.empty((slots, 4), np.int32)
    written = last = 0
    while last < text.size:
        first, key = last, np.int64(1)
        while True:
            key = _longer(key, last - first, text[last])
            last += 1
            if last == text.size or inside[np.int64(text[last - 1]) << 8 | text[last]] == 0:
                break
        slot = _word(text, first, last, key, words, ends, content)
        if words[slot] != 0:
            result[written] = words[slot + 1]
            written += 1
            continue
        at = ((key * PRIME) >> 40) & (slots - 1)
        if keys[at] == key and (
            key > 0
            or (seen[at, 1] - seen[at, 0] == last - first and _same(text, seen[at, 0], text, first, last - first))
        ):
            for i in range(seen[at, 2], seen[at, 3]):
                result[written] = result[i]
                written += 1
            continue
        keys[at] = key
        seen[at, 0], seen[at, 1], seen[at, 2] = first, last, written
        if last - first <= SHORT:
            count = _symbols(text, first, last, characters, symbols, starts)
            count = _merge_short(symbols, starts, count, pairs, orders)
            written = _write(text, symbols, starts, count, ends.size, byte_ids, result, written)
        else:
            written = _merge_word(text, first, last, characters, pairs, ends.size, byte_ids, result, written)
        seen[at, 3] = written
    return written
