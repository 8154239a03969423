#!/usr/bin/env python3
"""Times cluster.KMeans and faiss.Kmeans (pip install faiss-cpu) in turn on Fashion-MNIST, 60,000 × 784, k = 256, 20
iterations, and prints the ratio and a line of JSON.

    python3 bench/kmeans/compare.py [threads]     default 1

The data is the Debian package dataset-fashion-mnist. Each side picks its first centroids as it does by default: ours by
k-means++ on 8,192 rows, Faiss at random; ours assigns all rows once more in the end, Faiss does not. On one thread
processor time is measured, so that other work on the machine counts less; on more, time by the wall clock.
"""
import gzip, json, os, statistics, subprocess, sys, tempfile, time

threads = sys.argv[1] if len(sys.argv) > 1 else "1"
for name in list(os.environ):
    if name.startswith("OPENBLAS_"):
        del os.environ[name]
os.environ.update(OPENBLAS_NUM_THREADS=threads, OMP_NUM_THREADS=threads, GOMAXPROCS=threads)
import faiss
import numpy as np

K, ITERATIONS, RUNS = 256, 20, 5


def main():
    with gzip.open("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz") as f:
        x = np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float32)
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as tmp:
        program, file = os.path.join(tmp, "kmeans"), os.path.join(tmp, "x.f32")
        subprocess.run(["go", "build", "-o", program, "."], cwd=here, check=True)
        x.tofile(file)
        go = subprocess.Popen([program, file, str(len(x)), str(x.shape[1]), str(K), str(ITERATIONS)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def clock(process):
            if threads != "1":
                return time.perf_counter()
            return time.clock_gettime(~process << 3 | 2)  # Linux's name for the processor time of a process

        def ours():
            start = clock(go.pid)
            go.stdin.write("\n")
            go.stdin.flush()
            inertia = float(go.stdout.readline())
            return clock(go.pid) - start, inertia

        def theirs():
            start = clock(os.getpid())
            km = faiss.Kmeans(x.shape[1], K, niter=ITERATIONS, seed=1)
            km.train(x)
            return clock(os.getpid()) - start, km

        runs = []
        for _ in range(RUNS):
            o, inertia = ours()
            t, km = theirs()
            runs.append((o, t))
        go.stdin.close()
        go.wait()
        faiss_inertia = float(km.index.search(x, 1)[0].sum())
    ratios = sorted(o / t for o, t in runs)
    out = {"bench": "kmeans", "data": "fashion-mnist", "n": len(x), "d": x.shape[1], "k": K, "iterations": ITERATIONS,
           "threads": int(threads), "faiss": faiss.__version__,
           "seconds": round(statistics.median(o for o, _ in runs), 3),
           "faiss_seconds": round(statistics.median(t for _, t in runs), 3),
           "ratio": round(statistics.median(ratios), 3), "ratio_range": [round(ratios[0], 3), round(ratios[-1], 3)],
           "inertia": inertia, "faiss_inertia": faiss_inertia}
    print(f"cluster.KMeans takes {out['ratio']:.2f} times as long as faiss.Kmeans, {ratios[0]:.2f} to {ratios[-1]:.2f} in {RUNS} runs")
    print(json.dumps(out))


if __name__ == "__main__":
    main()
