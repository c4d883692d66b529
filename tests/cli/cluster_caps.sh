#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a node can do: what it finds and what it is told, at its start, by mpctl node set and by a
# file with SIGHUP; and modules go where they can run.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

# caps NODE NAME .JQ: of the capabilities of NAME, as NODE knows them
caps()
{
	ctl "$1" nodes --json | jq -c --arg name "$2" \
		".nodes[] | select(.name == \$name) | .capabilities | $3"
}

caps_are()
{
	[ "$(caps "$1" "$2" "$3")" = "$4" ]
}

slots_are()
{
	[ "$(ctl "$1" nodes --json | jq --arg name "$2" \
		'.nodes[] | select(.name == $name) | .slots')" = "$3" ]
}

# refused ARG...: node set at alpha
refused()
{
	ctl alpha node set "$@" 2>"$tap_tmp/said"
	tap_same "refused: $*" 2 $?
	tap_diag <"$tap_tmp/said"
}

# A tool of our own, of which there are two versions.
mkdir "$tap_tmp/bin"
PATH=$tap_tmp/bin:$PATH
export PATH
tool()
{
	printf '#!/bin/sh\necho "frobnicate %s"\n' "$1" >"$tap_tmp/bin/frobnicate"
	chmod +x "$tap_tmp/bin/frobnicate"
}
tool 1.2.3

node_start alpha --tag one --tag two --resource licence=2 --zone east
ctl alpha invite >"$tap_tmp/token"
node_join beta "$tap_tmp/token"
until_true 20 knows beta 2 || cli_die 'beta knows all members'
tap_same 'tags' '["one","two"]' "$(caps alpha alpha .tags)"
tap_same 'resources' 2 "$(caps alpha alpha .resources.licence)"
tap_same 'zone' '"east"' "$(caps alpha alpha .zone)"
tap_same 'kernel' "\"$(uname -r)\"" "$(caps alpha alpha .kernel)"
tap_check 'another node knows' until_true 10 caps_are beta alpha .zone '"east"'
tap_same 'it has a disk' true "$(caps beta alpha '.disk > 0')"
tap_same 'and a version' "\"$("$mpnode" --version | sed 's/.* //')\"" "$(caps beta alpha .version)"
make_version=$(make --version | sed -n '1s/.* //p')
tap_check 'tools have versions' until_true 60 caps_are beta alpha .tools.make "\"$make_version\""

ctl alpha node set --tag three --untag two --resource licence=0 --resource rig=1 --zone west \
	--slots 5
tap_same 'it is told other things while it runs' 0 $?
tap_same 'tags' '["one","three"]' "$(caps alpha alpha .tags)"
tap_same 'resources' '{"rig":1}' "$(caps alpha alpha '.resources | del(.gpu)')"
tap_check 'another node knows' until_true 10 caps_are beta alpha .zone '"west"'
tap_check 'the slots too' until_true 10 slots_are beta alpha 5
refused --slots many
refused --resource rig
refused --tag ' '
refused
tap_same 'what is refused changes nothing' '["one","three"]' "$(caps alpha alpha .tags)"

node_stop alpha
node_start alpha --tag one --tag two --zone north
tap_same 'it is kept over a restart' '["one","three"]' "$(caps alpha alpha .tags)"
tap_same 'before the options' '"west"' "$(caps alpha alpha .zone)"

cat >"$tap_tmp/p.yaml" <<'END'
meshpipe: 1
name: where
modules:
  a: { requires: { tags: [four] }, run: "echo $MP_NODE" }
  b: { requires: { tools: [frobnicate] }, run: "frobnicate" }
END
run=$(ctl beta submit "$tap_tmp/p.yaml")
unplaceable()
{
	[ "$(run_field beta "$run" '[.modules[].state] | unique | join(",")')" = unplaceable ]
}
tap_check 'nobody can run it' until_true 20 unplaceable
echo 'tag four' >"$tap_tmp/beta/node.conf"
echo 'tool frobnicate' >>"$tap_tmp/beta/node.conf"
kill -HUP "$(node_pid beta)"
ctl alpha wait "$run" 2>/dev/null
tap_same 'after SIGHUP somebody can' 0 $?
tap_same 'that one did' '["beta","beta"]' "$(run_field beta "$run" '[.modules[].node] | tostring')"
tap_check 'with the version' until_true 10 caps_are alpha beta .tools.frobnicate '"1.2.3"'

# One that is too old.
cat >"$tap_tmp/newer.yaml" <<'END'
meshpipe: 1
modules:
  a: { requires: { tools: [frobnicate>=2, frobnicate<3] }, run: "true" }
END
run=$(ctl beta submit "$tap_tmp/newer.yaml")
tap_check 'nobody has it in that version' until_true 20 unplaceable
ctl beta show "$run" >"$tap_tmp/why"
tap_check 'it is said which one there is' \
	grep -q 'tool frobnicate>=2 (it has 1\.2\.3)' "$tap_tmp/why"
tap_diag <"$tap_tmp/why"
tool 2.0.1
kill -HUP "$(node_pid beta)"
tap_check 'a newer one is seen' until_true 60 caps_are alpha beta .tools.frobnicate '"2.0.1"'
ctl alpha wait "$run" 2>/dev/null
tap_same 'and what has waited for it runs' 0 $?
sed 's/frobnicate<3/frobnicate<=3/' "$tap_tmp/newer.yaml" >"$tap_tmp/wrong.yaml"
ctl beta validate "$tap_tmp/wrong.yaml" 2>"$tap_tmp/said"
tap_same 'what is no version is refused' 3 $?
tap_check 'where it stands' grep -q "wrong.yaml:3:.*, as in gcc>=12; found 'frobnicate<=3'" \
	"$tap_tmp/said"
tap_diag <"$tap_tmp/said"
echo 'slots four' >"$tap_tmp/beta/node.conf"
kill -HUP "$(node_pid beta)"
wrong()
{
	grep -q 'node.conf: line 1: slots' "$tap_tmp/beta.log"
}
tap_check 'a mistake is told' until_true 10 wrong
tap_same 'and nothing changes' '["four"]' "$(caps beta beta .tags)"
node_stop beta
try_start beta
tap_same 'it does not start with it' 1 $?
tap_end
