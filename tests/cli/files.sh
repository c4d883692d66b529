#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mpctl without a node: usage, help, exit codes, and the commands that only read files.
. "${top_srcdir:=.}/tests/tap.sh"

mpctl=$(cd "${top_builddir:-.}" && pwd)/mpctl
cd "$tap_tmp" || exit 1
unset MP_STATE

# exits WANTED WHAT COMMAND...: out and err hold what was printed
exits()
{
	wanted=$1
	what=$2
	shift 2
	"$@" >out 2>err
	tap_same "$what: exit $wanted" "$wanted" "$?"
}

says()
{
	tap_check "$2" grep -q -e "$1" err
}

cat >good.yaml <<'YAML'
meshpipe: 1
name: release
params: { version: "1.0" }
modules:
  restore:
    run: ["./restore.sh", "${params.version}"]
  build:
    needs: [restore]
    matrix: { cc: [gcc, clang] }
    run: make CC=${matrix.cc}
  test:
    needs: [build]
    run: ./test.sh
YAML
cat >bad.yaml <<'YAML'
meshpipe: 1
modules:
  a:
    needs: [b]
    run: "true"
    colour: red
  b:
    needs: [a]
    run: "true"
YAML

# ---- usage ----
exits 2 'no command' "$mpctl"
exits 2 'an unknown command' "$mpctl" validat good.yaml
says "did you mean 'validate'" 'a near miss is named'
exits 2 'a command that is not there yet' "$mpctl" pause 1234 --whatever
says 'not available in this version' 'and says so'
exits 2 'an unknown option' "$mpctl" validate good.yaml --pram x=1
says 'did you mean --param' 'a near option is named'
exits 2 'an argument too many' "$mpctl" validate good.yaml bad.yaml
exits 2 'an argument too few' "$mpctl" validate
says 'usage: mpctl validate FILE' 'usage is shown'
exits 2 'a value that is missing' "$mpctl" validate good.yaml -p
exits 2 'a value that is not wanted' "$mpctl" validate good.yaml --json=yes
exits 2 'a parameter without a value' "$mpctl" validate good.yaml -p version
exits 2 'a remote node' "$mpctl" --node h:1 runs
exits 2 'an identity for the node that is here' "$mpctl" --identity me runs
says '--node' 'what is missing is said'
exits 2 'a time that is none' "$mpctl" wait abcd --timeout soon
exits 2 'a run that cannot be one' "$mpctl" show 'no id'
exits 2 'a role that is none' "$mpctl" invite --role king
exits 2 'no role at all' "$mpctl" invite --role ''
exits 2 'a file without a name' "$mpctl" compile good.yaml -o ''
exits 0 '--help' "$mpctl" --help
tap_check 'help lists the commands' grep -q '^  validate FILE' out
tap_check 'and nothing on stderr' test ! -s err
for command in run submit runs show wait logs outputs cancel nodes invite validate compile plan \
	graph; do
	exits 0 "$command --help" "$mpctl" $command --help
done
exits 0 'help of a command' "$mpctl" help submit
tap_check 'has its options' grep -q -- '--wait' out
exits 0 '--version' "$mpctl" --version
tap_check 'prints one line' grep -q '^mpctl [0-9]' out

# ---- no node ----
for command in runs nodes 'show 1234' 'wait last' 'logs 1234' 'cancel 1234' invite; do
	exits 4 "$command without a node" "$mpctl" --state "$tap_tmp" $command
done
says 'no node runs with the state directory' 'the reason is said'
exits 4 'submit without a node' "$mpctl" submit good.yaml --state "$tap_tmp"
MP_STATE=$tap_tmp/none exits 4 'a state directory that is not there' "$mpctl" runs
says 'none' 'MP_STATE is used'

# ---- validate ----
exits 0 'validate' "$mpctl" validate good.yaml
tap_check 'prints nothing on stdout' test ! -s out
exits 0 'validate --quiet' "$mpctl" validate -q good.yaml
tap_check 'prints nothing at all' test ! -s err
exits 3 'validate of a bad pipeline' "$mpctl" validate bad.yaml
says '^bad.yaml:6:5: ' 'mistakes have their place'
says 'a -> b -> a\|b -> a -> b' 'a cycle has its path'
exits 3 'a parameter that is unknown' "$mpctl" validate good.yaml -p version2=2
says "did you mean 'version'" 'a near parameter is named'
exits 3 'JSON of a bad pipeline' "$mpctl" --json validate bad.yaml
tap_check 'names the line' grep -q '"line":6,"column":5' out
exits 2 'a file that is not there' "$mpctl" validate none.yaml
head -c 100000 /dev/urandom >noise
exits 3 'noise' "$mpctl" validate noise
exits 0 'standard input' sh -c "'$mpctl' validate - <good.yaml"

# ---- compile ----
exits 0 'compile -o' "$mpctl" compile good.yaml -o good.cbor
exits 0 'compile to stdout' "$mpctl" compile good.yaml
tap_check 'gives the same bytes' cmp out good.cbor
exits 0 'compile of CBOR' "$mpctl" compile good.cbor -o again.cbor
tap_check 'gives the same bytes again' cmp good.cbor again.cbor
exits 0 'validate of CBOR' "$mpctl" validate good.cbor
head -c 60 good.cbor >cut.cbor
exits 3 'truncated CBOR' "$mpctl" validate cut.cbor
exits 3 'compile of a bad pipeline' "$mpctl" compile bad.yaml -o bad.cbor
tap_check 'leaves no file' test ! -e bad.cbor
exits 2 'compile into nowhere' "$mpctl" compile good.yaml -o none/good.cbor
if [ -c /dev/full ]; then
	exits 70 'a full disk' sh -c "'$mpctl' plan good.yaml >/dev/full"
	says 'No space' 'is said'
fi

# A reader that has seen enough is no trouble to talk of.
awk 'BEGIN { print "meshpipe: 1\nname: many\nmodules:"
	for (i = 0; i < 20000; i++) print "  m" i ": { run: [/bin/true] }" }' >many.yaml
exits 0 'plan for head' sh -c "'$mpctl' plan many.yaml | head -n 1"
tap_check 'says nothing of it' test ! -s err

# ---- plan and graph ----
exits 0 'plan' "$mpctl" plan good.yaml
tap_check 'has waves' grep -q '^ *2 *2  build\[gcc\] build\[clang\]$' out
exits 0 'plan --json' "$mpctl" plan good.yaml --json
tap_same 'plan as JSON' '{"pipeline":"release","modules":4,"edges":4,"depth":3,"waves":[
{"wave":1,"modules":["restore"]},
{"wave":2,"modules":["build[gcc]","build[clang]"]},
{"wave":3,"modules":["test"]}]}' "$(cat out)"
exits 0 'plan of CBOR' "$mpctl" plan good.cbor --json
exits 0 'graph' "$mpctl" graph good.yaml
tap_check 'has edges' grep -q '"build\[gcc\]" -> "test";' out

# ---- inputs, looked at before a node is ----
sed 's/^name:.*/&\ninputs: ["src\/**"]/' good.yaml >inputs.yaml
exits 3 'inputs that match nothing' "$mpctl" submit inputs.yaml --state "$tap_tmp"
says '^inputs.yaml:3:10: .*no file matches' 'the glob has its place'
mkdir src && : >src/a && ln -s /etc/passwd src/out
exits 3 'an input that leads out' "$mpctl" submit inputs.yaml --state "$tap_tmp"
says 'leads out of the folder' 'and says so'
rm src/out
exits 4 'good inputs' "$mpctl" submit inputs.yaml --state "$tap_tmp"
# ---- bounds: one for every command ----
# fan N FILE: one module that needs N others
fan()
{
	awk -v n="$1" 'BEGIN {
		printf "meshpipe: 1\nname: fan\nmodules:\n  all: { needs: [each], run: x }\n"
		printf "  each:\n    run: x\n    matrix:\n      i: ["
		for (i = 0; i < n; i++)
			printf "%s%d", (i ? ", " : ""), i
		print "]"
	}' >"$2"
}
fan 12000 fan.yaml
exits 0 'a module that needs 12,000 others' "$mpctl" validate fan.yaml
fan 12001 fan.yaml
exits 3 'a module that needs 12,001 others' "$mpctl" validate fan.yaml
says "fan.yaml:4:18: 'all' needs more than 12000 modules" 'it is said where'
awk 'BEGIN {
	printf "meshpipe: 1\nname: long\nmodules:\n"
	for (i = 0; i < 130; i++)
		printf "  m%d: { run: \"echo %0125000d\" }\n", i, 0
}' >long.yaml
for command in validate compile plan submit run; do
	exits 3 "$command: a pipeline that is too long to be sent" "$mpctl" $command long.yaml
	says 'long.yaml: .*more than 15 MiB' 'it is said why'
done
tap_end
