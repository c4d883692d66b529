#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# "Three machines" of the README, word for word: three machines of their own, nothing but what
# stands there typed on each, and in the end three members.
. "${top_srcdir:=.}/tests/cli/lib.sh"
. "$top_srcdir/tests/net/lib.sh"
cli_needs jq
net_make n1 n2 n3

# A machine has a name, knows the others by theirs, and has a /var of its own.
printf '127.0.0.1 localhost\n%s one\n%s two\n%s three\n' \
	"$(node_host n1)" "$(node_host n2)" "$(node_host n3)" >"$tap_tmp/hosts"
cat >"$tap_tmp/machine" <<END
#!/bin/sh
hostname "\$1" && mkdir -p '$tap_tmp'/var/\$1/lib && mount --bind '$tap_tmp/hosts' /etc/hosts &&
	mount --bind '$tap_tmp'/var/\$1 /var || exit 99
PATH='$top_builddir':\$PATH
shift
eval "exec \$*"
END
chmod +x "$tap_tmp/machine"
unshare -mu "$tap_tmp/machine" one true 2>"$tap_tmp/mount.log" ||
	tap_skip_all "NO MOUNTS OF OUR OWN ($(tail -n 1 "$tap_tmp/mount.log")): THE README WAS \
NOT TYPED"

net_of()
{
	case $1 in
	one) echo n1 ;;
	two) echo n2 ;;
	three) echo n3 ;;
	esac
}

# type_at MACHINE COMMAND: as a person does, in place of this shell
type_at()
{
	unset XDG_CACHE_HOME
	cd / && node_in "$(net_of "$1")" unshare -mu "$tap_tmp/machine" "$@"
}

# At one, and what that prints in $tap_tmp/out.
ask()
{
	(type_at one "$1") </dev/null >"$tap_tmp/out" 2>"$tap_tmp/said"
}

fingerprint()
{
	sed -n 's/.*mpctl admit \([0-9a-f]\{64\}\)$/\1/p' "$tap_tmp/$1.log"
}

# What it prints when it waits, or serves.
settled()
{
	[ -n "$(fingerprint "$1")" ] || grep -q '^ready' "$tap_tmp/$1.out"
}

listed()
{
	ask "$command" && [ "$(grep -c ' node ' "$tap_tmp/out")" -eq 2 ]
}

members()
{
	ask "$command" && [ "$(grep -c alive "$tap_tmp/out")" -eq 3 ]
}

# All lines of its blocks that begin with a machine, without what is behind them.
awk '/^## / { on = $0 == "## Three machines" } on && /^(one|two|three)\$ / {
	sub(/ *#.*/, ""); sub(/\$ +/, " "); print }' "$top_srcdir/README.md" >"$tap_tmp/typed"
tap_same 'the README has a command for each machine, and what lets them in' 6 \
	"$(grep -c . "$tap_tmp/typed")"
while read -r machine command; do
	case $command in
	mpnode*)
		(type_at "$machine" "$command") </dev/null >"$tap_tmp/$machine.out" \
			2>"$tap_tmp/$machine.log" &
		cli_pids="$cli_pids $!"
		tap_check "$machine: $command" until_true 30 settled "$machine"
		;;
	*pending)
		tap_check "$machine: $command" until_true 20 listed
		tap_check 'it says which cluster that is, as those that wait do' grep -q \
			"of cluster $(sed -n 's/.*cluster \([0-9a-f]\{64\}\)$/\1/p' \
				"$tap_tmp/said")" "$tap_tmp/two.log"
		;;
	*FINGERPRINT)
		for who in two three; do
			ask "${command%FINGERPRINT}$(fingerprint "$who")"
			tap_same "$machine: $command, of $who" 0 $?
		done
		;;
	*nodes)
		tap_check "$machine: $command: all three are members" until_true 30 members
		tap_diag <"$tap_tmp/out"
		;;
	esac
done <"$tap_tmp/typed"
tap_end
