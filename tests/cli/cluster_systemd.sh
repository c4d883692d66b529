#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What systemd sees of a node: the unit is one, and a node says when it is ready and when it stops.
. "${top_srcdir:=.}/tests/cli/lib.sh"

if command -v systemd-analyze >/dev/null; then
	mkdir "$tap_tmp/units"
	sed "s,@bindir@/mpnode,$mpnode,; s,^Documentation=.*,," \
		"$top_srcdir/contrib/meshpipe.service.in" >"$tap_tmp/units/meshpipe.service"
	systemd-analyze verify "$tap_tmp/units/meshpipe.service" >"$tap_tmp/verify" 2>&1
	tap_same 'the unit is one' 0 $?
	# The machine's own units are none of our business.
	tap_same 'nothing is wrong with it' '' "$(grep 'meshpipe\.service' "$tap_tmp/verify")"
else
	tap_skip 'the unit is one' 'systemd-analyze is not installed'
	tap_skip 'nothing is wrong with it' 'systemd-analyze is not installed'
fi

NOTIFY_SOCKET=$tap_tmp/notify
export NOTIFY_SOCKET
: >"$tap_tmp/told"
"$top_builddir/tests/cli/poke" notify "$NOTIFY_SOCKET" >"$tap_tmp/told" &
cli_pids=$!
until_true 10 test -S "$NOTIFY_SOCKET" || cli_die 'somebody listens'
told()
{
	grep -q "^$1\$" "$tap_tmp/told"
}

node_start alpha
tap_check 'a node that is ready says so' until_true 10 told READY=1
cat >"$tap_tmp/env.yaml" <<'END'
meshpipe: 1
modules: { env: { run: env } }
END
run=$(ctl alpha submit "$tap_tmp/env.yaml" --wait 2>/dev/null)
ctl alpha logs "$run" >"$tap_tmp/env"
tap_check 'a module has an environment' grep -q MP_MODULE=env "$tap_tmp/env"
tap_check 'and cannot talk to systemd' not grep -q NOTIFY_SOCKET "$tap_tmp/env"
ctl alpha invite >"$tap_tmp/token" || cli_die 'mpctl invite'
tap_check 'it has not said that it stops' not told STOPPING=1
address=$(node_address alpha)
node_stop alpha
tap_same 'it stops' 0 $?
tap_check 'and says so' until_true 10 told STOPPING=1

# A unit starts until the node is a member.
: >"$tap_tmp/told"
"$mpnode" join "$address" --token-file "$tap_tmp/token" --state "$tap_tmp/beta" --name beta \
	--listen 127.0.0.1:0 >"$tap_tmp/beta.ready" 2>"$tap_tmp/beta.log" &
printf '%s\n' $! >"$tap_tmp/beta.pid"
cli_pids="$cli_pids $!"
until_true 20 grep -q refused "$tap_tmp/beta.log" || cli_die 'nobody is there'
tap_check 'a node that is no member yet is not ready' not told READY=1
node_start alpha
tap_check 'one that has joined is' until_true 30 grep -q '^ready beta' "$tap_tmp/beta.ready"
tap_same 'both say so' 2 "$(grep -c READY=1 "$tap_tmp/told")"
tap_end
