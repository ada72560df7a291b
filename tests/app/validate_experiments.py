"""Asks a public validator whether the schema that editors get is one, accepts every experiment file, and refuses
what the program refuses.

Usage: validate_experiments.py MODELDIFF FILE...
"""

import copy
import json
import subprocess
import sys

try:
    import jsonschema
    import yaml
except ImportError as error:
    print(f"skipped: {error}; install python3-jsonschema and python3-yaml")
    sys.exit(77)

MISTAKES = {
    "an unknown key": lambda file: file.update(epochz=3),
    "a text for a number": lambda file: file.update(seed="many"),
    "a number below its range": lambda file: file["verify"].update(runs=1),
    "a key of no plugin": lambda file: file["algorithms"]["A"].update(learning_rate=0.1),
    "a list for a map": lambda file: file.update(algorithms=["A", "B"]),
    "no data set": lambda file: file.pop("dataset"),
}


def main(program, files):
    schema = json.loads(subprocess.run([program, "schema"], check=True, capture_output=True).stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    failures = 0
    for name in files:
        with open(name) as file:
            experiment = yaml.safe_load(file)
        for error in validator.iter_errors(experiment):
            failures += 1
            print(f"{name}: {'/'.join(map(str, error.path))}: {error.message[:300]}")
    with open(files[0]) as file:
        good = yaml.safe_load(file)
    for what, mistake in MISTAKES.items():
        bad = copy.deepcopy(good)
        mistake(bad)
        if validator.is_valid(bad):
            failures += 1
            print(f"{files[0]} with {what} is accepted")
    print(f"{len(files)} files, {len(MISTAKES)} mistakes, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
