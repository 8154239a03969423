"""Figures of other programs for TestReference in capacity_test.go.

  pip install numpy==1.26.4 scipy==1.11.4 cvxopt==1.3.2 pymanopt==0.2.5 autograd==1.6.2 torch==2.2.2 einops
  git clone https://github.com/schung039/neural_manifolds_replicaMFT   (d56eda1)
  git clone https://github.com/ThomasYerxa/mmcr                        (fafd3a9)
  PYTHONPATH=neural_manifolds_replicaMFT:mmcr/mmcr/cifar_stl python reference.py
"""
import numpy as np
import torch
from loss_mmcr import MMCR_Loss
from mftma.manifold_analysis_correlation import each_manifold_analysis_D1


def noise(n, d, x):
    out = np.empty((n, d), np.float32)
    for i in range(n):
        for j in range(d):
            x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
            out[i, j] = (x >> 8) / 2**24 - 0.5
    return out


points = 3 * noise(40, 6, 1).astype(np.float64)
points -= points.mean(0)
t = 5 * noise(80, 7, 2).astype(np.float64)
for margin in (0, 0.4):
    print("each_manifold", margin, each_manifold_analysis_D1(np.concatenate([points.T, np.ones((1, 40))]), margin, 80, t_vec=t.T))
x = noise(60, 8, 3)
loss, d = MMCR_Loss(0.1, 4)(torch.tensor(x).double())
print("mmcr", loss.item(), {k: float(v) for k, v in d.items()})
