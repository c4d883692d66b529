#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mpnode --run-as: modules run as another user, and try to get at what is not theirs: keys,
# databases, the control socket, and what other runs do.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq setpriv
[ "$(id -u)" -eq 0 ] || tap_skip_all 'SKIPPED, AND NOT PROVED HERE: --run-as needs root'
getent passwd nobody >/dev/null || tap_skip_all 'SKIPPED, AND NOT PROVED HERE: no user nobody'
nobody=$(id -u nobody)
chmod 711 "$tap_tmp"
setpriv --reuid "$nobody" --clear-groups --regid 65534 -- test -x "$tap_tmp" ||
	tap_skip_all "SKIPPED, AND NOT PROVED HERE: $tap_tmp is closed to others"
: >"$tap_tmp/probe"
chgrp 1297154047 "$tap_tmp/probe" 2>/dev/null ||
	tap_skip_all 'SKIPPED, AND NOT PROVED HERE: groups from 1297088512 on are not mapped'
chmod 700 "$tap_tmp"

"$mpnode" start --state "$tap_tmp/closed" --run-as nobody --listen 127.0.0.1:0 </dev/null \
	>/dev/null 2>"$tap_tmp/err"
tap_same 'a state directory in a closed one is refused' 1 $?
tap_check 'it says which one is closed' grep -q "cannot pass through $tap_tmp;" "$tap_tmp/err"
chmod 711 "$tap_tmp"
for who in root 'no such user'; do
	"$mpnode" start --state "$tap_tmp/bad" --run-as "$who" --listen 127.0.0.1:0 </dev/null \
		>/dev/null 2>"$tap_tmp/err"
	tap_same "nobody runs as $who" 2 $?
done
setpriv --reuid "$nobody" --clear-groups --regid 65534 -- "$mpnode" start --run-as nobody \
	--state /tmp/nobody.$$ --listen 127.0.0.1:0 </dev/null >/dev/null 2>"$tap_tmp/err"
tap_same 'it needs root' 2 $?
rm -rf /tmp/nobody.$$

cli_slots=4
node_start alpha --run-as nobody
state=$tap_tmp/alpha
tap_same 'others may pass through the state directory' 711 "$(stat -c %a "$state")"

# What a module is, and that it can work.
cat >"$tap_tmp/work.yaml" <<-'YAML'
	meshpipe: 1
	name: work
	inputs: ["src/**"]
	defaults: { cache: false }
	modules:
	  make:
	    run: |
	      id -u
	      id -G
	      grep NoNewPrivs /proc/self/status
	      grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status
	      echo more >>src/deep/in.txt
	      echo new >src/deep/new.txt
	      : >"$HOME/x"
	      : >"$TMPDIR/y"
	      mkdir out
	      cp src/deep/in.txt out/in.txt
	      printf 42 >"$MP_OUTPUT"
	    outputs: ["out/**"]
	  use:
	    needs: [make]
	    run: |
	      cat out/in.txt
	      cat "$MP_DEPS/make/out/in.txt" >/dev/null
	      [ "$(cat "$MP_DEPS/make/.value")" = 42 ]
	      echo again >>out/in.txt
YAML
mkdir -p "$tap_tmp/src/deep"
echo first >"$tap_tmp/src/deep/in.txt"
chmod 600 "$tap_tmp/src/deep/in.txt"
run=$(ctl alpha submit "$tap_tmp/work.yaml" --wait 2>"$tap_tmp/err")
tap_same 'modules work as that user' 0 $?
tap_diag <"$tap_tmp/err"
ctl alpha logs "$run" make >"$tap_tmp/made"
tap_diag <"$tap_tmp/made"
tap_same 'they are that user' "$nobody" "$(sed -n 1p "$tap_tmp/made")"
tap_check 'in one group, which is nobody else'"'"'s' \
	test "$(sed -n 2p "$tap_tmp/made")" -ge 1297088512
tap_check 'without a way to more' grep -q 'NoNewPrivs:.*1' "$tap_tmp/made"
tap_same 'without capabilities' 3 "$(grep -c 'Cap.*0000000000000000' "$tap_tmp/made")"
tap_same 'they see what came before' 'first
more' "$(ctl alpha logs "$run" use)"

# A victim of another run, which sleeps in its workspace with a secret beside it.
cat >"$tap_tmp/victim.yaml" <<-YAML
	meshpipe: 1
	name: victim
	defaults: { cache: false }
	env: { SECRET: "in the environment" }
	modules:
	  hide:
	    run: |
	      echo treasure >secret.txt
	      chmod 666 secret.txt
	      chmod 777 .
	      echo \$\$ >"$tap_tmp/drop/pid.new"
	      echo "\$PWD" >"$tap_tmp/drop/dir"
	      mv "$tap_tmp/drop/pid.new" "$tap_tmp/drop/pid"
	      sleep 60
YAML
mkdir -m 777 "$tap_tmp/drop"
victim=$(ctl alpha submit "$tap_tmp/victim.yaml")
tap_check 'a victim runs' until_true 20 test -s "$tap_tmp/drop/pid"
pid=$(cat "$tap_tmp/drop/pid")
dir=$(cat "$tap_tmp/drop/dir")
tap_same 'the test can see what it hides' treasure "$(cat "$dir/secret.txt")"
tap_same 'through /proc too' treasure "$(cat "/proc/$pid/cwd/secret.txt")"

# Each attempt prints a line when it gets what it wants. `cp` for what is only to be opened.
cat >"$tap_tmp/thief.yaml" <<-YAML
	meshpipe: 1
	name: thief
	defaults: { cache: false }
	modules:
	  steal:
	    run: |
	      got() { echo "GOT \$*"; }
	      for f in node.key authority.key credential control.db control.db-wal control.db-shm \\
	          cache.db cache.db-wal cache.db-shm port lock meshpipe; do
	        ! cat "$state/\$f" >/dev/null 2>&1 || got "\$f"
	        ! { echo >>"$state/\$f"; } 2>/dev/null || got "to write \$f"
	      done
	      ! ls "$state" >/dev/null 2>&1 || got a list of the state directory
	      ! ls "$state/work" >/dev/null 2>&1 || got a list of runs
	      ! ls "$dir/../.." >/dev/null 2>&1 || got a list of attempts
	      ! ls "$dir/.." >/dev/null 2>&1 || got a list of the attempt
	      ! ls "$dir" >/dev/null 2>&1 || got a list of the workspace
	      ! cat "$dir/secret.txt" 2>/dev/null || got the secret by its path
	      ! cat "/proc/$pid/cwd/secret.txt" 2>/dev/null || got the secret by its process
	      ! cat "/proc/$pid/root$dir/secret.txt" 2>/dev/null || got the secret by its root
	      ! cat "/proc/$pid/environ" 2>/dev/null || got its environment
	      ! readlink "/proc/$pid/fd/1" >/dev/null 2>&1 || got its descriptors
	      ! cat "/proc/$pid/mem" >/dev/null 2>&1 || got its memory
	      ! "$mpctl" --state "$state" nodes 2>/dev/null || got the control socket
	      ! { echo >../mine; } 2>/dev/null || got to write beside its own workspace
	      ! chmod 777 .. 2>/dev/null || got to open its own directory
	      ! ln -s /etc/passwd ../err 2>/dev/null || got to take the place of a log
	      ! chgrp 0 . 2>/dev/null || got another group
	      echo tried
YAML
run=$(ctl alpha submit "$tap_tmp/thief.yaml" --wait 2>"$tap_tmp/err")
tap_same 'a thief has tried' 0 $?
ctl alpha logs "$run" steal >"$tap_tmp/loot"
tap_diag <"$tap_tmp/loot"
tap_same 'and got nothing' tried "$(cat "$tap_tmp/loot")"

# The same program without --run-as gets most of it: the attempts above are not vain.
# Here it only looks: what it writes would be the end of this node.
ctl alpha cancel "$victim" >/dev/null 2>&1
node_stop alpha
node_start alpha
grep -v -e 'to write' -e 'chmod 777' -e 'ln -s' "$tap_tmp/thief.yaml" >"$tap_tmp/look.yaml"
victim2=$(ctl alpha submit "$tap_tmp/look.yaml" --wait 2>"$tap_tmp/err")
ctl alpha logs "$victim2" steal >"$tap_tmp/loot"
tap_check 'without --run-as it gets a lot' test "$(grep -c GOT "$tap_tmp/loot")" -gt 10
tap_same 'and nobody else passes through the state directory' 700 "$(stat -c %a "$state")"

# A hard link to what is not the user's, where the system lets it be made.
# With as few rights as a unit of systemd may leave to root, and a umask that keeps all to itself.
node_stop alpha
umask 077
chmod 777 "$tap_tmp/drop"
node_in()
{
	shift
	exec setpriv --inh-caps=-all \
		--bounding-set=-all,+setuid,+setgid,+chown,+dac_override,+fowner,+kill "$@"
}
node_start alpha --run-as nobody
node_in()
{
	shift
	exec "$@"
}
ctl alpha submit "$tap_tmp/work.yaml" --wait >/dev/null 2>"$tap_tmp/err"
tap_same 'few capabilities are enough for the node' 0 $?
tap_diag <"$tap_tmp/err"
cat >"$tap_tmp/link.yaml" <<-YAML
	meshpipe: 1
	name: link
	defaults: { cache: false }
	modules:
	  link:
	    run: |
	      ln "$tap_tmp/foreign" stolen 2>/dev/null || : >refused
	      [ -e stolen ] || echo nothing >stolen
	    outputs: [stolen]
YAML
echo root only >"$tap_tmp/foreign"
chmod 600 "$tap_tmp/foreign"
run=$(ctl alpha submit "$tap_tmp/link.yaml" --wait 2>"$tap_tmp/err")
ctl alpha outputs "$run" --to "$tap_tmp/linked" >/dev/null 2>&1
tap_check 'a hard link steals nothing' not grep -rq 'root only' "$tap_tmp/linked"

# What runs is killed as any other.
rm -f "$tap_tmp/drop/pid"
kill_me=$(ctl alpha submit "$tap_tmp/victim.yaml")
tap_check 'another one runs' until_true 20 test -s "$tap_tmp/drop/pid"
node_kill alpha
gone()
{
	! kill -0 "$(cat "$tap_tmp/drop/pid")" 2>/dev/null
}
tap_check 'it dies with its node' until_true 20 gone
: "$kill_me"
tap_end
