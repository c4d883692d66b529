#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A node whose control.db is damaged, and one whose control.db is gone: both say what to do, and
# come back as themselves without having a say in runs from before, which go on.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
cluster alpha beta gamma
journal_pipeline "$tap_tmp/p.yaml" 4 10 0.3
run=$(ctl alpha submit "$tap_tmp/p.yaml") || cli_die 'submit'
id=$(ctl beta nodes --json | jq -r '.nodes[] | select(.name == "gamma") | .id')

until_true 30 busy_on alpha "$run" 4 gamma || cli_die 'modules run on gamma'
remember alpha "$run"
node_stop gamma
# Every page but the first.
size=$(($(wc -c <"$tap_tmp/gamma/control.db") / 4096 - 1))
dd if=/dev/zero of="$tap_tmp/gamma/control.db" bs=4096 count="$size" seek=1 conv=notrunc \
	2>/dev/null
"$mpnode" start --state "$tap_tmp/gamma" </dev/null >/dev/null 2>"$tap_tmp/start.err"
tap_same 'it does not start on a damaged database' 1 $?
tap_check 'and says what to do' grep -q 'mpnode join --again' "$tap_tmp/start.err"
tap_diag <"$tap_tmp/start.err"

# again NODE SEED
again()
{
	cli_serve "$1" join --again "$(node_address "$2")" --listen 127.0.0.1:0 \
		--slots "$cli_slots"
}
again gamma alpha
tap_check 'it says that it has lost something' grep -q 'coming back without' "$tap_tmp/gamma.log"
tap_check 'what was there is set aside' sh -c "ls '$tap_tmp/gamma' | grep -q 'control.db.lost-'"
tap_check 'all know it again' until_true 30 knows gamma 3
tap_same 'as the same node' "$id" \
	"$(ctl beta nodes --json | jq -r '.nodes[] | select(.name == "gamma") | .id')"
tap_check 'it answers for the run' until_true 20 sh -c \
	"'$mpctl' --state '$tap_tmp/gamma' show '$run' >/dev/null 2>&1"
survived alpha "$run"

# One that is replaced while a run goes on has its say in it again: then the run can do without
# another one, its leader.
journal_pipeline "$tap_tmp/q.yaml" 4 14 0.4
run=$(ctl beta submit "$tap_tmp/q.yaml") || cli_die 'submit once more'
until_true 30 busy_on alpha "$run" 4 gamma || cli_die 'modules run on gamma once more'
node_kill gamma
rm -f "$tap_tmp/gamma/control.db" "$tap_tmp/gamma/control.db-wal" "$tap_tmp/gamma/control.db-shm"
again gamma alpha
let_in()
{
	ctl "$1" show "$run" --events | awk '/elector back/ { back = NR }
		END { exit !(back > 0 && NR > back + 5) }'
}
tap_check 'a run in which it is an elector lets it in again' until_true 20 let_in gamma
remember gamma "$run"
node_kill beta
survived gamma "$run"
node_start beta
tap_check 'all know that one again' until_true 30 knows beta 3

# The founder, without any database.
node_kill alpha
rm -f "$tap_tmp/alpha/control.db" "$tap_tmp/alpha/control.db-wal" "$tap_tmp/alpha/control.db-shm"
"$mpnode" start --state "$tap_tmp/alpha" </dev/null >/dev/null 2>"$tap_tmp/start.err"
tap_same 'the founder does not begin anew' 1 $?
tap_check 'and says what to do' grep -q 'mpnode join --again' "$tap_tmp/start.err"
again alpha beta
tap_check 'all know it again' until_true 30 knows beta 3
node_kill alpha
node_start alpha
tap_check 'and it starts as ever from now on' until_true 30 knows alpha 3

# A directory that is restored from a copy, of which the others know later lives. It was out of work
# when it was copied, and is when it comes back.
ctl alpha drain beta >/dev/null 2>&1 || cli_die 'drain beta'
node_stop beta
cp -a "$tap_tmp/beta" "$tap_tmp/copy"
for _ in 1 2 3; do
	node_start beta
	until_true 30 knows alpha 3 || cli_die 'beta is back'
	node_stop beta
done
rm -rf "$tap_tmp/beta"
mv "$tap_tmp/copy" "$tap_tmp/beta"
node_start beta
stopped()
{
	! kill -0 "$(node_pid beta)" 2>/dev/null
}
tap_check 'a restored node stops by itself' until_true 60 stopped
tap_check 'and says why' grep -q 'quarantine: another node runs, or ran' "$tap_tmp/beta.log"
again beta alpha
tap_check 'it comes back' until_true 30 knows beta 3
drains()
{
	ctl "$1" nodes --json |
		jq -e --arg name "$2" '.nodes[] | select(.name == $name) | .status == "draining"' \
			>/dev/null
}
tap_check 'draining, as it was' until_true 20 drains alpha beta
tap_check 'which it says' grep -q 'mpctl undrain beta' "$tap_tmp/beta.log"
ctl beta undrain beta >/dev/null 2>&1
node_kill beta
node_start beta
works()
{
	knows alpha 3 && ! drains alpha beta
}
tap_check 'until it is ended' until_true 20 works
tap_end
