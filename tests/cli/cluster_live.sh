#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What running modules write is seen at once, from every node, wherever they run.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta gamma
cat >"$tap_tmp/p.yaml" <<EOF
meshpipe: 1
name: live
defaults: { cache: false }
modules:
  m:
    matrix: { i: [1, 2, 3, 4, 5, 6] }
    run: |
      echo begin-\$MP_MATRIX_I-on-\$MP_NODE
      echo complaint-\$MP_MATRIX_I >&2
      until test -e $tap_tmp/go; do sleep 0.05; done
      echo end-\$MP_MATRIX_I
EOF
run=$(ctl alpha submit "$tap_tmp/p.yaml") || cli_die 'submit'
for node in alpha beta gamma; do
	timeout 50 "$mpctl" --state "$tap_tmp/$node" logs "$run" --follow \
		>"$tap_tmp/$node.seen" 2>"$tap_tmp/$node.said" &
	cli_pids="$cli_pids $!"
done

# sees NODE WORD COUNT: so many of its lines have the word
sees()
{
	[ "$(grep -c "| $2-" "$tap_tmp/$1.seen")" = "$3" ]
}
for node in alpha beta gamma; do
	tap_check "$node sees all that runs write" until_true 20 sees $node begin 6
	tap_check "$node sees their standard error" until_true 20 sees $node complaint 6
done
tap_same 'they run on three nodes' 3 \
	"$(sed -n 's/.*begin-.-on-//p' "$tap_tmp/alpha.seen" | sort -u | wc -l)"
tap_check 'none of them has ended' sees alpha end 0
: >"$tap_tmp/go"
tap_check 'the run succeeds' ctl beta wait "$run"
for node in alpha beta gamma; do
	tap_check "$node sees the rest" until_true 20 sees $node end 6
	tap_check "$node sees nothing twice" sees $node begin 6
	tap_same "$node had nothing to complain of" '' "$(cat "$tap_tmp/$node.said")"
done
tap_end
