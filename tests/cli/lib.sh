# SPDX-License-Identifier: Apache-2.0
# Clusters of real daemons on loopback; source it instead of tests/tap.sh. Each node keeps its
# state in $tap_tmp/NAME; its log is $tap_tmp/NAME.log. At the end all are killed, by pid.
#
#   cluster NAME...                   starts the first, lets the others join, until all know all
#   node_start NAME [OPTION]...       founds a cluster, or serves again from its state directory
#   node_join NAME TOKEN [OPTION]...
#   node_kill NAME                    SIGKILL; node_stop NAME: SIGTERM, returns its exit status
#   node_log NAME                     what it said, for a test that failed
#   ctl NODE ARG...                   mpctl at a node, at most $cli_patience (50) seconds
#   run_field NODE RUN .JQ            of `show --json`; run_leader NODE RUN
#   until_true SECONDS COMMAND...     again and again until it succeeds; 1 when the time is over
#   lasts SECONDS [SINCE]             waits until so much time has passed since SINCE (now_ms), or
#                                     from now on: what a fault or a measurement takes, for time
#                                     is never waited for in place of a condition
#   leftovers NODE                    pids of commands of its attempts that still live
#   node_host NAME, node_in NAME COMMAND...   where a node listens, and what it is started in:
#                                     to be defined again by who has other networks
#
# MP_UNDER is a command that runs both programs (valgrind), MP_PATIENCE how many times slower
# everything may be then. With MP_REPORTS, a folder, the nodes are not killed at the end but
# stopped: what watches them reports when they end. One that does not is reported here.

. "${top_srcdir:=.}/tests/tap.sh"
: "${top_builddir:=$top_srcdir/build}"
top_srcdir=$(cd "$top_srcdir" && pwd)
top_builddir=$(cd "$top_builddir" && pwd)
mpnode=$top_builddir/mpnode
mpctl=$top_builddir/mpctl
unset MP_STATE MP_TOKEN NOTIFY_SOCKET MAKEFLAGS MFLAGS MAKELEVEL
# Versions of tools are asked for once, not by every node of every test.
export XDG_CACHE_HOME="$top_builddir/tests/kept"
# shellcheck disable=SC2034
cli_slots=2
cli_patience=50
cli_poll=0.05
cli_pids=

cli_kill_all()
{
	if [ -n "${MP_REPORTS-}" ] && ! until_true 20 cli_stopped; then
		ps -o pid,args -p "$(printf '%s' "${cli_pids# }" | tr ' ' ,)" \
			>"$MP_REPORTS/does-not-end.$$"
	fi
	for cli_pid in $cli_pids; do
		kill -9 "$cli_pid" 2>/dev/null
	done
	wait 2>/dev/null
}

cli_cleanup()
{
	cli_kill_all
	# An executor follows its node: its commands still write into the state directory.
	until_true 10 cli_remove
}

# Asks all nodes to stop, and those that were asked before to do it at once.
cli_stopped()
{
	cli_alive=0
	for cli_pid in $cli_pids; do
		! kill "$cli_pid" 2>/dev/null || cli_alive=1
	done
	return $cli_alive
}

cli_remove()
{
	rm -rf "$tap_tmp" 2>/dev/null
}
trap cli_cleanup EXIT

cli_needs()
{
	for cli_tool; do
		command -v "$cli_tool" >/dev/null || tap_skip_all "$cli_tool is not installed"
	done
}

until_true()
{
	cli_end=$(($(date +%s) + $1 * ${MP_PATIENCE:-1}))
	shift
	until "$@"; do
		[ "$(date +%s)" -lt "$cli_end" ] || return 1
		sleep "$cli_poll"
	done
}

now_ms()
{
	date +%s%3N
}

lasts()
{
	cli_left=$((${2:-$(now_ms)} + $1 * 1000 - $(now_ms)))
	[ $cli_left -le 0 ] || sleep "$(printf '%d.%03d' $((cli_left / 1000)) $((cli_left % 1000)))"
}

not()
{
	! "$@"
}

# Ends the test: without what failed here, nothing else makes sense.
cli_die()
{
	tap_not_ok "$1"
	for cli_log in "$tap_tmp"/*.log; do
		[ ! -s "$cli_log" ] || tail -n 30 "$cli_log" | sed "s,^,${cli_log##*/}: ," |
			tap_diag
	done
	tap_end
}

node_log()
{
	tail -n 30 "$tap_tmp/$1.log" | sed "s/^/$1: /" | tap_diag
}

node_pid()
{
	cat "$tap_tmp/$1.pid"
}

node_ready()
{
	grep -q '^ready ' "$tap_tmp/$1.ready" || ! kill -0 "$(node_pid "$1")" 2>/dev/null
}

node_host()
{
	echo 127.0.0.1
}

node_in()
{
	shift
	exec "$@"
}

# try_serve NAME COMMAND ARG...: fails when it never is ready
try_serve()
{
	cli_name=$1
	shift
	: >"$tap_tmp/$cli_name.ready"
	# shellcheck disable=SC2086
	node_in "$cli_name" ${MP_UNDER-} "$mpnode" "$@" --state "$tap_tmp/$cli_name" \
		--name "$cli_name" \
		</dev/null >"$tap_tmp/$cli_name.ready" 2>>"$tap_tmp/$cli_name.log" &
	printf '%s\n' $! >"$tap_tmp/$cli_name.pid"
	cli_pids="$cli_pids $!"
	until_true 30 node_ready "$cli_name"
	grep -q '^ready ' "$tap_tmp/$cli_name.ready"
}

cli_serve()
{
	try_serve "$@" || cli_die "$1 is ready after mpnode $2"
}

try_start()
{
	cli_node=$1
	shift
	# The port stays what it was.
	try_serve "$cli_node" start --listen "$(node_host "$cli_node"):0" --slots "$cli_slots" "$@"
}

node_start()
{
	try_start "$@" || cli_die "$1 is ready after mpnode start"
}

node_join()
{
	cli_node=$1
	cli_token=$2
	shift 2
	cli_serve "$cli_node" join --token-file "$cli_token" \
		--listen "$(node_host "$cli_node"):0" --slots "$cli_slots" "$@"
}

node_kill()
{
	cli_pid=$(node_pid "$1")
	kill -9 "$cli_pid" && wait "$cli_pid" 2>/dev/null
	cli_forget "$cli_pid"
}

node_stop()
{
	cli_pid=$(node_pid "$1")
	kill "$cli_pid"
	wait "$cli_pid"
	cli_status=$?
	cli_forget "$cli_pid"
	return $cli_status
}

# A pid that is free again may be somebody else's.
cli_forget()
{
	cli_rest=
	for cli_p in $cli_pids; do
		[ "$cli_p" = "$1" ] || cli_rest="$cli_rest $cli_p"
	done
	cli_pids=$cli_rest
}

# The address of a node, as it has printed it.
node_address()
{
	awk '$1 == "ready" { print $4 }' "$tap_tmp/$1.ready"
}

ctl()
{
	cli_at=$1
	shift
	# shellcheck disable=SC2086
	timeout $((cli_patience * ${MP_PATIENCE:-1})) ${MP_UNDER-} "$mpctl" \
		--state "$tap_tmp/$cli_at" "$@"
}

# knows NODE COUNT: this many members are alive in its eyes
knows()
{
	[ "$(ctl "$1" nodes --json | jq '[.nodes[] | select(.state == "alive")] | length')" = "$2" ]
}

cluster()
{
	cli_first=$1
	node_start "$1"
	ctl "$1" --quiet invite >"$tap_tmp/token" || cli_die 'mpctl invite'
	shift
	for cli_member; do
		node_join "$cli_member" "$tap_tmp/token"
	done
	for cli_member in "$cli_first" "$@"; do
		until_true 20 knows "$cli_member" $(($# + 1)) ||
			cli_die "$cli_member knows all members"
	done
}

run_field()
{
	ctl "$1" show "$2" --json | jq -r "$3"
}

run_leader()
{
	run_field "$1" "$2" '.leader // empty'
}

run_state_is()
{
	[ "$(run_field "$1" "$2" .state)" = "$3" ]
}

leftovers()
{
	for cli_environ in $(grep -lzF "$tap_tmp/$1/work" /proc/[0-9]*/environ 2>/dev/null); do
		cli_pid=${cli_environ#/proc/}
		printf '%s\n' "${cli_pid%/environ}"
	done
}

no_leftovers()
{
	[ -z "$(leftovers "$1")" ]
}

# journal_pipeline FILE COLUMNS ROWS SECONDS: modules m-COLUMN-ROW, each after the one above it,
# and `sum` after all. Each writes to a journal outside the cluster, $tap_tmp/journal, when it
# begins and when it has ended, and is never taken from the result cache. In the end sum.txt says
# what was built on what.
journal_pipeline()
{
	{
		printf 'meshpipe: 1\nname: journal\nenv: { JOURNAL: "%s" }\n' "$tap_tmp/journal"
		printf 'defaults: { cache: false }\nmodules:\n'
		awk -v columns="$2" -v rows="$3" -v seconds="$4" '
		function body(name) {
			printf "    run: |\n"
			printf "      echo \"begin %s $MP_NODE\" >>\"$JOURNAL\"\n", name
			printf "      sleep %s\n", seconds
		}
		function tail(name) {
			printf "      echo \"end %s $MP_NODE\" >>\"$JOURNAL\"\n", name
		}
		BEGIN {
			for (c = 1; c <= columns; c++) {
				for (r = 1; r <= rows; r++) {
					name = "m-" c "-" r
					printf "  %s:\n", name
					above = "m-" c "-" (r - 1)
					if (r > 1)
						printf "    needs: [%s]\n", above
					body(name)
					before = r > 1 ? "cat " above ".txt" : ":"
					printf "      { %s; echo %s; } >%s.txt\n", before, r, name
					tail(name)
					printf "    outputs: [%s.txt]\n", name
				}
			}
			printf "  sum:\n    needs:\n"
			for (c = 1; c <= columns; c++)
				printf "      - m-%d-%d\n", c, rows
			body("sum")
			printf "      cat m-*.txt >sum.txt\n"
			tail("sum")
			printf "    outputs: [sum.txt]\n"
		}'
	} >"$1"
	# What sum.txt holds.
	awk -v columns="$2" -v rows="$3" 'BEGIN {
		for (c = 1; c <= columns; c++)
			for (r = 1; r <= rows; r++)
				print r
	}' >"$tap_tmp/sum.wanted"
	: >"$tap_tmp/journal"
	: >"$tap_tmp/finished"
}

# began MODULE: how many times
began()
{
	grep -c "^begin $1 " "$tap_tmp/journal"
}

# remember NODE RUN: which modules have succeeded, for survived(). What ran again before it did
# (its node was killed) may have begun more than once by now.
remember()
{
	run_field "$1" "$2" '.modules[] | select(.state == "succeeded") | .name' |
		while read -r cli_module; do
			grep -q "^$cli_module " "$tap_tmp/finished" ||
				printf '%s %d\n' "$cli_module" "$(began "$cli_module")"
		done >"$tap_tmp/finished.new"
	cat "$tap_tmp/finished.new" >>"$tap_tmp/finished"
}

# busy_on NODE RUN COUNT WHO: at least COUNT modules are done, and one runs on WHO
busy_on()
{
	ctl "$1" show "$2" --json | jq -e --argjson count "$3" --arg who "$4" '
		([.modules[] | select(.state == "succeeded")] | length) >= $count and
		any(.modules[]; .state == "running" and .node == $who)' >/dev/null
}

# survived NODE RUN: the run succeeds, with the right bytes, and nothing that remember() saw
# finished ran again. `wait` at a node.
survived()
{
	ctl "$1" wait "$2" >/dev/null 2>"$tap_tmp/wait.err"
	tap_same 'the run succeeds' 0 $?
	tap_diag <"$tap_tmp/wait.err"
	cli_again=$(while read -r cli_module cli_n; do
		[ "$(began "$cli_module")" -eq "$cli_n" ] ||
			printf '%s began %d times, then again; ' "$cli_module" "$cli_n"
	done <"$tap_tmp/finished")
	tap_same "none of $(grep -c . "$tap_tmp/finished") finished modules ran again" '' \
		"$cli_again"
	rm -rf "$tap_tmp/out"
	ctl "$1" outputs "$2" sum --to "$tap_tmp/out" >/dev/null
	tap_check 'the outputs are right' cmp "$tap_tmp/sum.wanted" "$tap_tmp/out/sum/sum.txt"
	tap_same 'each module succeeded' 0 \
		"$(run_field "$1" "$2" '[.modules[] | select(.state != "succeeded")] | length')"
}
