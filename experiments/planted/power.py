#!/usr/bin/env python3
"""How often planted differences are found, one row for each kind of difference over its seeds.

    ./modeldiff run experiments/planted/ladder_contrast.yaml --sweep seed=0..4 --out results/ladder
    experiments/planted/power.py results/ladder

`found`: the permutation p-value of A without B is at most .05, with a 95 % interval (Wilson). `first`: the claim told
first changes the pixels of the mark and no others (overlap .8); `its class`: and moves the class that was marked. `false`:
the same p-value and verification between A and other runs of A.

A second table has what simpler means would find on the same runs (evaluation `rivals`): whether features of A and B differ
at all, whether accuracies on the mark do (told where it is), and the precision of three rankings of training examples.

With --curves FILE (.svg or .png; needs matplotlib) the shares of draws in which a difference is found, and its mark told
first, are drawn against the number of marked images, the contrast, and how often B does not see the mark.
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


def draw_curves(groups, file):
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "power", "svg.fonttype": "none"})  # the same bytes for the same results
    from matplotlib import pyplot

    def series(value_of):
        """{label: sorted [(value, results)]}, of the marks for which value_of(key) gives (label, value)."""
        out = {}
        for key, group in groups.items():
            if (found := value_of(*key)) is not None:
                out.setdefault(found[0], []).append((found[1], group))
        return {label: sorted(points, key=lambda point: point[0]) for label, points in out.items() if len(points) > 1}

    hidden_from = "hidden from B"
    panels = [
        ("marked images", series(lambda data, place, label, share, contrast, hidden: (
            f"{data}, contrast {contrast}", int(share)) if hidden == hidden_from and label in ("3", "7") and
            place in ("corners", "4x4 at (1, 1)") and "%" not in share else None)),
        ("contrast", series(lambda data, place, label, share, contrast, hidden: (
            f"{data}, {share} marked, {place}", float(contrast)) if hidden == hidden_from and label in ("3", "7") else None)),
        ("share of B's images without the mark", series(lambda data, place, label, share, contrast, hidden: (
            f"{data}, {share} marked", 1.0 if hidden == hidden_from else float(hidden.split()[2]) / 100)
            if data == "digits" and place == "corners" and label == "3" and contrast == "1" and share == "32" else None)),
    ]
    measures = [("p at most .05", lambda result: result["compare"]["p_value"] <= 0.05),
                ("mark told first", lambda result: result["evaluate"]["planted"]["leads"])]
    figure, axes = pyplot.subplots(len(measures), len(panels), figsize=(13, 7), sharey=True, squeeze=False)
    for line, (what, holds) in enumerate(measures):
        row = axes[line]
        for axis, (name, lines) in zip(row, panels):
            for i, (label, points) in enumerate(sorted(lines.items())):
                shares = [(value, sum(map(holds, group)) / len(group), wilson(sum(map(holds, group)), len(group)))
                          for value, group in points]
                spread = 1 + 0.02 * (i - len(lines) / 2)  # so that intervals do not hide each other
                axis.errorbar([value * spread for value, _, _ in shares], [share for _, share, _ in shares],
                              yerr=[[share - low for _, share, (low, _) in shares],
                                    [high - share for _, share, (_, high) in shares]],
                              marker="o", markersize=4, capsize=2, linewidth=1.2, elinewidth=0.7, label=label)
            axis.set_xlabel(name)
            axis.set_ylim(-0.03, 1.03)
            axis.grid(alpha=0.3)
            if line == 0:
                axis.legend(fontsize=7)
        row[0].set_ylabel(f"draws with {what}")
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None} if str(file).endswith(".svg") else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="where the results are")
    parser.add_argument("--curves", type=Path, metavar="FILE", help="where to draw the curves")
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
    if arguments.curves:
        draw_curves(groups, arguments.curves)


if __name__ == "__main__":
    main()
