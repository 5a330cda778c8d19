#!/usr/bin/env python3
"""Every openb trace, every policy, beside the published runs; prints docs/benchmarks.md's tables.

  bench/openb_table.py --binary build/release/bin/plimsoll --data ../shared/data
  bench/openb_table.py … --traces default --seeds 1000-1019 --policies fgd,plimsoll

A row a trace: GPU allocation in percent, mean over the seeds; beside it, for the policies that the
FGD paper (ATC'23) ran, the difference to its published mean over seeds 42-51.
"""
import argparse
import csv
import gzip
import json
import math
import os
import statistics
import subprocess
import sys

PUBLISHED = {"random": "01-Random", "dot_product": "02-DotProd", "clustering": "03-GpuClustering",
             "packing": "04-GpuPacking", "best_fit": "05-BestFit", "fgd": "06-FGD"}
TRACES = ["default", "cpu100", "cpu200", "gpushare40", "gpushare80", "gpuspec20", "multigpu20",
          "multigpu40"]


def published(data):
    """The runs' allocation at 130 % of the load, by (trace, policy)."""
    runs = {}
    path = os.path.join(data, "openb", "published", "analysis_allo_discrete.csv.gz")
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            trace = row["workload"].removeprefix("openb_pod_list_")
            runs.setdefault((trace, row["sc_policy"]), []).append(float(row["130"]))
    return runs


def simulate(options, trace, arrival):
    command = [options.binary, "simulate", "openb", "--data", options.data, "--variant", trace,
               "--policy", options.policies, "--seeds", options.seeds, "--arrival", str(arrival),
               "-o", "json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}")
    return {p["policy"]: p for p in json.loads(done.stdout)["policies"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default="build/release/bin/plimsoll")
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--traces", default=",".join(TRACES))
    parser.add_argument("--seeds", default="42-51")
    parser.add_argument("--policies", default="random,dot_product,clustering,packing,best_fit,fgd,"
                                              "plimsoll,vanilla")
    parser.add_argument("--arrival", type=float, default=1.3)
    options = parser.parse_args()
    names = options.policies.split(",")
    beside = published(options.data) if options.arrival == 1.3 else {}
    differences = []  # in points, and in standard errors of the two means' difference
    print("| trace | " + " | ".join(names) + " | largest placed, fgd / plimsoll |"
          " refused, fgd / plimsoll |")
    print("| --- |" + " --- |" * (len(names) + 2))
    for trace in options.traces.split(","):
        results = simulate(options, trace, options.arrival)
        cells = []
        for name in names:
            mean = results[name]["mean"]["gpu_allocation_percent"]
            cell = f"{mean:.2f}"
            reference = beside.get((trace, PUBLISHED.get(name)))
            if reference is not None:
                ours = [run["gpu_allocation_percent"] for run in results[name]["runs"]]
                difference = mean - statistics.mean(reference)
                error = math.sqrt(sum(statistics.variance(runs) / len(runs)
                                      for runs in (ours, reference) if len(runs) > 1))
                differences.append((abs(difference), abs(difference) / error if error else 0))
                cell += f" ({difference:+.2f})"
            cells.append(cell)

        def pair(metric):
            both = [results[n]["mean"][metric] for n in ("fgd", "plimsoll") if n in results]
            return " / ".join(f"{value:.1f}" for value in both)

        print(f"| {trace} | " + " | ".join(cells) + f" | {pair('largest_placed')} |"
              f" {pair('failed')} |", flush=True)
    if differences:
        within = sum(points <= 0.15 for points, _ in differences)
        print(f"\n{within} of {len(differences)} means are within 0.15 points of the published one;"
              f" the largest difference is {max(p for p, _ in differences):.2f} points, and none is"
              f" more than {max(z for _, z in differences):.1f} standard errors.")


if __name__ == "__main__":
    main()
