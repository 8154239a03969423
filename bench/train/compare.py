#!/usr/bin/python3
"""Trains a network of 784-1024-1024-10 with Adam, batches of 128, by latent's nn and by PyTorch on the processor in turn.

    /usr/bin/python3 bench/train/compare.py [threads …]      default 1 2

Prints samples a second and their ratio, the same by processor time, and the most memory of each, and a line of JSON for
each number of threads. Debian: apt install python3-torch; or a virtual environment with PyPI's torch, as
python bench/train/compare.py. GOEXPERIMENT is set to simd unless the environment sets it.
"""
import json, os, resource, statistics, subprocess, sys, time

BATCH, ROUND = 128, 10
HERE = os.path.dirname(os.path.abspath(__file__))


def child(threads):
    """The other half: for each line that it reads it takes so many steps, and prints what main.go prints."""
    import torch
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    n = torch.nn
    net = n.Sequential(n.Linear(784, 1024), n.ReLU(), n.Linear(1024, 1024), n.ReLU(), n.Linear(1024, 10))
    x, y = torch.randn(4096, 784), torch.randint(10, (4096,))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    print(torch.__version__, flush=True)
    order, at = torch.randperm(4096), 0
    for line in sys.stdin:
        start, used = time.perf_counter(), time.process_time()
        for _ in range(int(line)):
            if at + BATCH > 4096:
                order, at = torch.randperm(4096), 0
            ids = order[at:at + BATCH]
            at += BATCH
            optimizer.zero_grad()
            loss = n.functional.cross_entropy(net(x[ids]), y[ids])
            loss.backward()
            optimizer.step()
            value = loss.item()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(time.perf_counter() - start, time.process_time() - used, value, memory, flush=True)


def ask(p, steps):
    p.stdin.write(f"{steps}\n")
    p.stdin.flush()
    return [float(v) for v in p.stdout.readline().split()]


def compare(program, threads):
    env = dict(os.environ, GOMAXPROCS=str(threads), OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
    ours = subprocess.Popen([program], **pipes)
    theirs = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--child", str(threads)], **pipes)
    version = theirs.stdout.readline().strip()
    ask(ours, 2), ask(theirs, 2)  # compiled, and warm
    pairs = []
    start = time.perf_counter()
    while len(pairs) < 5 or len(pairs) < 40 and time.perf_counter() - start < 12:
        pairs.append((ask(ours, ROUND), ask(theirs, ROUND)))
    for p in (ours, theirs):
        p.stdin.close()
        p.wait()
    rate = [BATCH * ROUND / min(run[0] for run in side) for side in zip(*pairs)]
    cpu = [BATCH * ROUND / statistics.median(run[1] for run in side) for side in zip(*pairs)]
    result = {
        "threads": threads, "rounds": len(pairs), "ratio": round(statistics.median(t[0] / o[0] for o, t in pairs), 3),
        "ratio_cpu": round(statistics.median(t[1] / o[1] for o, t in pairs), 3),
        "latent_samples_s": round(rate[0]), "torch_samples_s": round(rate[1]),
        "latent_samples_cpu_s": round(cpu[0]), "torch_samples_cpu_s": round(cpu[1]),
        "latent_bytes": int(pairs[-1][0][3]), "torch_bytes": int(pairs[-1][1][3]), "torch": version,
        "load": round(os.getloadavg()[0], 1),
    }
    print(f"{threads} thread{'s' * (threads > 1)}: latent {rate[0]:.0f} samples/s, torch {version} {rate[1]:.0f}; ratio {result['ratio']:.2f}, "
          f"by processor time {result['ratio_cpu']:.2f} (medians of {len(pairs)} pairs); memory {result['latent_bytes'] / 2**20:.0f} and "
          f"{result['torch_bytes'] / 2**20:.0f} MiB")
    print(json.dumps(result))


def main():
    if sys.argv[1:2] == ["--child"]:
        return child(int(sys.argv[2]))
    program = os.path.join(HERE, "train.bin")
    env = dict(os.environ)
    env.setdefault("GOEXPERIMENT", "simd")
    subprocess.run(["go", "build", "-o", program, "."], cwd=HERE, check=True, env=env)
    try:
        for threads in [int(a) for a in sys.argv[1:]] or [1, 2]:
            compare(program, threads)
    finally:
        os.remove(program)


main()
