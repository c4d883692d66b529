#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Clocks that are an hour wrong: of who joins, of who lets it in, of who asks from elsewhere. Each
# is told whose clock it is and what to do, and nobody tries for ever.
. "${top_srcdir:=.}/tests/cli/lib.sh"
cli_needs jq
skew=$top_builddir/tests/cli/illness.so
[ -z "${MP_UNDER-}" ] || tap_skip_all 'nothing is preloaded into what runs under something else'
LD_PRELOAD=$skew "$mpnode" --version >/dev/null 2>&1 ||
	tap_skip_all 'nothing can be preloaded into this build'

# at SECONDS COMMAND...: with a clock that is so far ahead
at()
{
	at_skew=$1
	shift
	LD_PRELOAD=$skew MP_ILL_CLOCK_S=$at_skew "$@"
}

# joins NAME SECONDS TOKEN: its exit status; what it says in $tap_tmp/said
joins()
{
	at "$2" timeout 30 "$mpnode" join "$address" --state "$tap_tmp/$1" --name "$1" \
		--listen 127.0.0.1:0 --token-file "$3" </dev/null >/dev/null 2>"$tap_tmp/said"
	joins_status=$?
	tap_diag <"$tap_tmp/said"
	return $joins_status
}

cluster alpha beta
address=$(node_address alpha)
(umask 077 && ctl alpha --quiet invite --expires 30m >"$tap_tmp/short")
joins late 3600 "$tap_tmp/short"
tap_same 'a joiner an hour ahead does not join by an invite for less' 1 $?
tap_check 'it says by whose clock' grep -q 'expired 18[0-9][0-9] s ago, by the clock here' \
	"$tap_tmp/said"
joins early -3600 "$tap_tmp/short"
tap_same 'nor does one an hour behind' 1 $?
tap_check 'it says whose clock is wrong, by how much, and what to do' \
	grep -q 'another 35[0-9][0-9] s: the clock here is that much.*set it right' "$tap_tmp/said"

# Invites are judged by who lets in: an hour ahead it finds that one expired, and says who it is.
node_stop alpha
LD_PRELOAD=$skew
MP_ILL_CLOCK_S=3600
export LD_PRELOAD MP_ILL_CLOCK_S
node_start alpha
unset LD_PRELOAD MP_ILL_CLOCK_S
joins by-alpha 0 "$tap_tmp/short"
tap_same 'a member an hour ahead refuses it, for good' 3 $?
tap_check 'it says which member that was' grep -q 'at alpha: the invite expired' "$tap_tmp/said"
address=$(node_address beta)
(umask 077 && ctl alpha --quiet invite >"$tap_tmp/ahead")
joins by-beta 0 "$tap_tmp/ahead"
tap_same 'an invite that it makes begins in an hour elsewhere' 1 $?
tap_check 'it says so' grep -q 'not valid for another 35[0-9][0-9] s' "$tap_tmp/said"
knows_skew()
{
	ctl beta health --json | jq -e 'any(.problems[]; .text | test("clock"))' >/dev/null
}
tap_check 'mpctl health at a member with a right clock names it' until_true 20 knows_skew

# Work goes on all the same.
printf 'meshpipe: 1\nmodules: { a: { run: [echo, fine] } }\n' >"$tap_tmp/p.yaml"
ctl beta submit "$tap_tmp/p.yaml" --wait >/dev/null 2>&1
tap_same 'runs do not mind' 0 $?

# Who asks from elsewhere.
"$mpctl" identity new --out "$tap_tmp/ada" --name ada >/dev/null 2>&1
ctl alpha admit --request "$tap_tmp/ada.request" --role observe --expires 30m >"$tap_tmp/ada.token"
"$mpctl" identity accept "$tap_tmp/ada.token" --identity "$tap_tmp/ada" >/dev/null 2>"$tap_tmp/said"
timeout 30 "$mpctl" --node "$address" --identity "$tap_tmp/ada" nodes >/dev/null 2>"$tap_tmp/said"
tap_same 'a certificate by a clock ahead is not good yet' 5 $?
tap_diag <"$tap_tmp/said"
tap_check 'it says so' grep -q 'not valid for another 35[0-9][0-9] s' "$tap_tmp/said"
tap_end
