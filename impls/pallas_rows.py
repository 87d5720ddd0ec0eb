"""How many rows a Pallas kernel takes at a time."""

# Elements of a block, in float32 2 MB: several such, each of them twice while the next is fetched, fit a TPU's memory.
MOST = 1 << 19
# Rows of the smallest tile in any dtype here: bf16 is laid out 16 by 128.
TILE = 16


def rows_per_block(asked: int, count: int, columns: int) -> int:
    """`asked` rows, or as many whole tiles of rows as fit the fast memory, or all that there are."""
    fitting = max(TILE, MOST // columns // TILE * TILE)
    return min(asked, fitting, count)
