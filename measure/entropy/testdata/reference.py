"""Figures of other programs for TestReference in entropy_test.go.

  pip install numpy==1.26.4 scipy==1.11.4 scikit-learn==1.4.2
  git clone https://github.com/ChenLiu-1996/DiffusionSpectralEntropy   (dc20ffd; run, not copied)
  PYTHONPATH=DiffusionSpectralEntropy python reference.py
"""
import numpy as np
from dse_dsmi.dse import adjacency_spectral_entropy, diffusion_spectral_entropy
from sklearn.cluster import SpectralClustering


def noise(n, d, x):
    out = np.empty((n, d), np.float32)
    for i in range(n):
        for j in range(d):
            x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
            out[i, j] = (x >> 8) / 2**24 - 0.5
    return out


x = noise(120, 4, 1)
x = x * np.float32(20) + np.float32(8) * (np.arange(120) % 3)[:, None].astype(np.float32)
x = x.astype(np.float64)
for sigma, t in ((10, 1), (10, 2), (3, 1), (30, 3)):
    print("dse", sigma, t, diffusion_spectral_entropy(x, gaussian_kernel_sigma=sigma, t=t))
for bins in (2, 3):
    print("cse", bins, diffusion_spectral_entropy(x, classic_shannon_entropy=True, num_bins_per_dim=bins))
print("ase", adjacency_spectral_entropy(x, gaussian_kernel_sigma=10))
# The walk of the text, alpha = 1/2: no program has it, so straight from its definition.
d = ((x[:, None] - x[None]) ** 2).sum(-1)
g = np.exp(-d / 200)
w = g.sum(1)
k = g / np.sqrt(w[:, None] * w[None])
lam = np.abs(np.linalg.eigvals(k / k.sum(1, keepdims=True)))
p = lam / lam.sum()
print("alpha 1/2", -(p * np.log2(p + 1e-300)).sum())
y = noise(150, 3, 5).astype(np.float64)
y[:, 0] += 1.2 * (np.arange(150) % 4)
lab = SpectralClustering(4, affinity="nearest_neighbors", n_neighbors=10, assign_labels="cluster_qr", random_state=0).fit_predict(y)
names = {}
print("clusters", "".join(str(names.setdefault(v, len(names))) for v in lab))
