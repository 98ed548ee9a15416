#!/usr/bin/env bash
# Puts load on an installation and says whether it holds: exit code 0 when the thresholds are kept, else 1.
#
#   BASE_URL=http://127.0.0.1:8000 VUS=10 DURATION=30s KEY=... MODEL=<id of a ready version> INPUT='{"x": [[1, 2, 3, 4]]}' deploy/load/load.sh
#
# VUS clients ask one after the other for DURATION. With a MODEL they ask it for predictions, without one they read /health.
# Thresholds: P95_MS (1000) and FAILURES_PERCENT (10). Needs bash, curl and awk.
set -euo pipefail

base_url=${BASE_URL:-http://127.0.0.1:8000}
clients=${VUS:-10}
duration=${DURATION:-30s}
key=${KEY:-}
model=${MODEL:-}
input=${INPUT:-}
p95_ms=${P95_MS:-1000}
failures_percent=${FAILURES_PERCENT:-10}

case $duration in
    *m) seconds=$((${duration%m} * 60)) ;;
    *s) seconds=${duration%s} ;;
    *) seconds=$duration ;;
esac

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

if [[ -n $model ]]; then
    [[ -n $input ]] || { echo "INPUT is missing: the model's inputs as a JSON object" >&2; exit 2; }
    printf '{"input_data": %s}' "$input" >"$folder/body.json"
    request=(-X POST -H 'content-type: application/json' --data-binary "@$folder/body.json" "$base_url/api/v1/models/$model/predict")
else
    request=("$base_url/health")
fi
# In a file of its own, so that no list of processes shows the key.
printf 'header = "authorization: Bearer %s"\n' "$key" >"$folder/key"
chmod 600 "$folder/key"

# One line for each request: status and seconds.
one_client() {
    local until=$((SECONDS + seconds))
    while ((SECONDS < until)); do
        curl -sS -o /dev/null -m 60 -K "$folder/key" -w '%{http_code} %{time_total}\n' "${request[@]}" 2>>"$folder/errors" || true
    done
}

for ((client = 0; client < clients; client++)); do
    one_client >"$folder/client-$client" &
done
wait

sort -k2 -g "$folder"/client-* | awk -v limit_ms="$p95_ms" -v limit_percent="$failures_percent" -v seconds="$seconds" '
    { times[NR] = $2 * 1000; if ($1 < 200 || $1 > 299) failures++ }
    function at(share,  place) { place = int(NR * share + 0.999999); return times[place < 1 ? 1 : place] }
    END {
        if (NR == 0) { print "no request was answered"; exit 1 }
        percent = 100 * failures / NR
        printf "requests %d (%.1f/s)\nfailures %.2f %%\np50 %.1f ms\np95 %.1f ms\nmax %.1f ms\n", NR, NR / seconds, percent, at(0.5), at(0.95), times[NR]
        is_kept = at(0.95) < limit_ms && percent < limit_percent
        print is_kept ? "thresholds kept" : "thresholds broken: p95 < " limit_ms " ms, failures < " limit_percent " %"
        exit !is_kept
    }'
