#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mpctl verify on real daemons: a run that holds, from any node, with results of other runs and with
# a leader that was killed; and what does not hold, named: a blob that is damaged wherever it is, a
# log that was edited, a node that was shut out.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq sqlite3
falsify=$top_builddir/tests/cli/falsify

# verified NODE RUN WANTED [OPTION]...: the exit status; what it prints is in $tap_tmp/out
verified()
{
	cli_who=$1
	cli_run=$2
	cli_want=$3
	shift 3
	ctl "$cli_who" verify "$cli_run" --json "$@" >"$tap_tmp/out" 2>"$tap_tmp/err"
	cli_status=$?
	[ $cli_status -eq "$cli_want" ] || cat "$tap_tmp/out" "$tap_tmp/err" | tap_diag
	tap_same "verify at $cli_who" "$cli_want" $cli_status
}

of()
{
	jq -r "$1" "$tap_tmp/out"
}

# named CHECK [MODULE]: a finding that breaks the run
named()
{
	jq -e --arg check "$1" --arg of "${2-}" 'any(.findings[]; .weight == "broken"
		and .check == $check and ($of == "" or .module == $of))' \
		"$tap_tmp/out" >/dev/null
}

cluster alpha beta gamma
dir=$tap_tmp/p
mkdir -p "$dir/src"
echo first >"$dir/src/a"
seq 1 90000 >"$dir/src/b"
cat >"$dir/p.yaml" <<'YAML'
meshpipe: 1
name: proof
params: { word: plain }
inputs: ["src/*"]
modules:
  a:
    inputs: [src/a]
    run: |
      { cat src/a; echo "a-quick-brown-marker ${params.word}"; } >a.txt
      printf %s value >"$MP_OUTPUT"
      echo said
    outputs: [a.txt]
  b:
    matrix: { n: ["1", "2"] }
    run: cat src/b >b-${matrix.n}.txt; echo murmured >&2
    outputs: ["b-*.txt"]
  sum:
    needs: [a, b]
    run: cat a.txt b-*.txt >sum.txt
    outputs: [sum.txt]
  bad:
    needs: [sum]
    retry: { attempts: 2, backoff: 0s }
    run: exit 3
YAML

# ---- what holds ----

run=$(ctl alpha submit "$dir/p.yaml" -p word=odd 2>/dev/null)
ctl alpha wait "$run" >/dev/null 2>&1
for node in alpha beta gamma; do
	verified $node "$run" 0
done
tap_same 'nothing is found' 'holds 0 0' "$(of '"\(.verdict) \(.broken) \(.open)"')"
tap_same 'each attempt counts' '5 6 0' "$(of '"\(.modules) \(.results) \(.recalled)"')"
tap_same 'the cluster is known from the state directory' state "$(of .pinned)"
tap_same 'and is the one that the authority began' \
	"$(ctl alpha authority show --json | jq -r .cluster)" "$(of .cluster)"
tap_check 'copies are counted' test "$(of '.copies > .blobs')" = true
verified alpha "$run" 0 --one-copy
tap_check 'or only one of each is read' test "$(of '.copies == .blobs')" = true
verified alpha "$run" 0 --cluster "$(of .cluster)"
verified alpha "$run" 8 --cluster "$(printf '%064d' 7)"
tap_check 'another cluster is not believed' named authority
ctl alpha verify "$run" >"$tap_tmp/text"
tap_check 'people get a verdict' grep -q '^verdict  *holds$' "$tap_tmp/text"
ctl alpha verify "$run" --format xml >/dev/null 2>&1
tap_same 'there is no such format' 2 $?
ctl alpha verify 0000beef >/dev/null 2>&1
tap_same 'nor such a run' 2 $?

again=$(ctl beta submit "$dir/p.yaml" -p word=odd 2>/dev/null)
ctl beta wait "$again" >/dev/null 2>&1
verified gamma "$again" 0
tap_same 'results of another run are checked as well' '4' "$(of .recalled)"

# ---- a statement ----

ctl beta verify "$run" --format slsa >"$tap_tmp/slsa" 2>"$tap_tmp/err"
tap_same 'provenance of a run that holds' 0 $?
tap_diag <"$tap_tmp/err"
ctl beta outputs "$run" --to "$tap_tmp/files" >/dev/null 2>&1
sha()
{
	sha256sum "$tap_tmp/files/$1" | cut -d ' ' -f 1
}
tap_same 'its subjects are the files, by digests that others know' \
	"$(for f in a/a.txt 'b[1]/b-1.txt' 'b[2]/b-2.txt' sum/sum.txt; do
		echo "$f $(sha "$f")"
	done)" "$(jq -r '.subject[] | "\(.name) \(.digest.sha256)"' "$tap_tmp/slsa")"
tap_check 'it has the form of in-toto and SLSA' jq -e '
	._type == "https://in-toto.io/Statement/v1"
	and .predicateType == "https://slsa.dev/provenance/v1"
	and (.predicate.buildDefinition | (.buildType | type == "string")
		and (.externalParameters.pipeline.digest.sha256 | test("^[0-9a-f]{64}$"))
		and .externalParameters.params == { word: "odd" }
		and (.internalParameters.modules | length) == 5
		and ([.resolvedDependencies[].name] == ["inputs/src/a", "inputs/src/b"])
		and all(.resolvedDependencies[]; .digest | has("sha256") and has("blake2b_256")))
	and (.predicate.runDetails | (.builder.id | type == "string")
		and (.metadata.startedOn | test("^20..-..-..T..:..:..Z$"))
		and (.metadata.finishedOn | test("^20..-..-..T..:..:..Z$"))
		and any(.byproducts[]; .name == "logs/a/stdout"))' "$tap_tmp/slsa"
tap_check 'whatever it names has only fields that the specification knows' jq -e '
	def resource: (keys - ["uri", "digest", "name", "downloadLocation", "mediaType", "content",
		"annotations"] == []) and (.digest | length > 0 and all(.[]; type == "string"));
	keys == ["_type", "predicate", "predicateType", "subject"]
	and (.predicate | keys == ["buildDefinition", "runDetails"])
	and (.predicate.buildDefinition | keys == ["buildType", "externalParameters",
		"internalParameters", "resolvedDependencies"])
	and (.predicate.runDetails | keys == ["builder", "byproducts", "metadata"])
	and (.predicate.runDetails.metadata | keys == ["finishedOn", "invocationId", "startedOn"])
	and ([.predicate.buildDefinition.buildType, .predicate.runDetails.builder.id]
		| all(test("^[a-z]+:[^ ]+$")))
	and all(.subject[], .predicate.buildDefinition.resolvedDependencies[],
		.predicate.runDetails.byproducts[]; resource)
	and ([.subject[].name] | length == (unique | length))' "$tap_tmp/slsa"
tap_same 'and names the run' "$run" \
	"$(jq -r .predicate.runDetails.metadata.invocationId "$tap_tmp/slsa")"
tap_same 'the file that was read by the run has its digest' \
	"$(sha256sum "$dir/src/a" | cut -d ' ' -f 1)" "$(jq -r '.predicate.buildDefinition
		.resolvedDependencies[] | select(.name == "inputs/src/a") | .digest.sha256' \
		"$tap_tmp/slsa")"

# ---- a leader that is killed, a run that goes on ----

has_other()
{
	case $(run_leader "$1" "$run") in
	'' | "$2") return 1 ;;
	esac
}

journal_pipeline "$tap_tmp/j.yaml" 4 8 0.2
run=$(ctl alpha submit "$tap_tmp/j.yaml") || cli_die 'submit'
until_true 20 has_other alpha nobody || cli_die 'somebody leads the run'
first=$(run_leader alpha "$run")
for witness in alpha beta gamma; do
	[ "$witness" = "$first" ] || break
done
until_true 30 busy_on "$witness" "$run" 4 "$first" || cli_die "modules run on $first"
verified "$witness" "$run" 0
tap_same 'a run that is under way' running "$(of .state)"
ctl "$witness" verify "$run" --format slsa >/dev/null 2>&1
tap_same 'there is no statement of that' 2 $?
node_kill "$first"
ctl "$witness" wait "$run" >/dev/null 2>&1
tap_same 'another one brings it to its end' 0 $?
verified "$witness" "$run" 0
tap_check 'two leaders had a majority' test "$(of '.terms > 1')" = true
tap_check 'who is away is named' test "$(of 'all(.findings[]; .weight == "note")')" = true
node_start "$first"
until_true 20 knows "$first" 3 || cli_die 'the killed node is back'
verified "$first" "$run" 0

# ---- bytes that are wrong wherever they are ----

for node in alpha beta gamma; do
	node_stop $node
	LC_ALL=C grep -abo 'a-quick-brown-marker' "$tap_tmp/$node/cache.db" |
		while IFS=: read -r at _; do
			printf X | dd of="$tap_tmp/$node/cache.db" bs=1 seek="$at" \
				conv=notrunc 2>/dev/null
		done
done
for node in alpha beta gamma; do
	node_start $node
done
for node in alpha beta gamma; do
	until_true 20 knows $node 3 || cli_die "$node knows all members"
done
verified beta "$again" 8
tap_check 'the module is named' named blob a
tap_check 'and the file' grep -q 'a.txt: damaged, and no node has a good copy' "$tap_tmp/out"
tap_check 'and who had the copies' test "$(of '[.findings[] | select(.weight == "note"
	and (.text | startswith("a.txt")) and .node != null)] | length')" -ge 2
ctl beta verify "$again" --format slsa >"$tap_tmp/slsa" 2>"$tap_tmp/err"
tap_same 'of that there is no statement' 8 $?
tap_check 'but the reason' grep -q 'blob: a: a.txt' "$tap_tmp/err"
tap_same 'and nothing else' 0 "$(wc -c <"$tap_tmp/slsa")"

# ---- a node that is shut out ----

who=$(ctl alpha show "$run" --json | jq -r '[.modules[].node | select(. != "alpha")][0]')
ctl alpha revoke "$who" >/dev/null 2>&1
tap_same "$who is shut out" 0 $?
verified alpha "$run" 0
tap_check 'what it signed before holds, and is named' test "$(of '[.findings[]
	| select(.check == "signer" and .weight == "note" and .module != null)] | length')" -gt 0

# ---- a log that was edited by who has the disk, and puts all checksums right ----

node_start solo
cat >"$tap_tmp/s.yaml" <<'YAML'
meshpipe: 1
modules:
  one: { run: "echo x >x", outputs: [x] }
  two: { needs: [one], run: "cat x" }
YAML
run=$(ctl solo submit "$tap_tmp/s.yaml" --wait 2>/dev/null)
verified solo "$run" 0
tap_same 'seven entries' 7 "$(of .entries)"
node_stop solo
cp -Rp "$tap_tmp/solo" "$tap_tmp/sound"

# edited WHAT COMMAND...: of a log that was sound, and of no use any more
edited()
{
	cli_edit=$1
	shift
	rm -rf "$tap_tmp/solo"
	cp -Rp "$tap_tmp/sound" "$tap_tmp/solo"
	"$@" || cli_die "$cli_edit: edited"
	node_start solo
	verified solo "$run" 8
	tap_check "$cli_edit: it is not what its leader signed the end of" named end
	node_stop solo
}

db=$tap_tmp/solo/control.db
edited 'a vote' "$falsify" "$db" 1 -10
edited 'a result' "$falsify" "$db" 4 -300
edited 'the time of the end' "$falsify" "$db" 7 -4
edited 'no end' sqlite3 "$db" 'DELETE FROM entry WHERE key = (SELECT max(key) FROM entry)'
tap_end
