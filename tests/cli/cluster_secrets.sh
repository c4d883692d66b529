#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Three nodes and a run that takes secrets. Their values are on no disk in clear, not while it runs,
# not in what it prints, and after its end not even sealed, however it ends; a leader that dies
# takes none with it.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq sqlite3
cluster alpha beta gamma
nodes='alpha beta gamma'
gate=$tap_tmp/gate
value='xyzzy-7391-p@ss "w"+rd'
part=xyzzy-7391
long='long-4410-secret-that-is-so-long-that-base64-cuts-it-into-lines-when-it-prints-it-out'
lines='first-5501 line
  second-5502 line
ab
last-5503 line'
unset TOKEN LONG PART LINES

# with COMMAND...: with all of them
with()
{
	TOKEN=$value LONG=$long PART=$part LINES=$lines "$@"
}

cat >"$tap_tmp/p.yaml" <<END
meshpipe: 1
name: secrets
secrets: [TOKEN, LONG, PART, LINES]
modules:
  waits:
    secrets: [TOKEN]
    retry: { attempts: 5, backoff: 100ms }
    run: |
      printf 'is %s\n' "\$TOKEN"
      [ -z "\${LONG-}" ] || exit 9
      while [ ! -e '$gate' ]; do sleep 0.1; done
  tells:
    needs: [waits]
    secrets: [LONG, TOKEN, PART, LINES]
    run: |
      set -x
      printf 'plain %s\n' "\$TOKEN"
      printf '%s' "\$TOKEN" | base64
      printf 'x%s' "\$TOKEN" | base64
      printf 'xy%s\n' "\$TOKEN" | base64
      printf '%s' "\$LONG" | base64
      jq -n --arg t "\$TOKEN" '{ \$t }'
      jq -rn --arg t "\$TOKEN" '\$t | @uri'
      printf '%s' "\$TOKEN" | head -c 9; sleep 0.3; printf '%s\n' "\$TOKEN" | tail -c +10
      echo "forms: \$PART \$(printf '%s' "\$TOKEN" | od -An -v -tx1 -w60 | tr -d ' ')"
      printf '%s' "\$TOKEN" | od -An -v -tx1 | tr a-f A-F
      printf '%s' "\$TOKEN" | base64 | tr -d = | tr +/ -_
      printf '{ "user": "me", "password": "%s" }' "\$LONG" | base64 -w0; echo
      printf '%s\n' "\$LINES" | sed 's/^ */: /'
      printf '%s' "\$LINES" | od -An -v -tx1
      jq -nc --arg l "\$LINES" '{ \$l }'
      echo "> \$PART\${TOKEN#\$PART}"
      echo "error \$TOKEN" >&2
      echo "value \$TOKEN" >"\$MP_OUTPUT"
  sees:
    needs: [tells]
    run: |
      [ -z "\${TOKEN-}" ]
      cat "\$MP_DEPS/tells/.value"
      echo seen >seen.txt
    outputs: [seen.txt]
END

# On any disk of any node?
on_disk()
{
	for node in $nodes; do
		grep -raFq -e "$1" "$tap_tmp/$node" "$tap_tmp/$node.log" && return 0
	done
	return 1
}
sealed_on()
{
	for node in $nodes; do
		! grep -raFq mp-sealed "$tap_tmp/$node" || echo "$node"
	done
}
# A majority is enough for a module to begin.
sealed_on_all()
{
	[ "$(sealed_on | xargs)" = 'alpha beta gamma' ]
}
sealed_nowhere()
{
	[ -z "$(sealed_on)" ]
}
# Never as base64 either: with what stands before it as in the module, so far as it alone decides.
clean()
{
	for text in "$value" xyzzy-7391 long-4410 p%40ss 'ss \"w' 78797a7a79 \
		first-5501 second-5502 last-5503 \
		'78 79 7a 7a' '78 79 7A 7A' 66697273742d3535 '66 69 72 73' \
		"$(printf '%s' "$value" | base64 | cut -c1-28)" \
		"$(printf '%s' "$long" | base64 -w0 | cut -c1-60)"; do
		if on_disk "$text"; then
			tap_diag "found: $text"
			return 1
		fi
	done
}

# ---- what is asked for ----

ctl beta submit "$tap_tmp/p.yaml" 2>"$tap_tmp/missing"
tap_same 'without values nothing is submitted' 2 $?
tap_check 'and all that lack are named' \
	grep -q ': LINES, LONG, PART, TOKEN; nothing was sent' "$tap_tmp/missing"
tap_same 'nothing was' 0 "$(ctl beta runs --json | jq '.runs | length')"
TOKEN= LONG=$long PART=$part LINES=$lines ctl beta submit --quiet "$tap_tmp/p.yaml" \
	>"$tap_tmp/empty"
tap_same 'one that is set to nothing will do' 0 $?
ctl beta cancel "$(cat "$tap_tmp/empty")"
ctl beta wait "$(cat "$tap_tmp/empty")" 2>/dev/null

# ---- while it runs ----

run=$(with ctl beta submit --json "$tap_tmp/p.yaml" | tee "$tap_tmp/submitted" | jq -r .run)
[ -n "$run" ] || cli_die 'it is submitted'
running()
{
	[ "$(run_field alpha "$run" '.modules[0].state')" = running ]
}
until_true 30 running || cli_die 'its first module runs'
printed()
{
	ctl beta logs "$run" waits 2>/dev/null | grep -q '\*\*\*'
}
tap_check 'what it prints is masked while it runs' until_true 20 printed
tap_check 'the values are on no disk' clean
tap_check 'sealed they are on all three' until_true 10 sealed_on_all
first=$(run_leader beta "$run")
for at in $nodes; do
	[ "$at" = "$first" ] || break
done
timeout 60 "$mpctl" --state "$tap_tmp/$at" logs "$run" --follow >"$tap_tmp/live" 2>&1 &
follower=$!
cli_pids="$cli_pids $follower"

# ---- its leader dies ----

leader=$(run_leader beta "$run")
node_kill "$leader"
other=$(for node in $nodes; do [ "$node" = "$leader" ] || echo "$node"; done | head -n 1)
follows()
{
	new=$(run_leader "$other" "$run") && [ -n "$new" ] && [ "$new" != "$leader" ]
}
tap_check 'another one leads' until_true 30 follows
: >"$gate"
ctl "$other" wait "$run" 2>"$tap_tmp/wait"
tap_same 'and hands out what takes secrets' 0 $?
wait $follower
cli_forget $follower
node_start "$leader"

# ---- after the end ----

tap_check 'after the end not even what was sealed is left' until_true 20 sealed_nowhere
tap_check 'and the values are on no disk' clean
ctl "$other" logs "$run" >"$tap_tmp/logs" 2>&1
tap_check 'in JSON, too' grep -q '"t": "\*\*\*"' "$tap_tmp/logs"
tap_check 'split over writes, too' grep -q 'sees.*value \*\*\*' "$tap_tmp/logs"
tap_diag <"$tap_tmp/logs"
told='xyzzy|long-4410|(first|second|last)-550|eHl6enktNzM5MS|bG9uZy00NDEw|78 ?79 ?7[aA]|66 ?69 ?72'
for what in 'show --json' show logs 'logs --json' events 'events --json' outputs 'verify --json' \
	'verify --format slsa'; do
	# shellcheck disable=SC2086
	ctl "$other" $what "$run" >"$tap_tmp/said" 2>&1
	tap_check "mpctl $what says something" test -s "$tap_tmp/said"
	tap_check "mpctl $what tells nothing" not grep -qE "$told" "$tap_tmp/said"
done
tap_check 'nor did who followed' not grep -qE "$told" "$tap_tmp/live"
tap_check 'who saw it all' grep -q 'sees.*value \*\*\*' "$tap_tmp/live"
tap_check 'nor what mpctl submit said' not grep -qE "$told" "$tap_tmp/submitted"
tap_same 'a secret that begins another one is one' 1 \
	"$(grep -c '^tells | > \*\*\*$' "$tap_tmp/logs")"
tap_same 'of several lines each is masked, but for short ones' '*** *** ab ***' \
	"$(sed -n 's/^tells | : //p' "$tap_tmp/logs" | xargs)"
ctl "$other" compile "$tap_tmp/p.yaml" -o "$tap_tmp/p.cbor"
tap_check 'nor does what mpctl compile writes' not grep -qaE 'xyzzy|long-4410' "$tap_tmp/p.cbor"

# ---- other ends ----

# The first module of $run runs again.
begin()
{
	rm -f "$gate"
	run=$(with ctl alpha submit "$tap_tmp/p.yaml") || cli_die 'it is submitted again'
	until_true 30 running || cli_die 'its first module runs again'
	until_true 10 sealed_on_all || cli_die 'they are sealed again'
}

begin
ctl gamma cancel "$run" 2>/dev/null
tap_check 'nothing is left of a run that was cancelled' until_true 20 sealed_nowhere
printf 'meshpipe: 1\nsecrets: [TOKEN]\nmodules:\n  a:\n    secrets: [TOKEN]\n    run: %s\n' \
	'echo "$TOKEN" >&2; exit 7' >"$tap_tmp/fails.yaml"
failed=$(with ctl beta submit "$tap_tmp/fails.yaml" --wait 2>"$tap_tmp/said")
tap_same 'one fails' 1 $?
tap_check 'and says nothing' not grep -qE "$told" "$tap_tmp/said"
tap_check 'nor of one that failed' until_true 20 sealed_nowhere
tap_same 'whose last words are masked' 'a | ***' "$(ctl gamma logs "$failed" 2>&1)"

# Two of three are gone for good, as it seems; they come back when all is over.
begin
node_kill beta
node_kill gamma
stalls()
{
	run_state_is alpha "$run" stalled
}
until_true 30 stalls || cli_die 'it stalls'
tap_check 'while it stalls the values are on no disk' clean
ctl alpha takeover "$run" >/dev/null 2>"$tap_tmp/said"
tap_same 'it is taken over' 0 $?
tap_diag <"$tap_tmp/said"
: >"$gate"
ctl alpha wait "$run" 2>/dev/null
tap_same 'and has its secrets in the next generation' 0 $?
others_only()
{
	[ "$(sealed_on | xargs)" = 'beta gamma' ]
}
tap_check 'those that are down have theirs' until_true 20 others_only
node_start beta
node_start gamma
until_true 20 knows alpha 3
tap_check 'until they hear that it is over' until_true 30 sealed_nowhere
tap_check 'and the values are on no disk' clean

# ---- all that had them are lost ----

begin
for node in $nodes; do
	node_kill "$node"
	sqlite3 "$tap_tmp/$node/control.db" 'DELETE FROM secret' || cli_die "delete at $node"
done
: >"$gate"
for node in $nodes; do
	node_start "$node"
done
lacks()
{
	run_field beta "$run" '.modules[] | select(.state == "unplaceable") | .why' |
		grep -q "secrets are missing: .*mpctl secrets"
}
tap_check 'then it says what lacks, and what to do' until_true 40 lacks ||
	ctl beta show "$run" | tap_diag
ctl alpha secrets "$run" 2>"$tap_tmp/missing"
tap_same 'they are taken from the environment' 2 $?
with ctl alpha secrets "$run" || cli_die 'mpctl secrets'
ctl beta wait "$run" 2>"$tap_tmp/wait"
tap_same 'and it goes on' 0 $?
tap_check 'until nothing is left of them' until_true 20 sealed_nowhere
tap_check 'and the values are on no disk at all' clean

# ---- electors that go for ever ----

# They hear of no end.
node_join delta "$tap_tmp/token" --slots 0
nodes='alpha beta gamma delta'
until_true 20 knows alpha 4
rm -f "$gate"
for how in revoked left; do
	run=$(with ctl alpha submit "$tap_tmp/p.yaml") || cli_die 'it is submitted once more'
	until_true 30 running || cli_die 'its first module runs once more'
	goer=$(run_field alpha "$run" '. as $r | first(.electors[] |
		select(. != "alpha" and . != $r.modules[0].node))')
	if [ $how = revoked ]; then
		ctl alpha revoke "$goer" >/dev/null 2>&1
		wait "$(node_pid "$goer")"
		cli_forget "$(node_pid "$goer")"
	else
		timeout 50 "$mpnode" leave --state "$tap_tmp/$goer" >/dev/null 2>&1
	fi
	tap_same "$how, $goer keeps none" '' "$(sealed_on | grep -x "$goer")"
	tap_check 'others do' test -n "$(sealed_on)"
	ctl alpha cancel "$run" 2>/dev/null
	until_true 20 sealed_nowhere || cli_die 'the run is cancelled'
	nodes=$(for node in $nodes; do [ "$node" = "$goer" ] || echo "$node"; done | xargs)
done
tap_end
