// A session with Qdrant's official JavaScript client, as an application would have it. It asserts what it is answered.
//
//     node session.mjs http://127.0.0.1:6333
import assert from "node:assert/strict";
import {QdrantClient} from "@qdrant/js-client-rest";

const url = process.argv[2].replace(/\/$/, "");
const dim = 8, n = 300, name = "javascript";
const client = new QdrantClient({url});

let state = 12345; // numbers that are the same in every run
const random = () => ((state = (state * 1103515245 + 12345) % 2147483648) / 2147483648) * 2 - 1;
const vector = () => Array.from({length: dim}, random);
const distance = (a, b) => Math.sqrt(a.reduce((s, x, i) => s + (x - b[i]) ** 2, 0));
const refused = async (status, call) => {
  try {
    await call();
  } catch (e) {
    assert.equal(e.status, status, JSON.stringify(e.data));
    return JSON.stringify(e.data);
  }
  assert.fail("not refused");
};

await client.deleteCollection(name);

// create
assert.equal((await client.collectionExists(name)).exists, false);
assert.equal(await client.createCollection(name, {
  vectors: {plain: {size: dim, distance: "Euclid"}},
  sparse_vectors: {words: {}},
}), true);
assert.equal((await client.collectionExists(name)).exists, true);
await refused(409, () => client.createCollection(name, {vectors: {size: dim, distance: "Dot"}}));

// upsert in batches: points, and columns
const vectors = Array.from({length: n}, vector);
for (let at = 0; at < 200; at += 100) {
  const points = vectors.slice(at, at + 100).map((v, i) => ({
    id: at + i, vector: {plain: v, words: {indices: [(at + i) % 5], values: [1]}}, payload: {n: at + i, color: ["red", "blue"][(at + i) % 2], at: `2024-01-${String(1 + (at + i) % 28).padStart(2, "0")}T00:00:00Z`},
  }));
  const r = await client.upsert(name, {wait: true, points});
  assert.equal(r.status, "completed");
}
await client.upsert(name, {wait: true, batch: {
  ids: Array.from({length: 100}, (_, i) => 200 + i),
  vectors: {plain: vectors.slice(200)},
  payloads: Array.from({length: 100}, (_, i) => ({n: 200 + i, color: "green"})),
}});
assert.equal((await client.count(name)).count, n);
assert.equal((await client.getCollection(name)).config.params.vectors.plain.distance, "Euclid");

// payload index
await client.createPayloadIndex(name, {field_name: "color", field_schema: "keyword", wait: true});
await client.createPayloadIndex(name, {field_name: "n", field_schema: {type: "integer", lookup: true, range: true}, wait: true});
await client.createPayloadIndex(name, {field_name: "at", field_schema: "datetime", wait: true});
assert.equal((await client.getCollection(name)).payload_schema.color.data_type, "keyword");

// filtered query, against what it must be
const query = vector();
const filter = {must: [{key: "color", match: {any: ["red", "green"]}}, {key: "n", range: {gte: 50}}], must_not: {has_id: [60]}};
const found = (await client.query(name, {query, using: "plain", filter, limit: 7, params: {exact: true}, with_payload: ["color"]})).points;
const want = vectors.map((v, i) => i).filter((i) => i >= 50 && i !== 60 && (i >= 200 || i % 2 === 0)).sort((a, b) => distance(query, vectors[a]) - distance(query, vectors[b])).slice(0, 7);
assert.deepEqual(found.map((p) => p.id), want);
found.forEach((p) => assert.ok(Math.abs(p.score - distance(query, vectors[p.id])) < 1e-4));
assert.deepEqual(Object.keys(found[0].payload), ["color"]);
const january = await client.count(name, {filter: {must: [{key: "at", range: {lt: "2024-01-03T00:00:00Z"}}]}});
assert.equal(january.count, [...Array(200).keys()].filter((i) => i % 28 < 2).length);

// scroll
let seen = [], offset = undefined;
do {
  const page = await client.scroll(name, {limit: 70, offset, with_vector: false});
  seen = seen.concat(page.points.map((p) => p.id));
  offset = page.next_page_offset;
} while (offset !== null && offset !== undefined);
assert.deepEqual(seen, [...Array(n).keys()]);

// update
await client.setPayload(name, {payload: {seen: true}, points: [1], wait: true});
await client.overwritePayload(name, {payload: {only: 1.5}, points: [2], wait: true});
await client.deletePayload(name, {keys: ["color"], points: [3], wait: true});
await client.clearPayload(name, {points: [4], wait: true});
await client.updateVectors(name, {points: [{id: 5, vector: {plain: query}}], wait: true});
const got = Object.fromEntries((await client.retrieve(name, {ids: [1, 2, 3, 4, 5], with_payload: true, with_vector: true})).map((p) => [p.id, p]));
assert.equal(got[1].payload.seen, true);
assert.deepEqual(got[2].payload, {only: 1.5});
assert.equal("color" in got[3].payload, false);
assert.deepEqual(got[4].payload, {});
assert.equal((await client.query(name, {query, using: "plain", limit: 1})).points[0].id, 5);
const id = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26";
await client.batchUpdate(name, {wait: true, operations: [
  {upsert: {points: [{id, vector: {plain: vector()}, payload: {n: -1}}]}},
  {set_payload: {payload: {late: true}, points: [id]}},
]});
assert.deepEqual((await client.retrieve(name, {ids: [id]}))[0].payload, {n: -1, late: true});

// hybrid query
const words = {indices: [0, 1], values: [1, 0.5]};
for (const fusion of [{fusion: "rrf"}, {fusion: "dbsf"}, {rrf: {k: 10}}]) {
  const both = (await client.query(name, {prefetch: [{query, using: "plain", limit: 20}, {query: words, using: "words", limit: 20}], query: fusion, limit: 10})).points;
  assert.equal(both.length, 10);
  both.slice(1).forEach((p, i) => assert.ok(both[i].score >= p.score));
}

// delete
await client.delete(name, {points: [id], wait: true});
await client.delete(name, {filter: {must: [{key: "color", match: {value: "green"}}]}, wait: true});
assert.equal((await client.count(name)).count, 200);

// aliases
await client.updateCollectionAliases({actions: [{create_alias: {collection_name: name, alias_name: "js"}}]});
assert.equal((await client.count("js")).count, 200);

// snapshot
const snapshot = await client.createSnapshot(name);
assert.ok((await client.listSnapshots(name)).some((s) => s.name === snapshot.name && s.size > 0));
assert.equal(await client.deleteSnapshot(name, snapshot.name), true);

// what is wrong is refused as Qdrant does it
assert.match(await refused(400, () => client.upsert(name, {wait: true, points: [{id: 1, vector: {plain: [1, 2]}}]})), /Vector dimension error: expected dim: 8, got 2/);
assert.match(await refused(400, () => client.query(name, {query, using: "plain", filter: {musst: []}})), /unknown field `musst`/);
assert.match(await refused(404, () => client.count("nowhere")), /Not found: Collection `nowhere` doesn't exist!/);

assert.equal(await client.deleteCollection(name), true);
console.log("javascript: @qdrant/js-client-rest as expected");
