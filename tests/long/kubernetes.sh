#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The manifests of packaging/kubernetes are what Kubernetes' own schemas allow.
set -u
cd "$(dirname "$0")/../../packaging/kubernetes" || exit 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! { python3 -m venv "$work/venv" && "$work/venv/bin/pip" install -q kubernetes-validate; } >"$work/log" 2>&1; then
	echo "no kubernetes-validate: $(tail -n 1 "$work/log")"
	exit 77
fi
valid() { "$work/venv/bin/kubernetes-validate" --strict "$@" >"$work/log" 2>&1; }
status=0
for file in *.yaml; do
	valid "$file" || { echo "$file:"; cat "$work/log"; status=1; }
	# Would it be seen?
	sed 's/restartPolicy/restartPolicies/' "$file" >"$work/$file"
	! valid "$work/$file" || { echo "$file: a misspelt field is not seen"; status=1; }
done
[ -e "$file" ] || { echo "no manifests"; status=1; }
exit $status
