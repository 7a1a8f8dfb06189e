# SPDX-License-Identifier: Apache-2.0
"""The results of a run as a table of Markdown, for docs/PERFORMANCE.md."""
import json


def show(path):
    with open(path) as file:
        results = json.load(file)
    environment = results["environment"]
    loads = [run["load_before"] for run in results["runs"] if "load_before" in run]
    print(f"Measured {environment['when'][:10]}: {environment['processor']}, {environment['cores']} cores, "
          f"{environment['memory_mib'] / 1024:.0f} GiB, Linux {environment['kernel']}; {results['rounds']} rounds; "
          f"load before the runs {min(loads):.1f} to {max(loads):.1f}.\n" if loads else "")
    print("| row | what | median | lowest to highest round | promised | | beside it |\n"
          "| --- | --- | ---: | ---: | ---: | --- | --- |")
    for judgement in results["judgements"]:
        if "median" in judgement:
            print("| " + " | ".join(cells(judgement)) + " |")


def cells(judgement):
    unit = "×" if judgement["unit"] == "x" else " " + judgement["unit"]
    promised = "told"
    if judgement["most"] is not None:
        promised = f"≤ {judgement['most']:,g}{unit}"
    elif judgement["least"] is not None:
        promised = f"≥ {judgement['least']:,g}{unit}"
    verdict = {True: "kept", False: "missed", None: ""}[judgement["kept"]]
    low, middle, high = (number(judgement[key]) for key in ("low", "median", "high"))
    return (judgement["row"], judgement["what"], middle + unit, f"{low} to {high}", promised, verdict,
            judgement["beside"])


def number(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
