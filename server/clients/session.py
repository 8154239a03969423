"""A session with Qdrant's official Python client, as an application would have it. It asserts what it is answered.

    python session.py http://127.0.0.1:6333
"""

import math
import random
import sys
import uuid
import warnings

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

warnings.simplefilter("error")  # the client warns if it finds the server's version strange

DIM, N = 16, 500
rng = random.Random(7)


def unit():
    v = [rng.gauss(0, 1) for _ in range(DIM)]
    norm = math.sqrt(sum(x * x for x in v))
    return [x / norm for x in v]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def refused(status, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except UnexpectedResponse as e:
        assert e.status_code == status, (e.status_code, e.content)
        return e.content.decode()
    raise AssertionError("not refused")


def main(url):
    q = QdrantClient(url=url, timeout=60)
    name = "python"
    q.delete_collection(name)

    # create
    assert not q.collection_exists(name)
    assert q.create_collection(
        name,
        vectors_config={"dense": models.VectorParams(size=DIM, distance=models.Distance.COSINE)},
        sparse_vectors_config={"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
        hnsw_config=models.HnswConfigDiff(m=24),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1000),
        metadata={"made by": "session.py"},
    )
    assert q.collection_exists(name)
    assert name in [c.name for c in q.get_collections().collections]
    text = refused(409, q.create_collection, name, vectors_config=models.VectorParams(size=DIM, distance=models.Distance.COSINE))
    assert "already exists" in text, text

    # upsert in batches
    vectors = [unit() for _ in range(N)]
    points = [
        models.PointStruct(
            id=i,
            vector={"dense": vectors[i], "words": models.SparseVector(indices=[i % 7, 100 + i % 11], values=[1.0, 2.0])},
            payload={"n": i, "city": ["Berlin", "Rome", "Paris"][i % 3], "text": f"the quick fox {i}", "tags": ["a", "b"][: 1 + i % 2]},
        )
        for i in range(N)
    ]
    for i in range(0, N, 100):
        r = q.upsert(name, points[i : i + 100], wait=True)
        assert r.status == models.UpdateStatus.COMPLETED, r
    assert q.count(name, exact=True).count == N
    info = q.get_collection(name)
    assert info.points_count == N and info.config.params.vectors["dense"].size == DIM, info
    assert info.config.metadata == {"made by": "session.py"}, info.config.metadata
    assert info.config.hnsw_config.m == 24

    # payload index
    q.create_payload_index(name, "city", models.PayloadSchemaType.KEYWORD, wait=True)
    q.create_payload_index(name, "n", models.PayloadSchemaType.INTEGER, wait=True)
    q.create_payload_index(name, "text", models.TextIndexParams(type="text", tokenizer=models.TokenizerType.WORD, lowercase=True))
    schema = q.get_collection(name).payload_schema
    assert schema["city"].data_type == models.PayloadSchemaType.KEYWORD, schema

    # filtered query, against what it must be
    query = unit()
    keep = models.Filter(
        must=[models.FieldCondition(key="city", match=models.MatchValue(value="Rome")), models.FieldCondition(key="n", range=models.Range(lt=300))],
        must_not=[models.HasIdCondition(has_id=[4])],
    )
    found = q.query_points(name, query=query, using="dense", query_filter=keep, limit=5, with_payload=True, search_params=models.SearchParams(exact=True)).points
    want = sorted((i for i in range(300) if i % 3 == 1 and i != 4), key=lambda i: -dot(query, vectors[i]))[:5]
    assert [p.id for p in found] == want, (found, want)
    assert all(abs(p.score - dot(query, vectors[p.id])) < 1e-5 for p in found)
    assert all(p.payload["city"] == "Rome" and p.vector is None for p in found)
    assert q.query_points(name, query=3, using="dense", limit=1).points[0].id != 3  # by ID, without itself
    groups = q.query_points_groups(name, group_by="city", query=query, using="dense", limit=3, group_size=2).groups
    assert len(groups) == 3 and all(len(g.hits) == 2 for g in groups), groups
    two = q.query_batch_points(name, [models.QueryRequest(query=query, using="dense", limit=1), models.QueryRequest(query=vectors[9], using="dense", limit=1)])
    assert two[1].points[0].id == 9

    # scroll, by pages and in order of a field
    seen, page = [], None
    while True:
        records, page = q.scroll(name, limit=120, offset=page, with_vectors=False)
        seen += [r.id for r in records]
        if page is None:
            break
    assert seen == list(range(N))
    last, _ = q.scroll(name, limit=3, order_by=models.OrderBy(key="n", direction="desc"))
    assert [r.payload["n"] for r in last] == [N - 1, N - 2, N - 3]
    hits = q.facet(name, key="city").hits
    assert {h.value: h.count for h in hits} == {"Berlin": 167, "Rome": 167, "Paris": 166}, hits

    # update
    q.set_payload(name, payload={"seen": True}, points=[1, 2], wait=True)
    q.overwrite_payload(name, payload={"only": 1}, points=[3], wait=True)
    q.delete_payload(name, keys=["tags"], points=[1], wait=True)
    q.clear_payload(name, points_selector=[5], wait=True)
    q.update_vectors(name, points=[models.PointVectors(id=6, vector={"dense": query})], wait=True)
    got = {r.id: r for r in q.retrieve(name, ids=[1, 2, 3, 5, 6], with_vectors=["dense"])}
    assert got[1].payload["seen"] and "tags" not in got[1].payload and got[2].payload["seen"]
    assert got[3].payload == {"only": 1} and got[5].payload == {}
    assert all(abs(a - b) < 1e-5 for a, b in zip(got[6].vector["dense"], query)) and "words" not in got[6].vector
    assert q.query_points(name, query=query, using="dense", limit=1).points[0].id == 6
    u = str(uuid.uuid4())
    q.batch_update_points(
        name,
        update_operations=[
            models.UpsertOperation(upsert=models.PointsList(points=[models.PointStruct(id=u, vector={"dense": unit()}, payload={"n": -1})])),
            models.SetPayloadOperation(set_payload=models.SetPayload(payload={"late": 1}, points=[u])),
        ],
        wait=True,
    )
    assert q.retrieve(name, [u])[0].payload == {"n": -1, "late": 1}

    # delete
    q.delete(name, points_selector=[u, 0], wait=True)
    q.delete(name, points_selector=models.FilterSelector(filter=models.Filter(must=[models.FieldCondition(key="n", range=models.Range(gte=490))])), wait=True)
    assert q.count(name).count == N - 1 - 10

    # hybrid query: two prefetches, fused
    sparse = models.SparseVector(indices=[2, 105], values=[1.0, 1.0])
    for fusion in models.Fusion.RRF, models.Fusion.DBSF:
        both = q.query_points(
            name,
            prefetch=[models.Prefetch(query=query, using="dense", limit=20), models.Prefetch(query=sparse, using="words", limit=20)],
            query=models.FusionQuery(fusion=fusion),
            limit=10,
        ).points
        assert len(both) == 10 and all(a.score >= b.score for a, b in zip(both, both[1:])), both
        assert 6 in [p.id for p in both]
    reranked = q.query_points(name, prefetch=models.Prefetch(query=sparse, using="words", limit=50), query=query, using="dense", limit=5).points
    assert all(p.id % 7 == 2 or p.id % 11 == 5 for p in reranked), reranked
    diverse = q.query_points(name, query=models.NearestQuery(nearest=query, mmr=models.Mmr(diversity=0.5, candidates_limit=50)), using="dense", limit=5).points
    assert len({p.id for p in diverse}) == 5
    liked = q.query_points(name, query=models.RecommendQuery(recommend=models.RecommendInput(positive=[6], negative=[7])), using="dense", limit=3).points
    assert 6 not in [p.id for p in liked] and len(liked) == 3
    pairs = q.search_matrix_pairs(name, sample=10, limit=2, using="dense").pairs
    assert len(pairs) == 20, pairs

    # aliases
    q.update_collection_aliases(change_aliases_operations=[models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=name, alias_name="py"))])
    assert q.count("py").count == N - 11
    assert [a.alias_name for a in q.get_collection_aliases(name).aliases] == ["py"]

    # snapshot
    snap = q.create_snapshot(name, wait=True)
    assert snap.size > 0 and snap.name in [s.name for s in q.list_snapshots(name)]
    q.delete(name, points_selector=list(range(1, 100)), wait=True)
    assert q.recover_snapshot(name, location=f"{url}/collections/{name}/snapshots/{snap.name}", wait=True) is not False
    assert q.count(name).count == N - 11
    assert q.delete_snapshot(name, snap.name, wait=True)

    # what is wrong is refused as Qdrant does it
    text = refused(400, q.upsert, name, [models.PointStruct(id=1, vector={"dense": [1.0, 2.0]})], wait=True)
    assert "Vector dimension error: expected dim: 16, got 2" in text, text
    text = refused(404, q.count, "nowhere")
    assert "Not found: Collection `nowhere` doesn't exist!" in text, text

    assert q.delete_collection(name)
    print("python: qdrant-client as expected")


main(sys.argv[1].rstrip("/"))
