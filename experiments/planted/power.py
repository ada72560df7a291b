#!/usr/bin/env python3
"""How often planted differences are found, one row for each kind of difference over its seeds.

    ./modeldiff run experiments/planted/ladder_contrast.yaml --sweep seed=0..4 --out results/ladder
    experiments/planted/power.py results/ladder

`found`: the permutation p-value of A without B is at most .05, with a 95 % interval (Wilson). `first`: the claim told
first changes the pixels of the mark and no others (overlap .8); `its class`: and moves the class that was marked. `false`:
the same p-value and verification between A and other runs of A.

A second table has what simpler means would find on the same runs (evaluation `rivals`): whether features of A and B differ
at all, whether accuracies on the mark do (told where it is), and the precision of three rankings of training examples.
"""

import argparse
import json
import math
import statistics
from pathlib import Path


def wilson(found, n, z=1.96):
    """95 % interval of a share (Wilson 1927)."""
    share, scale = found / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def condition(description):
    """What was planted, as (text, sort key)."""
    plant = description["dataset"]["plant"]
    mark = plant["mark"]
    place = mark["shape"] if mark["shape"] == "corners" else f"{mark['size']}x{mark['size']} at ({mark['row']}, {mark['column']})"
    share = plant.get("count") or f"{100 * plant['fraction']:g} %"
    erased = [part["probability"] for part in description["algorithms"]["B"].get("augment", []) if part["kind"] == "erase"]
    hidden = f"erased in {100 * erased[0]:g} % of B's images" if erased else "hidden from B"
    return (description["dataset"]["plugin"], place, str(plant["class"]), str(share), f"{plant['contrast']:g}", hidden)


def share_text(found, n):
    low, high = wilson(found, n)
    return f"{found} of {n} [{low:.2f}, {high:.2f}]"


def print_row(cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |")


def found_text(p_values):
    """How many of them, null where they cannot be had, are at most .05."""
    known = [p for p in p_values if p is not None]
    return f"{sum(p <= 0.05 for p in known)} of {len(known)}" if known else "–"


def print_rivals(groups):
    names = ["residual", "difference", "features"]
    print_row(["data", "mark", "class", "marked", "contrast", "B", "comparison", "features", "accuracies",
               *(f"precision, {name}" for name in names)])
    print_row(["---"] * 12)
    totals = []
    for key, group in sorted(groups.items()):
        rivals = [result["evaluate"]["rivals"] for result in group]
        found = [[result["compare"]["p_value"] for result in group], [rival["features"]["p_value"] for rival in rivals],
                 [(rival["accuracy"] or {}).get("p_value") for rival in rivals]]
        totals.append(found)
        print_row([*key, *map(found_text, found),
                   *(f"{statistics.median(rival[name]['precision'] for rival in rivals):.2f}" for name in names)])
    comparison, features, accuracies = (found_text([p for found in totals for p in found[i]]) for i in range(3))
    print(f"\nFound in all: by the comparison {comparison}, by features {features}, by accuracies {accuracies}.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="where the results are")
    arguments = parser.parse_args()
    results = [json.loads(path.read_text()) for folder in arguments.folders for path in folder.rglob("result.json")]
    if not results:
        parser.error("there is no result.json in these folders")
    groups = {}
    for result in results:
        groups.setdefault(condition(result["description"]), []).append(result)
    print_row(["data", "mark", "class", "marked", "contrast", "B", "found", "precision", "AUROC in class", "first", "its class",
               "effect on A, points", "false p <= .05", "false discoveries"])
    print_row(["---"] * 14)
    for key, group in sorted(groups.items()):
        cards = [result["evaluate"]["planted"] for result in group]
        median = lambda name: statistics.median(card[name] for card in cards)
        effects = [100 * card["effect_of_mark"] for card in cards if card.get("effect_of_mark") is not None]
        n = len(group)
        print_row([*key, share_text(sum(r["compare"]["p_value"] <= 0.05 for r in group), n), f"{median('precision'):.2f}",
                   f"{median('auroc_within_class'):.2f}", f"{sum(card['leads'] for card in cards)} of {n}",
                   f"{sum(card['leads_with_class'] for card in cards)} of {n}",
                   f"{statistics.median(effects):.1f}" if effects else "–",
                   f"{sum(r['compare']['control']['p_value'] <= 0.05 for r in group)} of {n}",
                   f"{sum(r['verify']['control']['discoveries'] > 0 for r in group)} of {n}"])
    n = len(results)
    print(f"\n{n} draws of {len(groups)} planted differences. Between A and other runs of A: p <= .05 in "
          f"{share_text(sum(r['compare']['control']['p_value'] <= 0.05 for r in results), n)}, a discovery in "
          f"{share_text(sum(r['verify']['control']['discoveries'] > 0 for r in results), n)}.\n")
    if all(result["evaluate"].get("rivals") for result in results):
        print_rivals(groups)


if __name__ == "__main__":
    main()
