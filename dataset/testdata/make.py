"""Writes the files beside this one with the libraries whose formats they are: python3 make.py.

Every file holds the same 5×3 matrix, (3i+j)/4 - 1, or 3i+j where it holds integers."""
import gzip, json, numpy as np, pyarrow as pa, pyarrow.parquet as pq
import safetensors.numpy as st

n, d = 5, 3
whole = np.arange(n * d).reshape(n, d)
x = (whole / 4 - 1).astype(np.float32)
ids = ["a", "b", "ç", "", "e f"]
titles = ["one", "two, three", 'say "four"', None, "five"]

for t in ["f2", "f4", "f8"]:
    np.save(f"{t}.npy", x.astype("<" + t))
    np.save(f"{t}_fortran_big.npy", np.asfortranarray(x.astype(">" + t)))
for t in ["i1", "u1", "i4", "i8"]:
    np.save(f"{t}.npy", whole.astype("<" + t))
np.save("i4_fortran_big.npy", np.asfortranarray(whole.astype(">i4")))
np.save("cube_fortran.npy", np.asfortranarray(np.arange(24).reshape(2, 3, 4).astype("<i4")))
for v in [(2, 0), (3, 0)]:
    with open(f"v{v[0]}.npy", "wb") as f:
        np.lib.format.write_array(f, x, version=v)
np.save("labels_i8.npy", np.array([3, 1, 3, 10, 2]))
np.save("labels_text.npy", np.array(["cat", "dög", "cat", "ant", "cat"]))
np.savez("plain.npz", x=x, y=np.arange(n))
np.savez_compressed("two.npz", a=x, b=x, y=np.arange(n))
with gzip.open("f4.npy.gz", "wb") as f:
    np.save(f, x)
np.savetxt("savetxt.txt", x, header="made by savetxt")

rows = [list(map(float, r)) for r in x]
for name, t in {"list_float": pa.list_(pa.float32()), "list_double": pa.list_(pa.float64()), "list_half": pa.list_(pa.float16()),
                "fixed": pa.list_(pa.float32(), d), "large_list": pa.large_list(pa.float32())}.items():
    data = [[np.float16(v) for v in r] for r in rows] if name == "list_half" else rows
    table = pa.table({"id": ids, "title": titles, "n": pa.array([1, 2, 3, 4, 5], pa.int32()), "emb": pa.array(data, t)})
    pq.write_table(table, f"{name}.parquet", row_group_size=2, compression="zstd" if name == "fixed" else "snappy")
pq.write_table(pa.table({"title": titles, "a": rows, "b": rows}), "two.parquet")
pq.write_table(pa.table({"title": titles, "n": [1, 2, 3, 4, 5]}), "no_vectors.parquet")
pq.write_table(pa.table({"id": ids, "emb": rows}), "lz4.parquet", compression="lz4")
pq.write_table(pa.table({"emb": rows, "meta": [{"scores": r} for r in rows], "points": [[{"x": 1.0}]] * n,
    "map": pa.array([[("k", 1.0)]] * n, pa.map_(pa.string(), pa.float32()))}), "struct.parquet")
pq.write_table(pa.table({"emb": pa.array([], pa.list_(pa.float32()))}), "no_rows.parquet")
pq.write_table(pa.table({"y": [0.1, np.nextafter(0.1, 1), 0.1], "bad": [1, float("nan"), 2]}), "labels.parquet")
pq.write_table(pa.table({"emb": [rows[0], rows[1], None, rows[3], rows[4]]}), "null.parquet")

for name, t in {"f32": np.float32, "f16": np.float16, "f64": np.float64}.items():
    st.save_file({"emb": x.astype(t), "bias": np.zeros(4, np.float32)}, f"{name}.safetensors", metadata={"format": "np"})
st.save_file({"emb": whole.astype(np.int8)}, "i8.safetensors")
bf = (x.view(np.uint32) >> 16).astype("<u2")
raw = bf.tobytes()
head = json.dumps({"emb": {"dtype": "BF16", "shape": [n, d], "data_offsets": [0, len(raw)]}}).encode()
with open("bf16.safetensors", "wb") as f:
    f.write(len(head).to_bytes(8, "little") + head + raw)

from gensim.models import KeyedVectors  # last, for it is large
kv = KeyedVectors(d)
kv.add_vectors(["the", ",", "ç", "0.5", "[PAD]"], x)
kv.save_word2vec_format("gensim.bin", binary=True)
kv.save_word2vec_format("gensim.vec", binary=False)
