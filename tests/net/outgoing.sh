#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two nodes that only reach out, behind routers that translate addresses: they execute, fetch, and
# submit over streams of their own, decide nothing, keep no copies, and come and go as others.
. "${top_srcdir:=.}/tests/cli/lib.sh"
. "$top_srcdir/tests/net/lib.sh"
cli_needs jq
net_make n1 n2 n3 n4 n5
net_behind n4
net_behind n5
everybody='n1 n2 n3 n4 n5'

out_join()
{
	try_serve "$1" join "$(node_address n1)" --token-file "$tap_tmp/token" --reach out \
		--slots 2 --tag "only-$1" || cli_die "$1 is ready"
}

# field WHO OF .JQ: of a member, in the eyes of one
field()
{
	ctl "$1" nodes --json | jq -r --arg of "$2" '.nodes[] | select(.name == $of) | '"$3"
}

is_state()
{
	[ "$(field "$1" "$2" .state)" = "$3" ]
}

all_know()
{
	for eye in $everybody; do
		knows "$eye" 5 || return 1
	done
}

# runs WHAT NODE FILE: submits it there, waits; $run
runs()
{
	run=$(ctl "$2" submit "$3" --wait 2>"$tap_tmp/err")
	tap_same "$1" 0 $?
	tap_diag <"$tap_tmp/err"
}

"$mpnode" start --state "$tap_tmp/alone" --reach out 2>"$tap_tmp/alone.err"
tap_same 'it cannot found a cluster' 2 $?
cluster n1 n2 n3
out_join n4
out_join n5
tap_same 'it has no address' - "$(node_address n4)"
tap_check 'all know all' until_true 20 all_know
tap_same 'all know why it has none' out "$(field n2 n4 .reach)"
tap_same 'and that there is none' null "$(field n2 n4 .address)"
by_streams()
{
	[ "$(field n2 n4 .path)" = tcp ]
}
tap_check 'streams are the path' until_true 20 by_streams
healthy()
{
	ctl "$1" health >/dev/null 2>&1
}
tap_check 'and nothing is wrong with that' until_true 20 healthy n2
tap_check 'for it, too' until_true 20 healthy n4
tap_same 'others have addresses' all "$(field n4 n2 .reach)"

head -c 3000000 /dev/urandom >"$tap_tmp/input"
cat >"$tap_tmp/p.yaml" <<'END'
meshpipe: 1
inputs: [input]
defaults: { cache: false }
modules:
  far: { requires: { tags: [only-n4] }, run: "echo far; cat input input >o", outputs: [o] }
  away: { needs: [far], requires: { tags: [only-n5] }, run: "cat o input >p", outputs: [p] }
  any: { needs: [away], run: "cat p >q", matrix: { i: [1, 2, 3, 4, 5, 6] }, outputs: [q] }
END
cat "$tap_tmp/input" "$tap_tmp/input" "$tap_tmp/input" >"$tap_tmp/wanted"
runs 'a run with modules that only they can execute' n2 "$tap_tmp/p.yaml"
tap_same 'one did' n4 "$(run_field n1 "$run" '.modules[] | select(.name == "far") | .node')"
tap_same 'the other did, with what the first had made' n5 \
	"$(run_field n1 "$run" '.modules[] | select(.name == "away") | .node')"
tap_same 'neither is an elector' n1,n2,n3 "$(run_field n1 "$run" '.electors | sort | join(",")')"
tap_same 'the log is there for others' far "$(ctl n3 logs "$run" far)"
ctl n5 outputs "$run" away --to "$tap_tmp/got" >/dev/null
tap_check 'what it made as well, from everywhere' cmp "$tap_tmp/wanted" "$tap_tmp/got/away/p"

runs 'a run that it submits' n4 "$tap_tmp/p.yaml"
tap_same 'without a say in it' n1,n2,n3 \
	"$(run_field n4 "$run" '.electors | sort | join(",")')"

# What it has made is elsewhere before anybody relies on it, and what it runs goes on when the
# streams break.
: >"$tap_tmp/begun"
cat >"$tap_tmp/slow.yaml" <<END
meshpipe: 1
copies: 1
defaults: { cache: false }
modules:
  slow: { requires: { tags: [only-n4] }, run: "echo >>$tap_tmp/begun; sleep 4; echo 1 >o", \
outputs: [o] }
  next: { needs: [slow], requires: { tags: [only-n5] }, run: "cat o" }
END
run=$(ctl n1 submit "$tap_tmp/slow.yaml") || cli_die submit
until_true 10 test -s "$tap_tmp/begun" || cli_die 'the module begins'
deaf n4
lasts 6
heal n4
ctl n1 wait "$run" 2>/dev/null
tap_same 'cut off for six seconds: the run succeeds' 0 $?
tap_same 'and the module ran once' 1 "$(grep -c '' "$tap_tmp/begun")"
tap_check 'nobody is gone' until_true 20 all_know

node_kill n5
tap_check 'one that is killed is dead for all' until_true 40 is_state n1 n5 dead
try_serve n5 start --slots 1 || cli_die 'n5 is ready'
tap_same 'that it only reaches out is kept' - "$(node_address n5)"
tap_check 'and it is back' until_true 20 all_know
"$mpnode" leave --state "$tap_tmp/n5" 2>"$tap_tmp/err"
tap_same 'it leaves' 0 $?
tap_check 'for all' until_true 10 is_state n3 n5 left
tap_same 'nobody else was ever called dead' '' \
	"$(grep -h ' is dead: ' "$tap_tmp"/n*.log | grep -v 'n5 is dead')"
tap_end
