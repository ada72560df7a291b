#!/bin/bash
# documented_commands.sh MODELDIFF PROJECT
# Runs every command of README.md and of some pages of docs/ that begins with ./modeldiff or experiments/, as it stands there,
# in a folder that looks like a clone; README's example file is taken from README too. Of a range of seeds only two are run.
set -u
program=$1 project=$2
ln -sfn "$project/experiments" experiments
ln -sfn "$project/docs" docs
printf '#!/bin/sh\nexec %q "$@"\n' "$program" > modeldiff
chmod +x modeldiff

# The one YAML block of README is the file that its text calls mine.yaml.
awk '/^```yaml/ {inside = 1; next} /^```/ {inside = 0} inside' "$project/README.md" > mine.yaml
grep -q '^extends: experiments/quickstart.yaml' mine.yaml || { echo "FAILED: README's example file was not found" >&2; exit 1; }

count=0 failed=0
while IFS= read -r command; do
  expected=0
  # A pair without a difference misses the file's expectations, as README says.
  [[ $command == *input_mask=null* ]] && expected=6
  output=$(bash -c "$command" 2>&1)
  code=$?
  count=$((count + 1))
  if [ "$code" != "$expected" ]; then
    failed=$((failed + 1))
    printf 'FAILED with %s instead of %s: %s\n%s\n' "$code" "$expected" "$command" "$output" >&2
  fi
done < <({ for document in README.md docs/modeldiff.md docs/planted.md docs/deltagrad.md; do
             awk '/^```sh/ {inside = 1; next} /^```/ {inside = 0}
                  inside && /^(\.\/modeldiff|experiments\/)/' "$project/$document"
           done
           grep -ohE '`\./modeldiff [^`]*`' "$project/README.md" "$project/docs/modeldiff.md" | tr -d '`' | sort -u
         } | sed -E 's/=0\.\.[0-9]+/=0..1/')
[ "$count" -ge 12 ] || { echo "FAILED: only $count commands were found" >&2; exit 1; }
[ "$failed" = 0 ] || exit 1
echo "$count commands"
