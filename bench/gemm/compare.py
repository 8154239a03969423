#!/usr/bin/python3
"""Times a·bᵀ by vec.MulT and by numpy's BLAS in turn, each on one thread, and prints the ratio and a line of JSON.

    /usr/bin/python3 bench/gemm/compare.py [n [m [d]]]      default 2048³

Debian: apt install python3-numpy libopenblas0-pthread. The threads are set here, and what would choose another kernel
than the one for this processor is taken out of the environment.
"""
import ctypes, json, os, statistics, subprocess, sys, time

for name in list(os.environ):
    if name.startswith("OPENBLAS_"):
        del os.environ[name]
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", GOMAXPROCS="1")
import numpy as np


def kernel():
    """The name of the kernels that OpenBLAS chose."""
    for line in open("/proc/self/maps"):
        if "openblas" in line:
            f = getattr(ctypes.CDLL(line.split()[-1]), "openblas_get_corename", None)
            if f is None:  # as in PyPI's builds, whose names have a suffix
                return "OpenBLAS, which does not say"
            f.restype = ctypes.c_char_p
            return f().decode()
    return "not OpenBLAS"


def main():
    sizes = [int(s) for s in sys.argv[1:4]] or [2048]
    n, m, d = sizes + sizes[-1:] * (3 - len(sizes))
    here = os.path.dirname(os.path.abspath(__file__))
    program = os.path.join(here, "gemm.bin")
    subprocess.run(["go", "build", "-o", program, "."], cwd=here, check=True)
    try:
        go = subprocess.Popen([program, str(n), str(m), str(d)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def ours():
            go.stdin.write("\n")
            go.stdin.flush()
            return float(go.stdout.readline())

        r = np.random.default_rng(1)
        a, b = r.standard_normal((n, d), np.float32), r.standard_normal((m, d), np.float32)
        c = np.empty((n, m), np.float32)

        def theirs():
            start = time.perf_counter()
            np.dot(a, b.T, out=c)
            return time.perf_counter() - start

        ours(), theirs()
        pairs = []
        while len(pairs) < 9 or len(pairs) < 200 and sum(map(sum, pairs)) < 4:
            pairs.append((ours(), theirs()))
        go.stdin.close()
        go.wait()
    finally:
        os.remove(program)
    flop = 2 * n * m * d / 1e9
    ratio = statistics.median(t / o for o, t in pairs)
    best = [flop / min(x) for x in zip(*pairs)]
    result = {
        "n": n, "m": m, "d": d, "rounds": len(pairs), "ratio": round(ratio, 3),
        "latent_gflops": round(best[0], 1), "numpy_gflops": round(best[1], 1),
        "numpy": np.__version__, "openblas_kernel": kernel(),
    }
    print(f"{n}×{m}, depth {d}, one thread: latent {best[0]:.1f} GFLOP/s, numpy {np.__version__} with OpenBLAS "
          f"({result['openblas_kernel']}) {best[1]:.1f}; ratio {ratio:.2f} (median of {len(pairs)} pairs)")
    print(json.dumps(result))


main()
