#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mpctl with a node: run, submit and what is asked about runs, with exit codes and JSON.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cd "$tap_tmp" || exit 1
MP_STATE=$tap_tmp/A
TMPDIR=$tap_tmp
export MP_STATE TMPDIR
trap 'stop_node; cli_cleanup' EXIT

start_node()
{
	: >node.out # at once: the line of the node before must not be taken for this one's
	"$mpnode" start --state A --name alpha --listen 127.0.0.1:0 --slots 4 \
		>node.out 2>node.err &
	node=$!
	until_true 30 grep -q '^ready ' node.out || {
		tap_diag <node.err
		tap_not_ok 'the node is ready'
		tap_end
		exit 0
	}
}

stop_node()
{
	# The second signal stops at once: what runs would have another minute.
	[ -z "$node" ] || { kill "$node"; kill -INT "$node"; wait "$node"; } 2>/dev/null
	node=
}

exits()
{
	wanted=$1
	what=$2
	shift 2
	timeout 120 "$@" >out 2>err
	got=$?
	tap_same "$what: exit $wanted" "$wanted" "$got"
	[ "$got" = "$wanted" ] || tap_diag <err
}

holds()
{
	tap_check "$3" grep -q -e "$1" "$2"
}

is_json()
{
	if command -v python3 >/dev/null; then
		tap_check "$1 is JSON" python3 -m json.tool out
	else
		tap_skip "$1 is JSON" 'no python3'
	fi
}

mkdir -p src/sub
printf '#!/bin/sh\necho tool runs\n' >src/tool
chmod +x src/tool
ln -s sub/text src/link
echo words >src/sub/text
: >src/empty
cat >good.yaml <<'YAML'
meshpipe: 1
name: good
params: { who: world }
inputs: ["src/**"]
modules:
  make:
    run: |
      ./src/tool
      cat src/link >&2
      mkdir -p out/d
      cp src/sub/text out/d/text
      cp src/tool out/tool
      ln -s d/text out/link
      : >out/empty
      echo "hello ${params.who}" >out/who
    outputs: ["out/**"]
  use:
    needs: [make]
    run: cat out/who
YAML
cat >bad.yaml <<'YAML'
meshpipe: 1
name: bad
modules:
  fine: { run: "true" }
  broken: { needs: [fine], run: "echo first line >&2; echo the reason >&2; exit 3" }
  never: { needs: [broken], run: "true" }
YAML
cat >long.yaml <<'YAML'
meshpipe: 1
name: long
modules:
  speaks: { run: "echo started; exec sleep 1000" }
YAML

# ---- the embedded engine ----
exits 0 'run' "$mpctl" --state own run good.yaml --to products -p who=you
tap_same 'run writes outputs' 'hello you' "$(cat products/make/out/who 2>&1)"
rm -rf own
exits 1 'run of what fails' env -u MP_STATE "$mpctl" run bad.yaml
holds 'broken failed' err 'the failed module is named'
holds 'the reason' err 'with the end of its stderr'
exits 7 'run --timeout' env -u MP_STATE "$mpctl" run long.yaml --timeout 1s
exits 3 'run of an invalid pipeline' "$mpctl" run /dev/null
exits 0 'run --json' env -u MP_STATE "$mpctl" run good.yaml --json -q
holds '^{"run":"[0-9a-f]\{32\}","state":"succeeded"}$' out 'run --json tells the state'
env -u MP_STATE "$mpctl" run long.yaml --follow >out 2>err &
pid=$!
until_true 30 grep -q 'speaks | started' err
kill -INT "$pid"
wait "$pid"
tap_same 'an interrupted run: exit 6' 6 "$?"
tap_same 'run leaves nothing behind' '' "$(ls -d meshpipe-run-* 2>/dev/null)"

# ---- a node ----
start_node
exits 0 'runs, when there are none' "$mpctl" runs
tap_check 'prints nothing' test ! -s out
exits 2 'last, when there are none' "$mpctl" show last
exits 0 'submit' "$mpctl" submit good.yaml
run=$(cat out)
holds '^[0-9a-f]\{32\}$' out 'prints the id'
tap_same 'alone' 1 "$(wc -l <out | tr -d ' ')"
exits 0 'wait' "$mpctl" wait "$run"
tap_check 'prints nothing on stdout' test ! -s out
exits 0 'show' "$mpctl" show "$run"
holds '^make  *succeeded  *alpha' out 'shows modules'
exits 0 'show by the start of an id' "$mpctl" show "$(printf %.8s "$run")" --json
is_json 'show'
holds "^{\"run\":\"$run\",\"name\":\"good\",\"state\":\"succeeded\"" out 'show has run, name, state'
holds '"leader":"alpha"' out 'and its leader'
holds '{"path":"out/tool","blob":"[0-9a-f]\{64\}","size":25' out 'and outputs'
exits 2 'show of a run that is not there' "$mpctl" show ffffffff
exits 0 'runs --json' "$mpctl" runs --json
is_json 'runs'
exits 0 'nodes --json' "$mpctl" nodes --json
is_json 'nodes'
holds '"name":"alpha","address":"127.0.0.1:[0-9]*","state":"alive","status":"available"' \
	out 'nodes has the node'
holds '"slots":4' out 'and its slots'
exits 0 'logs' "$mpctl" logs last
tap_same 'logs of all' 'make | tool runs
make | words
use | hello world' "$(cat out)"
exits 0 'logs of a module' "$mpctl" logs last use
tap_same 'are its bytes' 'hello world' "$(cat out)"
exits 0 'logs --stderr' "$mpctl" logs last make --stderr
tap_same 'are those of stderr' 'words' "$(cat out)"
exits 0 'logs --json' "$mpctl" logs last --json
is_json 'logs'
exits 2 'logs of a module that is not there' "$mpctl" logs last none
exits 0 'outputs' "$mpctl" outputs last
holds 'make  *out/tool  *25 B  *executable' out 'lists files'
exits 0 'outputs --json' "$mpctl" outputs last make --json
is_json 'outputs'
exits 0 'outputs --to' "$mpctl" outputs last --to O/P
tap_same 'writes files' 'words' "$(cat O/P/make/out/d/text)"
tap_check 'that can be executed' test -x O/P/make/out/tool
tap_same 'and links' 'd/text' "$(readlink O/P/make/out/link)"
rm -r O/P/make/out/d && mkdir elsewhere && ln -s "$tap_tmp/elsewhere" O/P/make/out/d
exits 2 'outputs over a link' "$mpctl" outputs last --to O/P
tap_same 'follows none' '' "$(ls elsewhere)"

# ---- how runs end ----
exits 1 'submit --wait of what fails' "$mpctl" submit bad.yaml --wait
exits 1 'wait of what failed' "$mpctl" wait last
exits 0 'show of what failed' "$mpctl" show last --json
holds '"name":"broken","state":"failed","node":"alpha".*"exit":3' out 'has the exit code'
holds '"name":"never","state":"skipped","node":null,"node_id":null.*"exit":null' out 'and null'

# What modules print and make does not reach the terminal of who only waits for the end.
cat >rude.yaml <<'END'
meshpipe: 1
modules:
  shouts: { run: "printf 'a\\tb \\033[31mred\\007\\n' >&2; exit 1" }
  makes: { run: [touch, "x\e[31m"], outputs: ["*"] }
  goes-on: { run: "head -c 5000 /dev/zero | tr '\\0' x >&2; exit 1" }
END
exits 1 'failures with control characters' "$mpctl" submit rude.yaml --wait
tap_check 'none is printed' not grep -q "$(printf '[\001-\010\016-\037]')" err
holds '^    a b ?\[31mred?$' err 'the rest is'
holds '^makes failed.*x?\[31m' err 'of names too'
tap_check 'long lines are cut' not grep -q "$(printf '%0500d' 0 | tr 0 x)" err
exits 0 'submit --follow' "$mpctl" submit good.yaml --follow -q
holds '^use | hello world$' err 'prints logs on stderr'
holds '^[0-9a-f]\{32\}$' out 'and the id on stdout'
# What cannot be printed is no reason to lose track of a run.
if [ -c /dev/full ]; then
	exits 70 'submit whose id cannot be printed' sh -c "'$mpctl' submit good.yaml >/dev/full"
	holds 'No space left' err 'is said'
	holds 'run [0-9a-f]\{32\} goes on' err 'and which run goes on'
	exits 0 'a run that prints' "$mpctl" submit good.yaml --wait
	exits 70 'logs that cannot be printed' sh -c "'$mpctl' logs last >/dev/full"
	holds 'logs: output: No space left' err 'and why'
fi
exits 2 'an identity that is no file' "$mpctl" identity show --identity /dev/null
holds 'not a regular file' err 'is said'

env --default-signal=INT "$mpctl" submit long.yaml --wait >submitted 2>err &
pid=$!
catches_int()
{
	grep -q '^SigCgt:.*[2367abef]$' "/proc/$pid/status"
}
until_true 30 catches_int
kill -INT "$pid"
wait "$pid"
tap_same 'submit --wait ends when it is interrupted' 130 $?
holds "goes on; mpctl wait $(cat submitted)" err 'and says that the run goes on'
exits 0 'as it does' "$mpctl" cancel "$(cat submitted)"
exits 7 'submit --wait --timeout' "$mpctl" submit long.yaml --wait --timeout 1
exits 2 'submit --timeout alone' "$mpctl" submit long.yaml --timeout 1
"$mpctl" logs last --follow >live 2>live.err &
pid=$!
tap_check 'output is live' until_true 30 grep -q '^speaks | started' live
exits 0 'cancel' "$mpctl" cancel last
exits 6 'wait of what was cancelled' "$mpctl" wait last
tap_check 'logs --follow ends with the run' wait "$pid"
exits 0 'cancel of what has ended' "$mpctl" cancel last
holds 'the run has ended: cancelled' err 'says how'

# ---- invite ----
exits 0 'invite' "$mpctl" invite --expires 1h --role node
holds '^mp1-[A-Za-z0-9_-]*$' out 'prints a token'
tap_same 'alone' 1 "$(wc -l <out | tr -d ' ')"
exits 0 'invite --json' "$mpctl" invite --json
is_json 'invite'

# ---- the node goes away, and comes back ----
"$mpctl" submit long.yaml --wait >submitted 2>submitted.err &
pid=$!
until_true 30 test -s submitted
run=$(cat submitted)
stop_node
exits 4 'without the node' "$mpctl" runs
exits 4 'wait that has never met it' "$mpctl" wait "$run"
holds 'no node runs with the state directory' err 'and says so'
start_node
exits 0 'with it again' "$mpctl" cancel "$run"
wait "$pid"
tap_same 'submit --wait has waited for it' 6 "$?"

# It stands still and is killed: nobody knows whether it has taken what was submitted last.
kill -STOP "$node"
"$mpctl" submit long.yaml >out 2>err &
pid=$!
asks()
{
	find "/proc/$pid/fd" -lname 'socket:*' 2>/dev/null | grep -q . &&
		grep -q '^State:.*sleeping' "/proc/$pid/status"
}
until_true 30 asks
kill -9 "$node"
wait "$node" 2>/dev/null
node=
wait "$pid"
tap_same 'submit at a node that is killed' 4 $?
holds 'whether the run was accepted; mpctl runs' err 'says what to do'
tap_end
