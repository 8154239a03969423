#!/usr/bin/env python3
"""Searches Fashion-MNIST, 60,000 × 784, with index/ivf and Faiss (pip install faiss-cpu) in turn: inverted lists of 4-bit
product codes, candidates re-ranked with the full vectors; one thread, one query a call. Prints a line of JSON for each
number of lists looked into and candidates, with recall@10 and the ratio of processor times.

    python3 bench/ivf/compare.py [lists [parts]]     default 256 196

The data is the Debian package dataset-fashion-mnist; queries are the first 1,000 of its test set.
"""
import gzip, json, os, statistics, subprocess, sys, tempfile, time

lists, parts = (int(a) for a in (sys.argv[1:] + ["256", "196"][len(sys.argv) - 1:])[:2])
for name in list(os.environ):
    if name.startswith("OPENBLAS_"):
        del os.environ[name]
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", GOMAXPROCS="1")
import faiss
import numpy as np

QUERIES, RUNS = 1000, 5
SETTINGS = [(2, 20), (4, 20), (4, 40), (8, 40), (16, 40), (16, 80), (32, 80)]


def load(name):
    with gzip.open(f"/usr/share/datasets/fashion-mnist/{name}-images-idx3-ubyte.gz") as f:
        return np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float32)


def main():
    x, q = load("train"), load("t10k")[:QUERIES]
    exact = faiss.IndexFlatL2(784)
    exact.add(x)
    bound = exact.search(q, 10)[0][:, 9]

    def recall(ids):
        d = ((x[ids] - q[:, None, :]) ** 2).sum(2)
        return float((d <= bound[:, None] * (1 + 1e-5)).mean())

    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as tmp:
        program, base, queries, found = (os.path.join(tmp, n) for n in ("ivf", "x.f32", "q.f32", "ids"))
        subprocess.run(["go", "build", "-o", program, "."], cwd=here, check=True)
        x.tofile(base)
        q.tofile(queries)
        go = subprocess.Popen([program, base, str(len(x)), queries, str(QUERIES), "784", str(lists), str(parts), found],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def clock(process):
            return time.clock_gettime(~process << 3 | 2)  # Linux's name for the processor time of a process

        go.stdout.readline()
        ours_build = clock(go.pid)
        start = clock(os.getpid())
        theirs = faiss.index_factory(784, f"IVF{lists},PQ{parts}x4fs,RFlat")
        theirs.train(x)
        theirs.add(x)
        theirs_build = clock(os.getpid()) - start
        print(json.dumps({"bench": "ivf-build", "data": "fashion-mnist", "lists": lists, "parts": parts, "faiss": faiss.__version__,
                          "seconds": round(ours_build, 2), "faiss_seconds": round(theirs_build, 2)}), flush=True)
        inner = faiss.downcast_index(theirs.base_index)
        for effort, candidates in SETTINGS:
            inner.nprobe, theirs.k_factor = effort, candidates / 10
            runs = []
            for _ in range(RUNS):
                start = clock(go.pid)
                go.stdin.write(f"{effort} {candidates}\n")
                go.stdin.flush()
                go.stdout.readline()
                o = clock(go.pid) - start
                start = clock(os.getpid())
                ids = np.concatenate([theirs.search(q[i:i + 1], 10)[1] for i in range(QUERIES)])
                runs.append((o, clock(os.getpid()) - start))
            ratios = sorted(t / o for o, t in runs)
            print(json.dumps({"bench": "ivf-search", "effort": effort, "candidates": candidates,
                              "qps": round(QUERIES / statistics.median(o for o, _ in runs)),
                              "faiss_qps": round(QUERIES / statistics.median(t for _, t in runs)),
                              "ratio": round(statistics.median(ratios), 2), "ratio_range": [round(ratios[0], 2), round(ratios[-1], 2)],
                              "recall": round(recall(np.fromfile(found, np.uint32).reshape(QUERIES, 10)), 4),
                              "faiss_recall": round(recall(ids), 4)}), flush=True)
        go.stdin.close()
        go.wait()


if __name__ == "__main__":
    main()
