"""Writes lasso.json: LASSO solutions of scikit-learn on small 0/1 designs, which tests/sdk/lasso_test.cpp checks.

Run with numpy and scikit-learn installed: python lasso.py
Each case holds the rows of the masks as text, measurements [m, N], lambda and the exact solution, solved to a duality
gap of 1e-14 |y|^2: theta in mask units and the intercept. The path case has the grid, the held-out errors and choices.
"""
import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.linear_model import Lasso


def masks(rng, m, n, keep, fixed):
    if not fixed:
        return (rng.random((m, n)) < keep).astype(float)
    X = np.zeros((m, n))
    for row in X:
        row[rng.choice(n, int(keep * n), replace=False)] = 1
    return X


def measurements(rng, X, N):
    W = rng.laplace(0, 1, (X.shape[1], N)) * (rng.random((X.shape[1], N)) < 0.3)
    return X @ W + rng.normal(0, 1, N) + rng.normal(0, 1, (len(X), N))


def solve(X, y, lam, standardise):
    """theta and intercept; Lasso minimises 1/(2m) |y - b - Xw|^2 + alpha |w|_1."""
    s = X.std(0) if standardise else np.ones(X.shape[1])
    Xs = (X - X.mean(0)) / s
    fit = Lasso(alpha=lam, tol=1e-14, max_iter=10_000_000).fit(Xs, y - y.mean())
    theta = fit.coef_ / s
    return theta, y.mean() - X.mean(0) @ theta


def rows(X):
    return ["".join("01"[int(v)] for v in row) for row in X]


def fixed_case(rng, name, m, n, N, keep, share, fixed, standardise):
    X = masks(rng, m, n, keep, fixed)
    Y = measurements(rng, X, N)
    s = X.std(0) if standardise else np.ones(n)
    top = np.abs(((X - X.mean(0)) / s).T @ (Y - Y.mean(0))).max(0) / m
    lam = share * top
    fits = [solve(X, Y[:, q], lam[q], standardise) for q in range(N)]
    return dict(name=name, standardise=standardise, masks=rows(X), measurements=Y.tolist(), lambdas=lam.tolist(),
                lambda_max=top.tolist(), weights=[f[0].tolist() for f in fits], intercepts=[f[1] for f in fits])


def path_case(rng, m, n, N, K, ratio):
    X = masks(rng, m, n, 0.5, False)
    Y = measurements(rng, X, N)
    heldout = sorted(int(i) for i in rng.choice(m, m // 5, replace=False))
    rest = [i for i in range(m) if i not in heldout]
    s = X[rest].std(0)
    top = np.abs(((X[rest] - X[rest].mean(0)) / s).T @ (Y[rest] - Y[rest].mean(0))).max(0) / len(rest)
    errors, chosen, weights, refit = [], [], [], []
    for q in range(N):
        lams = top[q] * np.geomspace(1, ratio, K)
        lams[0] *= 1 + 1e-12
        fits = [solve(X[rest], Y[rest, q], lam, True) for lam in lams]
        error = [float(np.mean((Y[heldout, q] - X[heldout] @ w - b) ** 2)) for w, b in fits]
        best = int(np.argmin(error))
        errors.append(error)
        chosen.append(best)
        weights.append(fits[best][0].tolist())
        refit.append(solve(X, Y[:, q], lams[best], True)[0].tolist())
    return dict(masks=rows(X), measurements=Y.tolist(), heldout=heldout, lambdas=K, ratio=ratio, errors=errors,
                chosen=chosen, weights=weights, refit=refit)


rng = np.random.default_rng(0)
out = dict(
    versions=dict(numpy=np.__version__, sklearn=sklearn.__version__),
    fixed=[
        fixed_case(rng, "Bernoulli masks, standardised", 80, 20, 3, 0.5, 0.2, False, True),
        fixed_case(rng, "Bernoulli masks at alpha .2, not standardised", 80, 20, 3, 0.2, 0.1, False, False),
        fixed_case(rng, "masks of a fixed size", 60, 15, 3, 0.4, 0.05, True, True),
        fixed_case(rng, "fewer runs than columns", 25, 40, 3, 0.5, 0.3, False, True),
    ],
    path=path_case(rng, 90, 25, 4, 12, 0.02))
Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=None, separators=(",", ":")) + "\n")
