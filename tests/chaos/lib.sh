# SPDX-License-Identifier: Apache-2.0
# Chaos: five real daemons, a run whose modules write to a journal outside the cluster, and
# something terrible at 25, 50 and 75 % of it. Source it instead of tests/cli/lib.sh.
#
#   chaos_cluster                     n1 ... n5, all alive
#   play NAME ELECTORS COPIES FAULT FAULT FAULT    one run; then judges it
#                                     ($CHAOS_ONLY: part of the names of those to play)
#                                     ($CHAOS_KEEP: a folder for journals, logs and databases)
#   long                              whether this is `make chaos` (2,000 modules), not `make check`
#
# A fault is a function without arguments that is called when so much of the run is done. It may
# use all of tests/cli/lib.sh, and
#
#   $run $opener                      the run, and the node that it was submitted to
#   $leader                           who led when the fault was called; has_leader: asks again
#   has_worker, then $worker          a node with modules that neither leads nor has opened it
#   eye                               prints the first node that is up
#   strike NODE...                    SIGKILL, all at once; what was finished must not run again
#   revive NODE...                    starts them again, until all know all
#   hurt NODE FROM                    what it ran at FROM (ms) and until now may run again
#   next_dispatch WHAT                waits for the first module that begins after $struck_ms, in a
#                                     newer term when the leader was hurt, and writes down how long
#                                     that took, in $tap_tmp/gaps: MS WHAT. A short run then
#                                     stands still until the fault is over
#
# What judge.awk holds against a run is said there.

. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
chaos_dir=$top_srcdir/tests/chaos
chaos_nodes='n1 n2 n3 n4 n5'
chaos_bytes=4096
chaos_down=
chaos_retry=
: "${CHAOS:=short}"
cli_patience=300

long()
{
	[ "$CHAOS" = long ]
}

if long; then
	chaos_modules=2000
	chaos_width=40
	chaos_ms=250
else
	chaos_modules=200
	chaos_width=20
	chaos_ms=200
fi

chaos_cluster()
{
	# shellcheck disable=SC2086
	cluster $chaos_nodes
}

# ---- the run ----

# A pipeline of layers, each module after two of the layer before; and what each must make.
chaos_pipeline()
{
	{
		printf 'meshpipe: 1\nname: chaos\nelectors: %d\ncopies: %d\n' "$1" "$2"
		printf 'defaults: { cache: false%s }\nmodules:\n' "$chaos_retry"
		awk -v modules="$chaos_modules" -v width="$chaos_width" \
			-v values="$tap_tmp/values" \
			-v step="$top_builddir/tests/chaos/step, run, $tap_tmp/journal" \
			-v work="\"$chaos_ms\", \"$chaos_bytes\"" '
		function name(i) {
			return "m" int(i / width) "-" i % width
		}
		BEGIN {
			for (i = 0; i < modules; i++) {
				needs = ""
				value[i] = 1
				if (i >= width) {
					a = i - width
					b = a - a % width + (a + 1) % width
					needs = name(a) ", " name(b)
					value[i] = (31 + value[a]) % 1000003
					value[i] = (value[i] * 31 + value[b]) % 1000003
				}
				printf "  %s: { needs: [%s], outputs: [%s.out], ",
					name(i), needs, name(i)
				printf "run: [%s, %s, %s%s] }\n", step, work, name(i),
					needs == "" ? "" : ", " needs
				print name(i), value[i] >values
			}
		}'
	} >"$tap_tmp/p.yaml"
	: >"$tap_tmp/journal"
	: >"$tap_tmp/faults"
	rm -f "$tap_tmp/journal.hold"
}

chaos_alive()
{
	for chaos_n in $chaos_nodes; do
		case " $chaos_down " in
		*" $chaos_n "*) ;;
		*) echo "$chaos_n" ;;
		esac
	done
}

eye()
{
	chaos_alive | head -n 1
}

has_leader()
{
	leader=$(run_leader "$(eye)" "$run")
	[ -n "$leader" ]
}

has_worker()
{
	worker=$(run_field "$(eye)" "$run" "[.modules[] | select(.state == \"running\") | .node] -
		[.leader, \"$opener\"] | group_by(.) | max_by(length) | .[0] // empty")
	[ -n "$worker" ]
}

chaos_ended()
{
	[ "$(grep -c '^end ' "$tap_tmp/journal")" -ge "$1" ]
}

# ---- faults ----

# What is finished now, in the eyes of NODE, is finished for ever.
chaos_remember()
{
	run_field "$1" "$run" '.modules[] | select(.state == "succeeded") | .name' \
		>"$tap_tmp/finished"
	sed "s/.*/finished & $(now_ms)/" "$tap_tmp/finished" >>"$tap_tmp/faults"
	[ -s "$tap_tmp/finished" ]
}

# Its executor lives on for a moment, and may just have been told to begin something.
hurt()
{
	printf 'hurt %s %d %d\n' "$1" "$2" $(($(now_ms) + 1000)) >>"$tap_tmp/faults"
}

# begin_fault NODE...: what is true just before something happens to them
begin_fault()
{
	chaos_remember "$(eye)" || tap_not_ok 'a node that is up shows the run'
	chaos_down="$chaos_down $*"
	chaos_led=no
	case " $* " in
	*" $leader "*) chaos_led=yes ;;
	esac
	struck_ms=$(now_ms)
}

strike()
{
	begin_fault "$@"
	chaos_pids=
	for chaos_n; do
		chaos_pids="$chaos_pids $(node_pid "$chaos_n")"
	done
	# shellcheck disable=SC2086
	kill -9 $chaos_pids
	for chaos_n; do
		chaos_pid=$(node_pid "$chaos_n")
		wait "$chaos_pid" 2>/dev/null
		cli_forget "$chaos_pid"
		hurt "$chaos_n" "$struck_ms"
	done
}

chaos_up()
{
	chaos_rest=
	for chaos_n in $chaos_down; do
		[ "$chaos_n" = "$1" ] || chaos_rest="$chaos_rest $chaos_n"
	done
	chaos_down=$chaos_rest
}

revive()
{
	for chaos_back; do
		node_start "$chaos_back"
		chaos_up "$chaos_back"
	done
	chaos_all=$(chaos_alive)
	for chaos_back in $chaos_all; do
		until_true 30 knows "$chaos_back" "$(echo "$chaos_all" | wc -l)" ||
			tap_not_ok "$chaos_back knows who is alive"
	done
}

# In $chaos_first: when the first module began after $struck_ms, in a term above $1.
chaos_begun()
{
	chaos_first=$(awk -v since="$struck_ms" -v term="$1" \
		'$1 == "begin" && $6 > since && $5 > term { print $6; exit }' "$tap_tmp/journal")
	[ -n "$chaos_first" ]
}

next_dispatch()
{
	rm -f "$tap_tmp/journal.hold"
	chaos_term=-1
	[ $chaos_led = no ] || chaos_term=$(awk -v until="$struck_ms" '
		$6 <= until && $5 > term { term = $5 }
		END { print term + 0 }' "$tap_tmp/journal")
	if until_true 30 chaos_begun "$chaos_term"; then
		printf '%d %s\n' $((chaos_first - struck_ms)) "$1" >>"$tap_tmp/gaps"
		tap_diag "$1: the next module began after $((chaos_first - struck_ms)) ms"
		long || : >"$tap_tmp/journal.hold"
	else
		tap_not_ok "$1: a module begins within 30 s"
	fi
}

# ---- the judgement ----

# What is needed to understand a run that went wrong.
chaos_keep()
{
	mkdir -p "$CHAOS_KEEP/$1"
	(cd "$tap_tmp" && cp -- *.log *.ready p.yaml faults journal "$CHAOS_KEEP/$1/")
	ctl "$(eye)" show "$run" --json >"$CHAOS_KEEP/$1/show.json"
	for chaos_n in $chaos_nodes; do
		mkdir -p "$CHAOS_KEEP/$1/$chaos_n"
		cp "$tap_tmp/$chaos_n"/control.db* "$CHAOS_KEEP/$1/$chaos_n/"
	done
}

chaos_judge()
{
	ctl "$(eye)" wait "$run" >/dev/null 2>"$tap_tmp/wait.err"
	tap_same "$1: the run succeeds" 0 $?
	tap_diag <"$tap_tmp/wait.err"
	awk -f "$chaos_dir/judge.awk" "$tap_tmp/faults" "$tap_tmp/journal" >"$tap_tmp/verdict"
	tap_same "$1: nothing that was finished ran again" '' "$(grep -v '^#' "$tap_tmp/verdict")"
	[ -z "${CHAOS_KEEP-}" ] || chaos_keep "$1"
	tap_same "$1: each module has ended" "$chaos_modules" \
		"$(awk '$1 == "end" { print $2 }' "$tap_tmp/journal" | sort -u | grep -c .)"
	grep '^#' "$tap_tmp/verdict" | sed 's/^# //' | tap_diag
	rm -rf "$tap_tmp/out"
	ctl "$(eye)" outputs "$run" --to "$tap_tmp/out" >/dev/null
	tap_same "$1: outputs ends with 0" 0 $?
	tap_check "$1: every artifact is right" "$top_builddir/tests/chaos/step" check \
		"$tap_tmp/out" "$chaos_bytes" <"$tap_tmp/values"
}

chaos_wanted()
{
	case $1 in
	*${CHAOS_ONLY-}*) ;;
	*) return 1 ;;
	esac
}

play()
{
	chaos_name=$1
	chaos_wanted "$1" || return
	chaos_pipeline "$2" "$3"
	shift 3
	opener=$(eye)
	run=$(ctl "$opener" submit "$tap_tmp/p.yaml") || cli_die "$chaos_name: submit"
	chaos_part=25
	for chaos_fault; do
		until_true 120 chaos_ended $((chaos_modules * chaos_part / 100)) ||
			cli_die "$chaos_name: $chaos_part % of the run is done"
		until_true 30 has_leader || cli_die "$chaos_name: somebody leads"
		$chaos_fault
		rm -f "$tap_tmp/journal.hold"
		chaos_part=$((chaos_part + 25))
	done
	chaos_judge "$chaos_name"
}
