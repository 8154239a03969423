# Prints the figures that skdim_test.go quotes: pip install scikit-dimension==0.5.0; python reference.py
import warnings
import numpy as np
import skdim

warnings.filterwarnings("ignore")


def fixed(n, d):
    z = np.arange(1, n * d + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    u = ((z >> np.uint64(40)).astype(np.float64) / (1 << 24)).reshape(n, d)
    return np.hstack([u, u * u - np.roll(u, -1, axis=1) / 2]).astype(np.float32).astype(np.float64)


print("skdim", skdim.__version__, "numpy", np.__version__)
for n, d in ((600, 2), (1000, 5), (1500, 10)):
    x = fixed(n, d)
    twonn = skdim.id.TwoNN(method="mle", discard_fraction=0.1).fit(x).dimension_
    mle = skdim.id.MLE().fit(x, n_neighbors=20, comb="mle").dimension_
    # skdim takes the plain mean of pointwise estimates whose mean distance includes the Kth; ours is the inverse of the
    # mean inverse, without the Kth: (K*ours + 1)/(K-1) = theirs at each point.
    theirs = skdim.id.MOM().fit(x, n_neighbors=20).dimension_pw_
    mom = 1 / np.mean(1 / ((theirs * 19 - 1) / 20))
    corr = skdim.id.CorrInt(k1=10, k2=20).fit(x).dimension_
    fisher = skdim.id.FisherS().fit(x).dimension_
    print(f"{{{n}, {d}, want{{{twonn:.6f}, {mle:.6f}, {mom:.6f}, {corr:.6f}, {fisher:.6f}}}}},")
    danco = skdim.id.DANCo(k=10)
    danco._k = 10
    print("DANCo sees", danco._dancoDimEstNoCalibration(x, 2 * d))
    print("DANCo", np.mean([skdim.id.DANCo(k=10, random_state=s).fit(x).dimension_ for s in range(3)]))
