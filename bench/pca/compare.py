#!/usr/bin/python3
"""Times an exact PCA by pca.Fit and by numpy (covariance, then eigh) in turn on the same data, and prints the ratio and a
line of JSON.

    /usr/bin/python3 bench/pca/compare.py [fashion|random [threads]]     default random, 1

fashion: Fashion-MNIST, 60,000 × 784 to 50, from the Debian package dataset-fashion-mnist. random: Gaussian, 100,000 ×
768 to 128. Debian: apt install python3-numpy libopenblas0-pthread. On one thread processor time is measured, so that
other work on the machine counts less; on more, time by the wall clock.
"""
import gzip, json, os, statistics, subprocess, sys, tempfile, time

data = sys.argv[1] if len(sys.argv) > 1 else "random"
threads = sys.argv[2] if len(sys.argv) > 2 else "1"
for name in list(os.environ):
    if name.startswith("OPENBLAS_"):
        del os.environ[name]
os.environ.update(OPENBLAS_NUM_THREADS=threads, OMP_NUM_THREADS=threads, GOMAXPROCS=threads)
import numpy as np


def load():
    if data == "random":
        return np.random.default_rng(1).standard_normal((100_000, 768), np.float32), 128
    with gzip.open("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz") as f:
        return np.frombuffer(f.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float32), 50


def numpy_pca(x, k):
    mean = x.mean(axis=0)
    c = x - mean
    cov = (c.T @ c).astype(np.float64) / (len(x) - 1)
    val, vec = np.linalg.eigh(cov)
    return mean, vec[:, ::-1][:, :k].T.astype(x.dtype), val[::-1][:k]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as tmp:
        program, file = os.path.join(tmp, "pca"), os.path.join(tmp, "x.f32")
        subprocess.run(["go", "build", "-o", program, "."], cwd=here, check=True)
        x, k = load()
        x.tofile(file)
        go = subprocess.Popen([program, file, str(len(x)), str(x.shape[1]), str(k)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def clock(process):
            if threads != "1":
                return time.perf_counter()
            return time.clock_gettime(~process << 3 | 2)  # Linux's name for the processor time of a process

        def ours():
            start = clock(go.pid)
            go.stdin.write("\n")
            go.stdin.flush()
            kept = float(go.stdout.readline())
            return clock(go.pid) - start, kept

        def theirs():
            start = clock(os.getpid())
            got = numpy_pca(x, k)
            return clock(os.getpid()) - start, float(got[2].sum())

        ours(), theirs()
        runs = []
        for _ in range(7):
            o, kept = ours()
            t, want = theirs()
            runs.append((o, t))
        go.stdin.close()
        go.wait()
    ratios = sorted(o / t for o, t in runs)
    out = {"bench": "pca", "data": data, "n": len(x), "d": x.shape[1], "k": k, "threads": int(threads),
           "seconds": round(statistics.median(o for o, _ in runs), 3),
           "numpy_seconds": round(statistics.median(t for _, t in runs), 3),
           "ratio": round(statistics.median(ratios), 3), "ratio_range": [round(ratios[0], 3), round(ratios[-1], 3)],
           "kept_variance": kept, "numpy_kept_variance": want}
    print(f"pca.Fit takes {out['ratio']:.2f} times as long as numpy, {ratios[0]:.2f} to {ratios[-1]:.2f} in {len(runs)} runs")
    print(json.dumps(out))


if __name__ == "__main__":
    main()
