#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Three nodes run hello.yaml; any of them answers for the run.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

# The same by hand.
mkdir "$tap_tmp/byhand"
cp -R "$top_srcdir/contrib/examples/hello" "$tap_tmp/byhand/"
(
	cd "$tap_tmp/byhand" || exit 1
	LC_ALL=C
	export LC_ALL
	for script in fetch.sh validate.sh 'process.sh 5' publish.sh; do
		# shellcheck disable=SC2086
		sh hello/$script
	done
) >"$tap_tmp/byhand.log" 2>&1 || cli_die 'the example works by hand'

cluster alpha beta gamma
tap_same 'nodes --json has addresses and slots' 'alpha 2 available
beta 2 available
gamma 2 available' "$(ctl beta nodes --json |
	jq -r '.nodes[] | select(.address | startswith("127.0.0.1:")) |
		"\(.name) \(.slots) \(.status)"' | sort)"

run=$(ctl beta submit "$top_srcdir/contrib/examples/hello.yaml" -p top=5 --wait 2>"$tap_tmp/err")
tap_same 'submit --wait ends with 0' 0 $?
tap_diag <"$tap_tmp/err"
tap_check 'the run id stands alone on stdout' \
	sh -c "printf '%s\n' '$run' | grep -qxE '[0-9a-f]{32}'"

for node in alpha beta gamma; do
	tap_same "$node shows the run" \
		'hello succeeded fetch,process,publish,validate-environment' \
		"$(run_field $node "$run" \
			'"\(.name) \(.state) \([.modules[].name] | sort | join(","))"')"
	tap_same "$node lists the run" "$run hello succeeded" \
		"$(ctl $node runs --json | jq -r '.runs[] | "\(.run) \(.name) \(.state)"')"
	tap_same "$node has the log" "$(tail -n +1 "$tap_tmp/byhand/report.txt")" \
		"$(ctl $node logs "$run" publish)"
	ctl $node outputs "$run" --to "$tap_tmp/to-$node" >/dev/null
	tap_check "$node gives the outputs" \
		cmp "$tap_tmp/byhand/report.txt" "$tap_tmp/to-$node/publish/report.txt"
	tap_check "$node gives those of each module" \
		diff -r "$tap_tmp/byhand/corpus" "$tap_tmp/to-$node/fetch/corpus"
done
tap_same 'each module ran once, on a node, and says when' 4 \
	"$(run_field alpha "$run" '[.modules[] | select(.attempts == 1 and .lost == 0 and
		.exit == 0 and (.cached | not) and (.node | IN("alpha", "beta", "gamma")) and
		.queued_ms <= .started_ms and .started_ms <= .ended_ms)] | length')"
tap_same 'what is asked for that is not there' 'no such module: 2' \
	"$(ctl alpha logs "$run" nonsense >/dev/null 2>&1 && echo found ||
		echo "no such module: $?")"
tap_end
