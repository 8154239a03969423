"""Figures of other programs for the inputs of TestReference in similarity_test.go.

  pip install numpy==1.26.4 scipy==1.11.4 scikit-learn==1.4.2 torch==2.2.2 einops loguru
  git clone https://github.com/mklabunde/resi            (24ab9e5)
  git clone https://github.com/google/svcca              (1f3fbf1)
  git clone https://github.com/minyoungg/platonic-rep    (dcd76ba; needs only metrics.py)
  PYTHONPATH=resi:svcca:platonic-rep python reference.py
"""
import sys, types

import numpy as np
import scipy.optimize, scipy.spatial
import torch
from sklearn.linear_model import Lasso

for missing in ("torchaudio", "torchaudio.functional"):  # platonic-rep imports it for a measure not used here
    sys.modules[missing] = types.ModuleType(missing)
sys.modules["torchaudio"].functional = sys.modules["torchaudio.functional"]
import cca_core
from metrics import AlignmentMetrics
from repsim.measures.cka import centered_kernel_alignment
from repsim.measures.correlation_match import hard_correlation_match, soft_correlation_match
from repsim.measures.linear_regression import linear_reg
from repsim.measures.procrustes import orthogonal_procrustes_centered_and_normalized, permutation_procrustes
from repsim.measures.rsa import representational_similarity_analysis


def noise(n, d, x):
    out = np.empty((n, d), np.float32)
    for i in range(n):
        for j in range(d):
            x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
            out[i, j] = (x >> 8) / 2**24 - 0.5
    return out


n, p, q = 300, 6, 9
a = noise(n, p, 1)
b = noise(n, q, 2)
for i in range(n):
    for j in range(4):  # four columns of b share with a
        b[i, j] = b[i, j] + np.float32(2) * a[i, j] * (a[i, j] + np.float32(1)) - a[i, j + 1]
a, b = a.astype(np.float64), b.astype(np.float64)

ca, cb = a - a.mean(0), b - b.mean(0)
print("cka", centered_kernel_alignment(a, b, "nd"))
print("cka unbiased", AlignmentMetrics.cka(torch.tensor(a), torch.tensor(b), unbiased=True))  # adds 1e-6 below
da = scipy.spatial.distance.pdist(a)
db = scipy.spatial.distance.pdist(b)
sa, sb = np.median(da), np.median(db)
for u in (False, True):
    print("rbf cka", "unbiased" if u else "biased", AlignmentMetrics.cka(torch.tensor(a / sa), torch.tensor(b / sb), "rbf", 1.0, unbiased=u))
c = cca_core.get_cca_similarity(a.T, b.T, verbose=False)
print("cca", c["cca_coef1"])
# SVCCA: the same program on the principal directions of 80 % of the variance.
def top(x, share):
    u, s, v = np.linalg.svd(x, full_matrices=False)
    k = np.searchsorted(np.cumsum(s**2) / np.sum(s**2), share) + 1
    return (u * s)[:, :k]
ta, tb = top(ca, 0.8), top(cb, 0.8)
print("svcca", ta.shape[1], tb.shape[1], cca_core.get_cca_similarity(ta.T, tb.T, verbose=False)["cca_coef1"])
# PWCCA from the equations: svcca's pwcca.py leaves out the whitening of its directions.
qa, _ = np.linalg.qr(ca)
qb, _ = np.linalg.qr(cb)
u, rho, vt = np.linalg.svd(qa.T @ qb)
for x, h in ((ca, qa @ u), (cb, qb @ vt.T[:, :len(rho)])):
    alpha = np.abs(h[:, :len(rho)].T @ x).sum(1)
    print("pwcca", (alpha * rho).sum() / alpha.sum())
print("procrustes nuclear norm", 1 - orthogonal_procrustes_centered_and_normalized(a, b, "nd") ** 2 / 2, np.linalg.svd(ca.T @ cb)[1].sum() / np.linalg.norm(ca) / np.linalg.norm(cb))
pad = np.zeros((n, q)); pad[:, :p] = ca
r, s = scipy.optimize.linear_sum_assignment(ca.T @ cb, maximize=True)
print("permutation", (ca.T @ cb)[r, s].sum() / np.linalg.norm(ca) / np.linalg.norm(cb))
print("rsa correlation", representational_similarity_analysis(a, b, "nd"))
print("rsa euclidean", representational_similarity_analysis(a, b, "nd", inner="euclidean"))
ka = np.argsort(scipy.spatial.distance.squareform(da) + np.eye(n) * 1e9)[:, :10]
kb = np.argsort(scipy.spatial.distance.squareform(db) + np.eye(n) * 1e9)[:, :10]
print("mutual knn euclidean", np.mean([len(set(x) & set(y)) / 10 for x, y in zip(ka, kb)]))
ua, ub = (torch.tensor(x / np.linalg.norm(x, axis=1, keepdims=True)) for x in (a, b))
print("mutual knn, rows of length 1", AlignmentMetrics.mutual_knn(ua, ub, topk=10))
print("regression b from a, fitted", linear_reg(b, a, "nd"), "a from b", linear_reg(a, b, "nd"))
print("one-to-one", hard_correlation_match(a, b, "nd"), "best, both ways", soft_correlation_match(a, b, "nd"))
za, zb = ca / ca.std(0), cb / cb.std(0)
for lam in (0.3, 0.1, 0.01):
    w = Lasso(alpha=lam, fit_intercept=False, tol=1e-12, max_iter=100000).fit(za, zb[:, 0]).coef_
    print("lasso", lam, np.array2string(w, precision=9))
