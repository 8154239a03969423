"""Figures of other programs for TestReference in disentangle_test.go.

  pip install numpy==1.26.4 scipy==1.11.4 scikit-learn==1.4.2
  git clone https://github.com/kylehkhsu/latent_quantization   (9a420a3: disentangle/metrics/infomec.py)
  PYTHONPATH=latent_quantization/disentangle/metrics python reference.py
"""
import warnings

import numpy as np
from infomec import compute_infomec
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression
from sklearn.linear_model import LinearRegression, LogisticRegression, Lasso
from sklearn.metrics import log_loss, mutual_info_score

warnings.filterwarnings("ignore")


def noise(n, d, x):
    out = np.empty((n, d), np.float32)
    for i in range(n):
        for j in range(d):
            x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
            out[i, j] = (x >> 8) / 2**24 - 0.5
    return out


n = 600
values = np.array([4, 3, 2])
s = np.floor((noise(n, 3, 1).astype(np.float64) + 0.5) * values)
e = noise(n, 5, 2).astype(np.float64)
z = np.stack([s[:, 0] + 4 * e[:, 0], s[:, 1] + s[:, 0] + 3 * e[:, 1], s[:, 2] + 2 * e[:, 2], 3 * e[:, 3], 0.01 * e[:, 4]], 1)
z = z.astype(np.float32).astype(np.float64)
zd = np.round(z)

for name, lat, disc in (("continuous", z, False), ("discrete", zd, True)):
    r = compute_infomec(s, lat, disc)
    print(name, {k: (v if np.ndim(v) == 0 else np.asarray(v).tolist()) for k, v in r.items()})
    # InfoE again with a probe run to its optimum: the program stops at a gradient of 1e-4.
    x = (lat - lat.mean(0)) / np.where(lat.std(0) > 0, lat.std(0), 1)
    if disc:
        x = np.concatenate([np.eye(len(u))[i] for u, i in (np.unique(c, return_inverse=True) for c in lat.T)], 1)
    out = []
    for j in range(3):
        m = LogisticRegression(penalty=None, class_weight="balanced", tol=1e-10, max_iter=100000).fit(x, s[:, j])
        out.append(1 - log_loss(s[:, j], m.predict_proba(x)) / np.log(values[j]))
    print(name, "InfoE at the optimum", np.mean(out), out)

print("classif k=3", mutual_info_classif(z[:, [0]], s[:, 0].astype(int), discrete_features=False, n_neighbors=3))
print("regression k=3", mutual_info_regression(z[:, [0]], z[:, 1], discrete_features=False, n_neighbors=3))
print("r2", [LinearRegression().fit(z[:, :3], z[:, 3] + z[:, 0]).score(z[:, :3], z[:, 3] + z[:, 0])])

# MIG with 20 bins of equal width, as disentanglement_lib (86a644d) bins; its last edge is a bin of its own there, not here.
h = np.array([mutual_info_score(s[:, j], s[:, j]) for j in range(3)])
b = np.stack([np.minimum(((c - c.min()) / (c.max() - c.min()) * 20).astype(int), 19) for c in z.T], 1)
m = np.array([[mutual_info_score(b[:, i], s[:, j]) / h[j] for j in range(3)] for i in range(5)])
top = np.sort(m, 0)
print("MIG", (top[-1] - top[-2]).mean())

# DCI from its equations, with scikit-learn's lasso.
x = (z - z.mean(0)) / z.std(0)
y = (s - s.mean(0)) / s.std(0)
fits = [Lasso(alpha=0.02, tol=1e-12, max_iter=100000).fit(x, y[:, j]) for j in range(3)]
R = np.abs(np.stack([f.coef_ for f in fits], 1))
def even(v):
    p = v / v.sum() if v.sum() else v
    return 1 + (p[p > 0] * np.log(p[p > 0])).sum() / np.log(len(v)) if v.sum() else 0
print("DCI", sum(R[i].sum() / R.sum() * even(R[i]) for i in range(5)), np.mean([even(R[:, j]) for j in range(3)]), np.mean([f.score(x, y[:, j]) for j, f in enumerate(fits)]))
