#!/usr/bin/env python3
"""A table of results over seeds, one row each, and whether the planted benchmark's pass criteria hold.

    ./modeldiff run experiments/planted/p1_mnist.yaml --sweep seed=0..4 --out results/p1
    experiments/planted/over_seeds.py results/p1 --effect 0.03

With --null the results are of pairs without a difference: their p-values, and those of A against other runs of A,
should be uniform (Kolmogorov-Smirnov), and little should be discovered.
"""

import argparse
import json
import math
import statistics
import sys
from pathlib import Path


def uniform_p_value(values):
    """Kolmogorov-Smirnov against the uniform distribution, with Stephens' correction for small n (JRSS B 32, 1970)."""
    values = sorted(values)
    n = len(values)
    distance = max(max((i + 1) / n - v, v - i / n) for i, v in enumerate(values))
    scaled = (math.sqrt(n) + 0.12 + 0.11 / math.sqrt(n)) * distance
    p = 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * scaled * scaled) for k in range(1, 101))
    return distance, min(1.0, max(0.0, p))


def interval(effect):
    return f"{100 * effect['estimate']:.1f} [{100 * effect['lower']:.1f}, {100 * effect['upper']:.1f}]"


def print_row(cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def print_table(results):
    print_row(["seed", "p", "p reverse", "p control", "precision", "AUROC", "AUROC in class", "overlap", "rank",
               "A's effect", "B's effect", "discoveries", "in control"])
    print_row(["---"] * 13)
    for result in results:
        compare, verify = result["compare"], result["verify"]
        planted = result.get("evaluate", {}).get("planted") or {}
        best = verify.get("best") or {}
        effect = planted.get("effect") or best.get("effect") or {}
        value = lambda name: "" if planted.get(name) is None else f"{planted[name]:.3g}"
        print_row([result["description"]["seed"], compare["p_value"], compare["p_value_reverse"],
                   (compare.get("control") or {}).get("p_value", ""), value("precision"), value("auroc"), value("auroc_within_class"),
                   value("overlap"), f"{value('rank') or '-'} of {value('tested')}",
                   *(interval(effect[side]) if side in effect else "" for side in ("A", "B")),
                   verify["discoveries"], (verify.get("control") or {}).get("discoveries", "")])


def passes(name, found, holds):
    print(f"{'ok  ' if holds else 'FAIL'} {name}: {found}")
    return holds


def judge_planted(results, arguments):
    cards = [result["evaluate"]["planted"] for result in results]
    median = lambda name: statistics.median(card[name] for card in cards)
    lowest = min(card["effect_of_mark_lower"] for card in cards)
    return all([
        passes("largest p <= .05", max(r["compare"]["p_value"] for r in results),
               all(r["compare"]["p_value"] <= 0.05 for r in results)),
        passes(f"median precision >= {arguments.precision}", round(median("precision"), 3),
               median("precision") >= arguments.precision),
        passes(f"median AUROC in class >= {arguments.auroc}", round(median("auroc_within_class"), 4),
               median("auroc_within_class") >= arguments.auroc),
        passes("median overlap of the pixels >= .8", round(median("overlap"), 3), median("overlap") >= 0.8),
        passes(f"median rank <= {arguments.rank}", median("rank"), median("rank") <= arguments.rank),
        passes(f"least lower bound of the effect > {arguments.effect}", round(lowest, 4), lowest > arguments.effect),
        passes("B's effect <= 1e-6", max(card["largest_effect_against"] for card in cards),
               all(card["largest_effect_against"] <= 1e-6 for card in cards)),
    ])


def judge_null(results):
    between = [result["compare"]["p_value"] for result in results]
    within = [result["compare"]["control"]["p_value"] for result in results]
    distance, p = uniform_p_value(between + within)
    rivals = [result.get("evaluate", {}).get("rivals") for result in results]
    features = [rival["features"]["p_value"] for rival in rivals if rival]
    if features:
        print("p <= .05 by features: {} of {}, p {:.3f}".format(sum(v <= 0.05 for v in features), len(features),
                                                               uniform_p_value(features)[1]))
    pairs = [verify["discoveries"] for verify in (result["verify"] for result in results)]
    pairs += [(result["verify"].get("control") or {}).get("discoveries", 0) for result in results]
    return all([
        passes(f"{len(between + within)} p-values uniform at .01", f"D {distance:.3f}, p {p:.3f}", p > 0.01),
        passes("pairs with a discovery", f"{sum(count > 0 for count in pairs)} of {len(pairs)}",
               sum(count > 0 for count in pairs) <= max(1, len(pairs) // 8)),
    ])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the results of all seeds are")
    parser.add_argument("--null", action="store_true", help="the pairs have no difference")
    parser.add_argument("--precision", type=float, default=0.85, help="least median")
    parser.add_argument("--auroc", type=float, default=0.98, help="least median, within the class")
    parser.add_argument("--rank", type=int, default=3, help="largest median, of the mark among the proposals")
    parser.add_argument("--effect", type=float, default=0.03, help="least lower bound of A's effect")
    arguments = parser.parse_args()
    results = [json.loads(path.read_text()) for path in arguments.folder.rglob("result.json")]
    if not results:
        parser.error(f"there is no result.json in {arguments.folder}")
    results.sort(key=lambda result: result["description"]["seed"])
    print_table(results)
    print()
    return 0 if (judge_null(results) if arguments.null else judge_planted(results, arguments)) else 1


if __name__ == "__main__":
    sys.exit(main())
