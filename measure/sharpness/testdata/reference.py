"""Figures of other programs for TestReference in sharpness_test.go.

  pip install numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0 scikit-dimension==0.5.0
  python reference.py

The paper's own program (mazurowski-lab/intrinsic-properties) is no reference for K_F: see the package's documentation.
"""
import numpy as np
import statsmodels.api as sm
from scipy.spatial.distance import cdist
from scipy.stats import linregress, spearmanr
from skdim.id import MLE, TwoNN


def noise(n, d, x):
    out = np.empty((n, d), np.float32)
    for i in range(n):
        for j in range(d):
            x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
            out[i, j] = (x >> 8) / 2**24 - 0.5
    return out


x = noise(400, 5, 1).astype(np.float64)
label = np.arange(400) % 3
inverse = 1 / cdist(x, x)[label[:, None] != label[None]]
print("K_F", inverse.max())
# Levina and Bickel's estimate at k = 20, combined by MacKay and Ghahramani's mean of inverses ("mle").
print("d_data", MLE(K=20).fit(x, n_neighbors=20, comb="mle").dimension_, "TwoNN", TwoNN(method="mle", discard_fraction=0.1).fit(x).dimension_)

u = noise(16, 4, 5).astype(np.float64) + 0.5  # 16 runs
n, k, dim, loss = np.floor(500 + 1500 * u[:, 0]), 0.1 + u[:, 1], 5 + 10 * u[:, 2], 0.05 + u[:, 3]
loss *= k
fit = sm.OLS(np.log(loss), sm.add_constant(np.stack([np.log(k), -np.log(n) / dim], 1))).fit()
print("law", fit.params, fit.bse, fit.rsquared)
print("ranks", spearmanr(k, loss).statistic, spearmanr(dim, loss).statistic)
print("rate", linregress(np.log(n), np.log(loss)).slope)
