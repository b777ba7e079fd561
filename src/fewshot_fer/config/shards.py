"""The settings `shards` and `shard` of verbs whose work several commands can share."""

from fewshot_fer.config.names import inside
from fewshot_fer.system.errors import ConfigError


def check_shards(shards: int, shard: int | None, kept: bool = True) -> None:
    """Raise ConfigError for a shard that is none of so many, and for several without a number.

    kept: whether what a shard makes is kept at all.
    """
    inside("shards", shards, 1, 10_000)
    if shard is not None:
        inside("shard", shard, 0, shards - 1)
    elif shards > 1:
        raise ConfigError(
            f"shards={shards} are {shards} commands, shard=0 to shard={shards - 1}: type one, or "
            f"all of them with -m 'shard=range({shards})'"
        )
    if shard is not None and not kept:
        raise ConfigError(
            f"shard={shard} embeds for the test that follows: leave keep_embeddings=false out"
        )
