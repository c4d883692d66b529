#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Three nodes and a run that takes secrets. Their values are on no disk in clear, not while it runs,
# not in what it prints, and after its end not even sealed; a leader that dies takes none with it.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta gamma
nodes='alpha beta gamma'
gate=$tap_tmp/gate
value='xyzzy-7391-p@ss "w"+rd'
long='long-4410-secret-that-is-so-long-that-base64-cuts-it-into-lines-when-it-prints-it-out'
unset TOKEN LONG

cat >"$tap_tmp/p.yaml" <<END
meshpipe: 1
name: secrets
secrets: [TOKEN, LONG]
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
    secrets: [LONG, TOKEN]
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
      echo "value \$TOKEN" >"\$MP_OUTPUT"
  sees:
    needs: [tells]
    run: |
      [ -z "\${TOKEN-}" ]
      cat "\$MP_DEPS/tells/.value"
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
sealed_nowhere()
{
	[ -z "$(sealed_on)" ]
}
# Never as base64 either: with what stands before it as in the module, so far as it alone decides.
clean()
{
	for text in "$value" xyzzy-7391 long-4410 p%40ss 'ss \"w' \
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
tap_check 'and all that lack are named' grep -q ': LONG, TOKEN; nothing was sent' "$tap_tmp/missing"
tap_same 'nothing was' 0 "$(ctl beta runs --json | jq '.runs | length')"
TOKEN= LONG=$long ctl beta submit --quiet "$tap_tmp/p.yaml" >"$tap_tmp/empty"
tap_same 'one that is set to nothing will do' 0 $?
ctl beta cancel "$(cat "$tap_tmp/empty")"
ctl beta wait "$(cat "$tap_tmp/empty")" 2>/dev/null

# ---- while it runs ----

run=$(TOKEN=$value LONG=$long ctl beta submit "$tap_tmp/p.yaml") || cli_die 'it is submitted'
running()
{
	[ "$(run_field beta "$run" '.modules[0].state')" = running ]
}
until_true 30 running || cli_die 'its first module runs'
printed()
{
	ctl beta logs "$run" waits 2>/dev/null | grep -q '\*\*\*'
}
tap_check 'what it prints is masked while it runs' until_true 20 printed
tap_check 'the values are on no disk' clean
tap_same 'sealed they are on all three' 'alpha beta gamma' "$(sealed_on | xargs)"

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
node_start "$leader"

# ---- after the end ----

tap_check 'after the end not even what was sealed is left' until_true 20 sealed_nowhere
tap_check 'and the values are on no disk' clean
ctl "$other" logs "$run" >"$tap_tmp/logs" 2>&1
tap_check 'in JSON, too' grep -q '"t": "\*\*\*"' "$tap_tmp/logs"
tap_check 'split over writes, too' grep -q 'sees.*value \*\*\*' "$tap_tmp/logs"
tap_diag <"$tap_tmp/logs"
for what in 'show --json' show logs outputs; do
	# shellcheck disable=SC2086
	ctl "$other" $what "$run" >"$tap_tmp/said" 2>&1
	tap_check "mpctl $what tells nothing" \
		not grep -qE 'xyzzy|long-4410|7391|eHl6enktNzM5MS|bG9uZy00NDEw' "$tap_tmp/said"
done
ctl "$other" compile "$tap_tmp/p.yaml" -o "$tap_tmp/p.cbor"
tap_check 'nor does what mpctl compile writes' not grep -qaE 'xyzzy|long-4410' "$tap_tmp/p.cbor"

# ---- all that had them are lost ----

command -v sqlite3 >/dev/null || {
	tap_skip 'secrets that lack are asked for' 'sqlite3 is not installed'
	tap_end
}
rm -f "$gate"
run=$(TOKEN=$value LONG=$long ctl beta submit "$tap_tmp/p.yaml") || cli_die 'it is submitted again'
until_true 30 running || cli_die 'its first module runs again'
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
TOKEN=$value LONG=$long ctl alpha secrets "$run" || cli_die 'mpctl secrets'
ctl beta wait "$run" 2>"$tap_tmp/wait"
tap_same 'and it goes on' 0 $?
tap_check 'until nothing is left of them' until_true 20 sealed_nowhere
tap_check 'and the values are on no disk at all' clean
tap_end
