"""The collection on a Qdrant server: made as the index needs it, or found to be so; anything else is refused in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shared.vectors.errors import VectorsUnavailable
from shared.vectors.payload import DENSE, KEYWORD_FIELDS, LEXICAL, UUID_FIELDS
from shared.vectors.port import ALIAS, DenseSpace

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient

# The first to count how rare a term is within a tenant. An older one ignores the wish, and ranks by what other tenants wrote.
OLDEST = (1, 19)


async def prepare(client: AsyncQdrantClient, name: str, dense: DenseSpace | None) -> None:
    """Make the collection, the field indexes that are missing and, the first time, the alias.

    Safe when two instances start at once, and after one that died half way. Raises `VectorsUnavailable` for a server that is too old,
    and for a collection of this name that was made for something else.
    """
    await _check_version(client)
    if not await client.collection_exists(name):
        await _create(client, name, dense)
    found = await client.get_collection(name)
    _check_vectors(name, found.config.params, dense)
    for key, schema in field_indexes().items():
        if key not in found.payload_schema:
            await client.create_payload_index(name, key, field_schema=schema, wait=True)
    if not (await client.get_aliases()).aliases:
        from qdrant_client import models

        create = models.CreateAlias(collection_name=name, alias_name=ALIAS)
        await client.update_collection_aliases([models.CreateAliasOperation(create_alias=create)])


async def _check_version(client: AsyncQdrantClient) -> None:
    version = (await client.info()).version
    numbers = re.match(r"v?(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < OLDEST:
        raise VectorsUnavailable(
            f"The vector server has version {version}; {OLDEST[0]}.{OLDEST[1]} or newer is needed. Upgrade it and start again."
        )


async def _create(client: AsyncQdrantClient, name: str, dense: DenseSpace | None) -> None:
    from qdrant_client import models
    from qdrant_client.http.exceptions import UnexpectedResponse

    vectors = {DENSE: models.VectorParams(size=dense.dimensions, distance=models.Distance.COSINE)} if dense else {}
    lexical = models.SparseVectorParams(modifier=models.Modifier.IDF)
    try:
        await client.create_collection(name, vectors_config=vectors, sparse_vectors_config={LEXICAL: lexical})
    except UnexpectedResponse as answer:
        # Another instance was faster.
        if answer.status_code != 409:
            raise


def _check_vectors(name: str, params: Any, dense: DenseSpace | None) -> None:
    from qdrant_client import models

    spaces = params.vectors if isinstance(params.vectors, dict) else {}
    sizes = {key: (space.size, space.distance) for key, space in spaces.items()}
    wanted = {DENSE: (dense.dimensions, models.Distance.COSINE)} if dense else {}
    lexical = (params.sparse_vectors or {}).get(LEXICAL)
    if sizes != wanted or lexical is None or lexical.modifier != models.Modifier.IDF:
        raise VectorsUnavailable(
            f"The collection {name} on the vector server was made for something else. It holds nothing that cannot be rebuilt: "
            "remove it there, start again and run `maru reindex`."
        )


def field_indexes() -> dict[str, Any]:
    """How each filtered field is indexed; a server in strict mode refuses a filter on any other."""
    from qdrant_client import models

    uuid, keyword = models.UuidIndexType.UUID, models.KeywordIndexType.KEYWORD
    fields: dict[str, Any] = {
        key: models.UuidIndexParams(type=uuid, is_tenant=True if key == "space_id" else None) for key in UUID_FIELDS
    }
    fields |= {key: models.KeywordIndexParams(type=keyword) for key in KEYWORD_FIELDS}
    fields["version"] = models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=True)
    fields["occurred_at"] = models.DatetimeIndexParams(type=models.DatetimeIndexType.DATETIME)
    return fields
