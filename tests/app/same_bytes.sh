#!/bin/bash
# same_bytes.sh MODELDIFF EXPERIMENT MODE
# Whatever happens on the way, the artifacts of an experiment are the same bytes as those of an undisturbed run.
#   workers  1, 2 and 4 workers
#   kill     the whole process group killed at 20 random moments, then run to the end
#   faults   the program killed at every named fault point, then run to the end
#   two      two runs at once on one store
#   stop     Ctrl-C while it runs, then run to the end
set -u
modeldiff=$1 experiment=$2 mode=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 1

fail() { echo "FAILED: $*" >&2; exit 1; }
run() { "$modeldiff" run "$experiment" --store "$1" --out "out-$1" --workers "${2:-2}" > "$1.out" 2> "$1.err"; }
same() { diff -r reference/objects "$1/objects" > "$1.diff" || { head -5 "$1.diff" >&2; fail "artifacts of '$1' differ"; }; }

started=$(date +%s%3N)
run reference || { cat reference.err >&2; fail "the undisturbed run"; }
milliseconds=$(($(date +%s%3N) - started))
artifacts=$(find reference/objects -name manifest.json | wc -l)
[ "$artifacts" -gt 30 ] || fail "only $artifacts artifacts"

case $mode in
  workers)
    for workers in 1 4; do
      run "workers$workers" "$workers" || fail "$workers workers"
      same "workers$workers"
    done ;;
  kill)
    # Moments of the time that the undisturbed run took. A run that ends before its kill is begun anew.
    RANDOM=20
    interrupted=0 attempts=0
    while [ "$interrupted" -lt 20 ]; do
      attempts=$((attempts + 1))
      [ "$attempts" -le 100 ] || fail "only $interrupted of 100 kills met a running program"
      setsid "$modeldiff" run "$experiment" --store killed --out out-killed > killed.out 2> killed.err &
      pid=$!
      sleep "$(awk -v share="$((RANDOM % 100))" -v whole="$milliseconds" 'BEGIN {print share * whole / 1e5}')"
      if kill -KILL -- "-$pid" 2> kill.err; then
        interrupted=$((interrupted + 1))
      else
        rm -rf killed
      fi
      wait "$pid" 2> wait.err
    done
    run killed || { cat killed.err >&2; fail "the run after the kills"; }
    same killed
    echo "$interrupted kills in $attempts runs" ;;
  faults)
    for point in after_tmp mid_write before_manifest before_rename after_rename; do
      # Past the last point a cell is complete, so that its second attempt finds it and the run succeeds.
      if MODELDIFF_FAULT=$point run faulted && ! grep -q "signal 9" faulted.err; then
        fail "no process stopped at fault point '$point'"
      fi
      run faulted || { cat faulted.err >&2; fail "the run after fault point '$point'"; }
      same faulted
      rm -rf faulted
    done ;;
  two)
    run shared 2 & first=$!
    "$modeldiff" run "$experiment" --store shared --out out-other > other.out 2> other.err || { cat other.err >&2; fail "the second run"; }
    wait "$first" || { cat shared.err >&2; fail "the first run"; }
    same shared
    cmp out-shared/*/result.json out-other/*/result.json || fail "results differ" ;;
  stop)
    setsid "$modeldiff" run "$experiment" --store stopped --out out-stopped > stopped.out 2> stopped.err &
    pid=$!
    sleep "$(awk -v whole="$milliseconds" 'BEGIN {print whole / 3000}')"
    kill -INT -- "-$pid"
    wait "$pid"
    code=$?
    [ "$code" = 130 ] || fail "exit code $code instead of 130"
    grep -q "To go on: modeldiff run" stopped.err || { cat stopped.err >&2; fail "no word of how to go on"; }
    run stopped || fail "the run after Ctrl-C"
    same stopped ;;
  *) fail "no mode '$mode'" ;;
esac
echo "same bytes: $mode, $artifacts artifacts"
