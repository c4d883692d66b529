#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What has run once on three nodes is not run again: not for the same bytes, whoever asks, with who
# made it gone too; but for other bytes, with `cache: false`, and when its bytes are lost.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta gamma

# Modules say in a journal outside the cluster that they run.
dir=$tap_tmp/p
mkdir -p "$dir/src"
seq 1 20000 >"$dir/src/a"
echo first >"$dir/src/b"
cat >"$dir/p.yaml" <<YAML
meshpipe: 1
name: again
env: { JOURNAL: "$tap_tmp/journal" }
inputs: ["src/*"]
modules:
  a:
    inputs: [src/a]
    run: |
      echo a >>"\$JOURNAL"
      echo "a ran on \$MP_NODE"
      tail -n 5000 src/a >a.txt
      printf %s value >"\$MP_OUTPUT"
    outputs: [a.txt]
  b:
    inputs: [src/b]
    run: |
      echo b >>"\$JOURNAL"
      echo "b ran on \$MP_NODE" >&2
      cp src/b b.txt
    outputs: [b.txt]
  sum:
    needs: [a, b]
    inputs: []
    run: |
      echo sum >>"\$JOURNAL"
      cat "\$MP_DEPS/a/.value" a.txt b.txt >sum.txt
    outputs: [sum.txt]
  always:
    cache: false
    inputs: []
    run: echo always >>"\$JOURNAL"
  after:
    needs: [always, sum]
    inputs: []
    run: |
      echo after >>"\$JOURNAL"
      tail -n 1 sum.txt
YAML

# submitted NODE FILE WANTED: a run succeeds, and these modules ran for it. Sets $run.
submitted()
{
	: >"$tap_tmp/journal"
	run=$(ctl "$1" submit "$2" --wait 2>"$tap_tmp/err")
	tap_same "$4: the run succeeds" 0 $?
	tap_diag <"$tap_tmp/err"
	tap_same "$4: what ran" "$3" "$(sort "$tap_tmp/journal" | tr '\n' ' ' | sed 's/ $//')"
}

# of MODULE JQ
of()
{
	run_field alpha "$run" ".modules[] | select(.name == \"$1\") | $2"
}

submitted alpha "$dir/p.yaml" 'a after always b sum' 'the first time'
tap_same 'and none is cached' 0 \
	"$(run_field alpha "$run" '[.modules[] | select(.cached)] | length')"
first=$run
maker=$(of a .node)
ctl alpha outputs "$first" --to "$tap_tmp/first" >/dev/null

submitted beta "$dir/p.yaml" always 'the same again'
tap_check 'the last line says how many were cached' \
	grep -q ': 5 of 5 modules succeeded, 4 cached$' "$tap_tmp/err"
tap_same 'show --json too' 4 "$(run_field alpha "$run" .cached)"
for node in alpha beta gamma; do
	tap_same "$node shows what is cached" 'a true 0 0 null succeeded
after true 0 0 null succeeded
always false 1 0 number succeeded
b true 0 0 null succeeded
sum true 0 0 null succeeded' "$(run_field $node "$run" '.modules[] |
		"\(.name) \(.cached) \(.attempts) \(.exit) \(.started_ms | type) \(.state)"' |
		sort)"
done
tap_same 'its node is who ran it' "$maker" "$(of a .node)"
ctl gamma show "$run" >"$tap_tmp/show"
tap_same 'as text too' 4 "$(grep -cE '^(a|b|sum|after) .* cached$' "$tap_tmp/show")"
tap_check 'with their number' grep -q '5 succeeded, 4 cached$' "$tap_tmp/show"
for node in gamma beta; do
	ctl $node outputs "$run" --to "$tap_tmp/to-$node" >/dev/null
	tap_check "$node gives the same outputs" diff -r "$tap_tmp/first" "$tap_tmp/to-$node"
	for module in a b after; do
		tap_same "and the same log of $module" "$(ctl alpha logs "$first" $module)" \
			"$(ctl $node logs "$run" $module)"
	done
done
tap_check 'which is not empty' test -n "$(ctl alpha logs "$run" a)"
tap_same 'runs have ids of their own' differ "$([ "$run" = "$first" ] || echo differ)"

echo second >"$dir/src/b"
submitted gamma "$dir/p.yaml" 'after always b sum' 'another input of b'
tap_same 'a was not looked at again' true "$(of a .cached)"
ctl beta outputs "$run" sum --to "$tap_tmp/second" >/dev/null
tap_same 'on the new bytes' second "$(tail -n 1 "$tap_tmp/second/sum/sum.txt")"
echo first >"$dir/src/b"
submitted gamma "$dir/p.yaml" always 'the old input of b'

seq 2 20000 >"$dir/src/a"
submitted alpha "$dir/p.yaml" 'a always' 'an input that makes no other output'
sed 's/name: again/name: other/; s/^  a:/  a: # the same/' "$dir/p.yaml" >"$dir/other.yaml"
submitted beta "$dir/other.yaml" always 'another pipeline with the same modules'
sed 's/tail -n 5000/tail -n 4999/' "$dir/p.yaml" >"$dir/command.yaml"
submitted beta "$dir/command.yaml" 'a after always sum' 'another command'

# Who made it is gone.
seq 1 20000 >"$dir/src/a"
node_kill "$maker"
others=
for node in alpha beta gamma; do
	[ $node = "$maker" ] || others="$others $node"
done
for node in $others; do
	submitted "$node" "$dir/p.yaml" always "without $maker, at $node"
	ctl "$node" outputs "$run" --to "$tap_tmp/without-$node" >/dev/null
	tap_check 'and all bytes are there' diff -r "$tap_tmp/first" "$tap_tmp/without-$node"
done
node_start "$maker"

# One copy, and that is lost; what is known of it is not.
cat >"$dir/one.yaml" <<YAML
meshpipe: 1
name: one
copies: 1
modules:
  one:
    run: |
      echo one >>"$tap_tmp/journal"
      echo bytes >one.txt
    outputs: [one.txt]
YAML
for node in alpha beta gamma; do
	until_true 20 knows $node 3 || cli_die "$node knows all members"
done
submitted alpha "$dir/one.yaml" one 'one copy'
maker=$(of one .node)
node_kill "$maker"
rm -f "$tap_tmp/$maker"/cache.db*
node_start "$maker"
for node in alpha beta gamma; do
	until_true 20 knows $node 3 || cli_die "$node knows all members"
done
submitted alpha "$dir/one.yaml" one 'its only copy is lost'
tap_same 'it is not cached' false "$(of one .cached)"
ctl beta outputs "$run" --to "$tap_tmp/one" >/dev/null
tap_same 'and its outputs are there' bytes "$(cat "$tap_tmp/one/one/one.txt")"
submitted alpha "$dir/one.yaml" '' 'and now it is there again'
tap_end
