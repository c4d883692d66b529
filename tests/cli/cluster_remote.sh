#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Controlling nodes from elsewhere: identities, how they are admitted, what each role may do, when
# it ends; and who may use the control socket.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq

cluster alpha beta
address=$(node_address alpha)
beta_address=$(node_address beta)
pipeline=$top_srcdir/contrib/examples/hello.yaml

# far IDENTITY ADDRESS ARG...: mpctl from elsewhere
far()
{
	far_who=$1
	far_where=$2
	shift 2
	timeout 50 "$mpctl" --node "$far_where" --identity "$tap_tmp/$far_who" "$@"
}

# refuses WHAT CODE ARG...: mpctl ends with this status, and says why
refuses()
{
	far_what=$1
	far_code=$2
	shift 2
	far "$@" >"$tap_tmp/out" 2>"$tap_tmp/err"
	tap_same "$far_what" "$far_code" $?
	tap_diag <"$tap_tmp/err"
}

"$mpctl" identity new --out "$tap_tmp/olga" --name olga --json >"$tap_tmp/made" 2>"$tap_tmp/err"
tap_same 'an identity is made' 0 $?
tap_same 'its key is its own' 600 "$(stat -c %a "$tap_tmp/olga")"
olga=$(jq -r .fingerprint "$tap_tmp/made")
tap_same 'a fingerprint is shown' 64 "${#olga}"
"$mpctl" identity new --out "$tap_tmp/olga" >/dev/null 2>&1
tap_check 'no key is written over' test $? -ne 0

refuses 'who is not admitted sees nothing' 5 olga "$address" nodes
tap_check 'it says what to do' grep -q "mpctl admit $olga" "$tap_tmp/err"
ctl beta --quiet pending --json >"$tap_tmp/pending"
tap_same 'it is listed as a person' person \
	"$(jq -r --arg id "$olga" '.pending[] | select(.fingerprint == $id) | .kind' \
		"$tap_tmp/pending")"
ctl alpha admit "$olga" >/dev/null 2>"$tap_tmp/err"
tap_same 'a person gets no role by itself' 2 $?
ctl alpha admit "$olga" --role node >/dev/null 2>"$tap_tmp/err"
tap_same 'nor that of a node' 2 $?
ctl alpha admit "$olga" --role observe >/dev/null 2>"$tap_tmp/err"
tap_same 'it is admitted to observe' 0 $?
tap_same 'then it sees' 2 "$(far olga "$beta_address" nodes --json | jq '.nodes | length')"
tap_same 'at any node' 2 "$(far olga "$address" nodes --json | jq '.nodes | length')"
tap_same 'and no node was made of it' 2 "$(ctl alpha nodes --json | jq '.nodes | length')"
tap_same 'it knows what it may' observe \
	"$("$mpctl" identity show --identity "$tap_tmp/olga" --json | jq -r .roles)"

run=$(ctl alpha submit "$pipeline" --wait)
tap_same 'it sees runs' succeeded "$(far olga "$address" show "$run" --json | jq -r .state)"
far olga "$address" logs "$run" >/dev/null 2>"$tap_tmp/err"
tap_same 'and logs' 0 $?
far olga "$address" outputs "$run" --to "$tap_tmp/far" >/dev/null 2>"$tap_tmp/err"
tap_same 'and outputs' 0 $?
tap_check 'which are there' test -n "$(find "$tap_tmp/far" -type f -size +0)"
for what in "submit $pipeline" "cancel $run" 'drain beta' invite \
	"secrets $run" "admit --request $tap_tmp/olga.request --role admin"; do
	# shellcheck disable=SC2086
	refuses "observing does not allow: ${what%% *}" 5 olga "$address" $what
done
tap_same 'nothing has changed' 1 "$(ctl alpha runs --json | jq '.runs | length')"

# By a file, there and back.
"$mpctl" identity new --out "$tap_tmp/sam" --name sam >/dev/null 2>&1
ctl alpha admit --request "$tap_tmp/sam.request" --role submit >"$tap_tmp/sam.token"
tap_same 'a request in a file is admitted' 0 $?
"$mpctl" identity accept "$tap_tmp/sam.token" --identity "$tap_tmp/olga" >/dev/null 2>&1
tap_check 'the token is of no use to another one' test $? -ne 0
"$mpctl" identity accept "$tap_tmp/sam.token" --identity "$tap_tmp/sam" >/dev/null
tap_same 'its owner takes it' 0 $?
tap_same 'and needs nobody else' 2 \
	"$(far sam "$address" nodes --json | jq '.nodes | length')"
refuses 'a node that does not trust submitters takes nothing' 5 sam "$address" submit "$pipeline"
tap_check 'it says why' grep -q -e '--trust-submitters' "$tap_tmp/err"
tap_check 'and how it would' grep -q -e '--run-as USER' "$tap_tmp/err"
node_stop beta
node_start beta --trust-submitters
beta_address=$(node_address beta)
until_true 20 knows beta 2
far_run=$(far sam "$beta_address" submit "$pipeline" --wait 2>"$tap_tmp/err")
tap_same 'one that does takes it' 0 $?
tap_diag <"$tap_tmp/err"
tap_same 'and it runs' succeeded "$(ctl alpha show "$far_run" --json | jq -r .state)"
printf '%s\n' 'meshpipe: 1' 'name: far' 'secrets: [TOKEN]' 'modules:' '  a:' \
	'    secrets: [TOKEN]' '    run: echo "is $TOKEN"' >"$tap_tmp/far.yaml"
far_run=$(TOKEN=sesame-4711 far sam "$beta_address" submit "$tap_tmp/far.yaml" --wait 2>/dev/null)
tap_same 'its secrets come with it' 'a | is ***' "$(far olga "$address" logs "$far_run" 2>&1)"
refuses 'submitting does not allow to drain' 5 sam "$beta_address" drain alpha

"$mpctl" identity new --out "$tap_tmp/ada" --name ada >/dev/null 2>&1
refuses 'the first time it is not admitted' 5 ada "$address" nodes
ctl alpha admit --role admin \
	"$("$mpctl" identity show --identity "$tap_tmp/ada" --json | jq -r .fingerprint)" \
	>/dev/null
far ada "$address" drain beta
tap_same 'an admin drains' 0 $?
far ada "$address" undrain beta
tap_same 'and undrains' 0 $?
far ada "$address" invite >"$tap_tmp/token2"
tap_same 'and invites' 0 $?
tap_check 'with a token' test -s "$tap_tmp/token2"
refuses 'but does not submit where nobody does' 5 ada "$address" submit "$pipeline"

# All that can be asked from elsewhere, by each role: 5 where it may not, else what comes of it. Of
# most that an admin may nothing does here: it names what does not exist, or changes nothing.
cp "$tap_tmp/alpha/authority.key" "$tap_tmp/beta/authority.key"
none=$(printf '%032d' 0)
while read -r least what; do
	for who in olga:1 sam:2 ada:3; do
		# shellcheck disable=SC2086
		far "${who%:*}" "$beta_address" $what >"$tap_tmp/out" 2>"$tap_tmp/err" </dev/null
		code=$?
		may=$([ "${who#*:}" -ge "$least" ] && echo yes || echo no)
		told=$([ $code -ne 5 ] && echo yes || echo no)
		[ $code -ne 4 ] || told="no answer"
		tap_same "may ${who%:*}: ${what%% /*}" "$may" "$told"
		[ "$may" = "$told" ] || tap_diag <"$tap_tmp/err"
	done
done <<-EOF
	1 nodes
	1 runs
	1 show $run
	1 show $run --events
	1 wait $run
	1 logs $run
	1 outputs $run
	1 verify $run
	1 pending
	1 health
	1 authority show
	1 cache stat
	2 submit $pipeline
	2 cancel $none
	2 resolve $none a done
	2 secrets $none
	3 drain nobody
	3 undrain nobody
	3 node set --slots 2
	3 invite --expires 1s
	3 admit --request $tap_tmp/sam.request --role submit --expires 1s
	3 revoke nobody --authority $tap_tmp/alpha/authority.key
	3 keys rotate
	3 takeover $none
	3 cache check
EOF
rm "$tap_tmp/beta/authority.key"

# The end of a certificate: nothing new is asked with it, and who is in does not stay.
printf '%s\n' 'meshpipe: 1' 'modules:' '  a:' '    cache: false' \
	"    run: while [ ! -e '$tap_tmp/gate' ]; do echo tick; sleep 0.2; done" \
	>"$tap_tmp/long.yaml"
long=$(ctl alpha submit "$tap_tmp/long.yaml") || cli_die 'submit'
"$mpctl" identity new --out "$tap_tmp/tim" --name tim >/dev/null 2>&1
ctl alpha admit --request "$tap_tmp/tim.request" --role observe --expires 3s >"$tap_tmp/token3"
"$mpctl" identity accept "$tap_tmp/token3" --identity "$tap_tmp/tim" >/dev/null 2>"$tap_tmp/err"
tap_same 'before its end it is good' 2 \
	"$(far tim "$address" nodes --json | jq '.nodes | length')"
far tim "$address" logs "$long" --follow >"$tap_tmp/followed" 2>"$tap_tmp/tim.err" &
follower=$!
cli_pids="$cli_pids $follower"
tap_check 'it follows a run' until_true 10 grep -q tick "$tap_tmp/followed"
expired()
{
	! far tim "$address" nodes >/dev/null 2>"$tap_tmp/err"
}
tap_check 'after it is not' until_true 20 expired
tap_check 'and it says so' grep -q expired "$tap_tmp/err"
gone()
{
	! kill -0 "$1" 2>/dev/null
}
tap_check 'who followed a run does so no more' until_true 20 gone $follower
wait $follower
tap_same 'as one that may not' 5 $?
cli_forget $follower
tap_check 'and is told why' grep -q expired "$tap_tmp/tim.err"
tap_diag <"$tap_tmp/tim.err"

# A key that is shut out.
"$mpctl" identity new --out "$tap_tmp/eve" --name eve >/dev/null 2>&1
ctl alpha admit --request "$tap_tmp/eve.request" --role admin >"$tap_tmp/token4"
"$mpctl" identity accept "$tap_tmp/token4" --identity "$tap_tmp/eve" >"$tap_tmp/out"
tap_same 'another one is good' 2 "$(far eve "$address" nodes --json | jq '.nodes | length')"
far eve "$beta_address" logs "$long" --follow >"$tap_tmp/followed" 2>"$tap_tmp/eve.err" &
follower=$!
cli_pids="$cli_pids $follower"
tap_check 'it follows a run' until_true 10 grep -q tick "$tap_tmp/followed"
ctl alpha revoke "$("$mpctl" identity show --identity "$tap_tmp/eve" --json |
	jq -r .fingerprint)" >/dev/null 2>"$tap_tmp/err"
tap_same 'until its key is revoked' 0 $?
tap_diag <"$tap_tmp/err"
refuses 'then it is not' 5 eve "$address" nodes
shut_out()
{
	! far eve "$beta_address" nodes >/dev/null 2>&1
}
tap_check 'at no node' until_true 20 shut_out
tap_check 'and who was in is out' until_true 20 gone $follower
wait $follower
tap_check 'with an error' test $? -ne 0
cli_forget $follower
tap_diag <"$tap_tmp/eve.err"
: >"$tap_tmp/gate"
rm -f "$tap_tmp/eve.cert"
refuses 'nor may it wait again' 5 eve "$address" nodes
tap_check 'and it says why' grep -q revoked "$tap_tmp/err"

# Another cluster, another key.
node_start other
refuses 'an identity is for one cluster' 5 olga "$(node_address other)" nodes
cp "$tap_tmp/olga.cert" "$tap_tmp/sam.cert"
refuses "somebody else's certificate is refused" 5 sam "$address" nodes
"$mpctl" --node "$address" nodes >/dev/null 2>"$tap_tmp/err"
tap_same 'without an identity nothing is asked' 2 $?
refuses 'an identity that is not there' 2 nobody "$address" nodes
refuses 'nobody at that address' 4 olga 127.0.0.1:1 nodes
refuses 'an address that is none' 2 olga 127.0.0.1:none nodes
refuses 'a name that nobody has' 4 olga no..body nodes

# One that takes connections, and says nothing.
"$top_builddir/tests/cli/poke" hold tcp >"$tap_tmp/silent" &
cli_pids="$cli_pids $!"
until_true 10 test -s "$tap_tmp/silent" || cli_die 'somebody listens'
refuses 'nobody who answers' 4 olga "127.0.0.1:$(cat "$tap_tmp/silent")" wait 1234 --timeout 1h

# The control socket.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null && getent group nogroup >/dev/null; then
	as()
	{
		timeout 50 setpriv --reuid 65534 --regid "$1" --clear-groups -- \
			"$mpctl" --state "$tap_tmp/alpha" nodes --json 2>"$tap_tmp/err" |
			jq '.nodes | length'
	}
	chmod 711 "$tap_tmp"
	group=$(getent group nogroup | cut -d : -f 3)
	tap_same 'another user is kept out' '' "$(as "$group")"
	node_stop alpha
	node_start alpha --control-group nogroup
	until_true 20 knows alpha 2
	tap_same 'a member of the control group is not' 2 "$(as "$group")"
	tap_same 'others still are' '' "$(as 54321)"
	tap_same 'nor does the group read what is beside the socket' '' \
		"$(setpriv --reuid 65534 --regid "$group" --clear-groups -- \
			cat "$tap_tmp/alpha/control.db" "$tap_tmp/alpha/cache.db" \
			"$tap_tmp/alpha/node.key" "$tap_tmp/alpha/authority.key" 2>/dev/null)"
	node_stop alpha
	node_start alpha
	tap_same 'without the option it is as before' '' "$(as "$group")"
	"$mpnode" start --state "$tap_tmp/gone" --control-group 'no such group' \
		--listen 127.0.0.1:0 </dev/null >/dev/null 2>"$tap_tmp/err"
	tap_same 'a group that does not exist' 2 $?
else
	tap_skip 'the control group' 'needs root, setpriv and the group nogroup'
fi
tap_end
