#!/usr/bin/env python3
"""Searches the same data with latent, hnswlib, Faiss and usearch in turn, and writes a line of JSON for each setting.

    make bench-peers                                  what docs/results/peers.md was made with
    python3 bench/peers/peers.py --data fashion --threads 1 --out peers.jsonl
    python3 bench/peers/peers.py --data glove --threads 2 --only 'latent hnsw M16;hnswlib M16' --out peers.jsonl

It installs the peers into a virtual environment of its own (--venv), hnswlib compiled for this machine, as its source
package does. Each index lives in a process of its own. All are built, one after another; then, --runs times, each runs all
queries with each of its settings, so that what else the machine does meets all alike. The figure is the median, lo and hi are
the slowest and the fastest run.

With one thread a query is one call, and time is the process's own (--clock cpu). With two, all queries are one call, and time
is the wall's: keep the machine quiet. recall is the share of ten neighbours that are no farther than the true tenth.
"""
import argparse, functools, json, os, platform, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PACKAGES = ["numpy", "faiss-cpu==1.15.1", "usearch==2.26.6"]
K = 10
EF = [10, 14, 20, 28, 40, 60, 80, 120, 200, 300, 500, 800]


def grid(efforts, reranks):
    return [{"effort": e, "rerank": r} for e in efforts for r in reranks]


def configs(data, n, d):
    """name, engine, class, twins, what to build, settings. Classes: graph (full float32), codes, exact. Twins are built alike."""
    lists = 256 if n < 100_000 else 1024
    part = d // 4 if d >= 384 else d // 2  # 4-bit sub-spaces
    whole = part // 2  # 8-bit ones, in as many bytes
    graph = [{"effort": e} for e in EF]
    coded = grid([n for n in [1, 2, 4, 8, 16, 32, 64, 128, 256] if n <= max(128, lists // 4)], [2, 4, 8, 16, 32])
    every = grid([0], [1, 2, 4, 8, 16])
    out = [
        ("latent hnsw M16", "latent", "graph", "hnsw", "f32|hnsw:16,efc=200", graph),
        ("hnswlib M16", "hnswlib", "graph", "hnsw", {"M": 16, "efc": 200}, graph),
        ("faiss HNSW32", "faiss", "graph", "", {"factory": "HNSW32,Flat", "efc": 200}, graph),
        ("usearch M16", "usearch", "graph", "", {"M": 16, "efc": 200}, graph),
        (f"latent ivf{lists} pq{part}x4 rerank", "latent", "codes", "ivf of 4-bit pq", f"pq:{part}x4|ivf:{lists}|rerank:4", coded),
        (f"faiss IVF{lists},PQ{part}x4fs,RFlat", "faiss", "codes", "ivf of 4-bit pq", {"factory": f"IVF{lists},PQ{part}x4fs,RFlat"}, coded),
        (f"latent pq{part}x4 rerank", "latent", "codes", "4-bit pq", f"pq:{part}x4|flat|rerank:4", every),
        (f"faiss PQ{part}x4fs,RFlat", "faiss", "codes", "4-bit pq", {"factory": f"PQ{part}x4fs,RFlat"}, every),
        (f"latent ivf{lists} pq{whole} rerank", "latent", "codes", "ivf of 8-bit pq", f"pq:{whole}|ivf:{lists}|rerank:4", coded),
        (f"faiss IVF{lists},PQ{whole},RFlat", "faiss", "codes", "ivf of 8-bit pq", {"factory": f"IVF{lists},PQ{whole},RFlat"}, coded),
        ("latent sq8 hnsw M16 rerank", "latent", "codes", "", "sq8|hnsw:16,efc=200|rerank:2", grid(EF, [1, 2])),
        ("latent sq4 hnsw M16 rerank", "latent", "codes", "", "sq4|hnsw:16,efc=200|rerank:2", grid(EF, [2, 4])),
        ("latent flat", "latent", "exact", "flat", "f32|flat", [{}]),
        ("faiss Flat", "faiss", "exact", "flat", {"factory": "Flat"}, [{}]),
    ]
    if d < 384:
        out.append((f"latent ivf{lists} pq{d}x4 rerank", "latent", "codes", "ivf of 4-bit pq, d parts", f"pq:{d}x4|ivf:{lists}|rerank:4", coded))
        out.append((f"faiss IVF{lists},PQ{d}x4fs,RFlat", "faiss", "codes", "ivf of 4-bit pq, d parts", {"factory": f"IVF{lists},PQ{d}x4fs,RFlat"}, coded))
    else:
        out.append((f"latent pca{d // 6} sq8 hnsw M16 rerank", "latent", "codes", "", f"pca:{d // 6}|sq8|hnsw:16,efc=200|rerank:4", grid(EF, [2, 4])))
        out.append(("faiss HNSW32_SQ8,RFlat", "faiss", "codes", "", {"factory": "HNSW32_SQ8,RFlat", "efc": 200}, grid(EF, [1, 2])))
    return out


def venv(path):
    """The environment's python, made if it is not there."""
    python = os.path.join(path, "bin", "python")
    stamp = os.path.join(path, ".peers")
    want = json.dumps(PACKAGES + ["hnswlib==0.8.0 native"])
    if not (os.path.exists(stamp) and open(stamp).read() == want):
        print("installing the peers into", path, file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", path], check=True)
        pip = [python, "-m", "pip", "install", "-q"]
        subprocess.run(pip + PACKAGES + ["pybind11", "setuptools", "wheel"], check=True)
        subprocess.run(pip + ["--no-binary", "hnswlib", "--no-build-isolation", "hnswlib==0.8.0"], check=True)  # -march=native
        with open(stamp, "w") as f:
            f.write(want)
    return python


@functools.cache
def latent():
    """The command, built the first time that it is asked for."""
    path = os.path.join(ROOT, "bin", "latent")
    subprocess.run(["go", "build", "-o", path, "./cmd/latent"], cwd=ROOT, check=True)
    return path


def prepare(data, folder):
    """Writes base and queries as .npy, once, and returns their paths, metric and name."""
    base, queries = (os.path.join(folder, f"{data}-{part}.npy") for part in ("base", "queries"))
    metric = "l2" if data == "fashion" else "cosine"
    if not (os.path.exists(base) and os.path.exists(queries)):
        os.makedirs(folder, exist_ok=True)
        import numpy as np
        with tempfile.TemporaryDirectory() as tmp:
            def get(name):
                subprocess.run([latent(), "data", "get", name, "-o", tmp], check=True, stdout=sys.stderr)
            if data == "fashion":
                get("fashion-mnist")
                x, q = (np.load(os.path.join(tmp, f)).astype(np.float32) for f in ("train.npy", "test.npy"))
                q = q[:1000]
            elif data == "glove":
                get("glove-100")
                x = np.load(os.path.join(tmp, "train.npy")).astype(np.float32)
                held = np.random.default_rng(7).permutation(len(x))[:1000]
                q = x[held]
                x = np.delete(x, held, axis=0)
            else:  # WordNet's senses by a sentence encoder; queries are other senses
                get("wordnet")
                texts = []
                for part in ("noun", "verb", "adj", "adv"):
                    for line in open(os.path.join(tmp, "data." + part), encoding="utf-8"):
                        head, _, gloss = line.partition("| ")
                        f = head.split()
                        if line.startswith(" ") or len(f) < 6:
                            continue
                        words = " ".join(f[4 + 2 * i].replace("_", " ") for i in range(int(f[3], 16)))
                        texts.append(words + ": " + gloss.split(";")[0].strip())
                order = np.random.default_rng(7).permutation(len(texts))[:61_000]
                with open(os.path.join(tmp, "texts.txt"), "w", encoding="utf-8") as f:
                    f.writelines(texts[i] + "\n" for i in order)
                out = os.path.join(tmp, "x.npy")
                subprocess.run([latent(), "embed", os.path.join(tmp, "texts.txt"), "-o", out], check=True, stdout=sys.stderr)
                x = np.load(out)
                x, q = x[1000:], x[:1000]
        np.save(queries, np.ascontiguousarray(q))
        np.save(base + ".tmp.npy", np.ascontiguousarray(x))
        os.rename(base + ".tmp.npy", base)
    return base, queries, metric


class Worker:
    """A process with one index, asked and answering by lines of JSON."""

    def __init__(self, command, env, ids):
        self.ids = ids
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args} ended")
        answer = json.loads(line)
        if answer.get("error"):
            raise SystemExit(f"{self.process.args}: {answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def serve(engine, base, queries, metric, ids, threads):
    """A peer's worker."""
    import numpy as np
    if engine == "hnswlib":
        import hnswlib
    elif engine == "faiss":
        import faiss
    else:
        import usearch
        from usearch.index import Index
    x, q = np.load(base), np.load(queries)
    if metric == "cosine":
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        q /= np.linalg.norm(q, axis=1, keepdims=True)
    d = x.shape[1]
    ix = inner = None
    for line in sys.stdin:
        r = json.loads(line)
        if "build" in r:
            b = r["build"]
            wall, cpu = time.perf_counter(), time.process_time()
            if engine == "hnswlib":
                version = "0.8.0 -march=native"
                ix = hnswlib.Index(space="l2" if metric == "l2" else "ip", dim=d)
                ix.init_index(max_elements=len(x), ef_construction=b["efc"], M=b["M"], random_seed=100)
                ix.set_num_threads(threads)
                ix.add_items(x, num_threads=threads)
                size = len(x) * (4 * d + 4 * (2 * b["M"] + 1) + 8)
            elif engine == "faiss":
                version = faiss.__version__ + " (" + " ".join(faiss.get_compile_options().replace("OPTIMIZE", "").split()) + ")"
                faiss.omp_set_num_threads(threads)
                ix = faiss.index_factory(d, b["factory"], faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT)
                inner = faiss.downcast_index(ix.base_index) if isinstance(ix, faiss.IndexRefine) else ix
                if "efc" in b:
                    inner.hnsw.efConstruction = b["efc"]
                ix.train(x)
                ix.add(x)
            else:
                version = usearch.__version__
                ix = Index(ndim=d, metric="l2sq" if metric == "l2" else "ip", dtype="f32", connectivity=b["M"], expansion_add=b["efc"])
                ix.add(np.arange(len(x)), x, threads=threads)
                size = ix.memory_usage
            a = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "version": version}
            if engine == "faiss":  # off the clock: it is written out for this
                size = faiss.serialize_index(ix).size
            a["bytes"] = int(size)
        else:
            k = r["k"]
            if engine == "hnswlib":
                ix.set_ef(r["effort"])
                search = lambda v: ix.knn_query(v, k=k, num_threads=threads)[0]
            elif engine == "faiss":
                if hasattr(inner, "hnsw"):
                    inner.hnsw.efSearch = r["effort"]
                elif hasattr(inner, "nprobe"):
                    inner.nprobe = r["effort"]
                if r.get("rerank"):
                    ix.k_factor = r["rerank"]
                search = lambda v: ix.search(v, k)[1]
            else:
                ix.expansion_search = r["effort"]
                search = lambda v: ix.search(v, k, threads=threads).keys
            wall, cpu = time.perf_counter(), time.process_time()
            if r.get("batch"):
                found = search(q)
            else:
                found = np.stack([np.reshape(search(q[i:i + 1] if engine != "usearch" else q[i]), k) for i in range(len(q))])
            a = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
            np.ascontiguousarray(found).astype(np.uint32).tofile(ids)
        print(json.dumps(a), flush=True)


def truth(x, q, metric):
    """Each query's tenth distance, and a function to the recall of ids. Distances are computed again in float64."""
    import faiss
    import numpy as np
    if metric == "cosine":
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        q = q / np.linalg.norm(q, axis=1, keepdims=True)
    flat = faiss.IndexFlatL2(x.shape[1])
    flat.add(x)
    near = flat.search(q, K)[1]

    def distances(ids):
        out = np.full(ids.shape, np.inf)
        ok = ids < len(x)
        rows, _ = np.nonzero(ok)
        out[ok] = ((x[ids[ok]].astype(np.float64) - q[rows]) ** 2).sum(1)
        return out

    bound = distances(near).max(1)
    return lambda ids: float((distances(ids) <= bound[:, None] * (1 + 1e-6) + 1e-9).mean())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", default="fashion", help="fashion, glove, text; several with commas")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--clock", choices=["cpu", "wall"], help="cpu for one thread, wall for more, unless said")
    p.add_argument("--only", default="", help="names of configurations, with semicolons")
    p.add_argument("--out", default="peers.jsonl")
    p.add_argument("--venv", default=os.path.join(ROOT, "bench", "peers", ".venv"))
    p.add_argument("--folder", default=os.path.join(ROOT, "bench", "peers", ".data"))
    p.add_argument("--worker", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.worker:
        return serve(*a.worker.split("\n"), threads=a.threads)
    for name in list(os.environ):
        if name.startswith("OPENBLAS_"):
            del os.environ[name]
    python = venv(a.venv)
    if os.path.abspath(sys.prefix) != os.path.abspath(a.venv):
        sys.exit(subprocess.run([python, os.path.abspath(__file__)] + sys.argv[1:]).returncode)
    import numpy as np
    clock = a.clock or ("cpu" if a.threads == 1 else "wall")
    env = dict(os.environ, GOMAXPROCS=str(a.threads), OMP_NUM_THREADS=str(a.threads), OPENBLAS_NUM_THREADS=str(a.threads))
    ours = os.path.join(a.venv, "peers")
    subprocess.run(["go", "build", "-o", ours, "."], cwd=HERE, check=True)
    machine = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    for data in a.data.split(","):
        base, queries, metric = prepare(data, a.folder)
        x, q = np.load(base), np.load(queries)
        recall = truth(x, q, metric)
        n, d = x.shape
        running = []
        with tempfile.TemporaryDirectory() as tmp:
            for i, (name, engine, kind, twins, build, settings) in enumerate(configs(data, n, d)):
                if a.only and name not in a.only.split(";"):
                    continue
                ids = os.path.join(tmp, f"ids{i}")
                command = [ours, "worker", base, queries, metric, ids] if engine == "latent" else \
                    [python, os.path.abspath(__file__), "--threads", str(a.threads), "--worker", "\n".join([engine, base, queries, metric, ids])]
                w = Worker(command, env, ids)
                built = w.ask(build=build)
                print(f"{data}: {name} built in {built['wall']:.1f} s", file=sys.stderr)
                running.append((name, engine, kind, twins, built, settings, w))
            timings, recalls, work = {}, {}, {}
            for run in range(a.runs):
                for name, engine, kind, twins, built, settings, w in running:
                    for s in settings:
                        key = name, json.dumps(s)
                        if run and not useful(key, recalls, timings, a.runs):
                            continue
                        got = w.ask(k=K, batch=a.threads > 1 or kind == "exact", **({"effort": 0} | s))
                        timings.setdefault(key, []).append(got[clock])
                        if run == 0:
                            recalls[key] = recall(np.fromfile(w.ids, np.uint32).reshape(len(q), K))
                            work[key] = got.get("distances", 0)
                print(f"{data}: run {run + 1} of {a.runs}", file=sys.stderr)
            for name, engine, kind, twins, built, settings, w in running:
                for s in settings:
                    t = sorted(timings[name, json.dumps(s)])
                    if len(t) < a.runs:
                        continue
                    line = {"data": data, "n": n, "d": d, "metric": metric, "threads": a.threads, "clock": clock, "machine": machine, "engine": engine,
                            "version": built.get("version", ""), "name": name, "class": kind, "twins": twins, "build_s": round(built[clock], 2), "bytes": built["bytes"],
                            "rerank_bytes": built.get("rerank_bytes", 0), **s, "recall": round(recalls[name, json.dumps(s)], 4),
                            "qps": round(len(q) / statistics.median(t), 1), "qps_lo": round(len(q) / t[-1], 1), "qps_hi": round(len(q) / t[0], 1),
                            "distances": round(work[name, json.dumps(s)], 1), "runs": a.runs}
                    with open(a.out, "a") as f:
                        f.write(json.dumps(line) + "\n")
                w.close()


def useful(key, recalls, timings, runs):
    """Settings that no other of the same index beats by far in the first run are run again; the rest would only take time."""
    name, _ = key
    r, t = recalls[key], timings[key][0]
    return not any(k[0] == name and recalls[k] >= r and timings[k][0] < 0.7 * t for k in recalls)


if __name__ == "__main__":
    main()
