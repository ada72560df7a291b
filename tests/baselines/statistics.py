"""Answers of scipy for tests/analysis/statistics_test.cpp: python statistics.py > statistics.json"""
import json

import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(0)
a = np.round(rng.normal(0.3, 1, 12), 6)
b = np.round(rng.normal(0, 2, 9), 6)
small = np.round(rng.normal(0.002, 0.006, 14), 6)
ties = [3.0, 1.0, 3.0, 2.0, 5.0, 1.0, 4.0, 3.0]
other = [2.0, 0.5, 1.0, 2.0, 4.0, 1.5, 4.0, 3.5]
p_values = [.001, .008, .039, .041, .042, .06, .074, .205]
uniform = np.round(rng.uniform(size=25), 6)

welch = stats.ttest_ind(a, b, equal_var=False)
interval = welch.confidence_interval(.9)
margin = .005
lower = stats.ttest_1samp(small, -margin, alternative="greater").pvalue
upper = stats.ttest_1samp(small, margin, alternative="less").pvalue
mean_interval = stats.ttest_1samp(a, 0).confidence_interval(.95)
flips = np.array([[1 - 2 * (s >> i & 1) for i in range(9)] for s in range(512)]) @ (a[:9] - b)
print(json.dumps(dict(
    made_with=dict(numpy=np.__version__, scipy=scipy.__version__),
    a=a.tolist(), b=b.tolist(), small=small.tolist(), ties=ties, other=other, p_values=p_values,
    uniform=uniform.tolist(), margin=margin,
    welch=dict(t=welch.statistic, degrees=welch.df, p=welch.pvalue, lower90=interval.low, upper90=interval.high),
    t_interval=dict(lower=mean_interval.low, upper=mean_interval.high),
    equivalence=max(lower, upper),
    sign_flip=float(np.mean(np.abs(flips) >= abs(flips[0]) - 1e-9)),
    benjamini_hochberg=stats.false_discovery_control(p_values, method="bh").tolist(),
    benjamini_yekutieli=stats.false_discovery_control(p_values, method="by").tolist(),
    ranks=stats.rankdata(ties).tolist(),
    spearman=stats.spearmanr(ties, other).statistic, pearson=stats.pearsonr(ties, other).statistic,
    uniform_exact=stats.kstest(uniform, "uniform").pvalue,
    binomial_tail=stats.binom.sf(5, 40, .05)), indent=1))
