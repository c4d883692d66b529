# SPDX-License-Identifier: Apache-2.0
# awk -f judge.awk FAULTS JOURNAL: what a run did wrong, a line each; figures after "# ".
#
# FAULTS has, in order of time,
#	finished MODULE MS		it was seen to have succeeded, before MS
#	hurt NODE FROM UNTIL		who ran there then may be taken for lost
#	cut NODE FROM UNTIL		a leader was cut off: of who began there then it alone knows
#
# Wrong is
#   - to begin a module after it was seen to have succeeded;
#   - to begin one a second time, when the node of the attempt before was not hurt in the meantime;
#   - the same, when that attempt had ended so long before the hurt that its result was taken.

BEGIN {
	# What a result needs at most on its way to a majority, with an election in between.
	settle_ms = 6000
}

FILENAME == ARGV[1] && $1 == "finished" {
	if (!($2 in finished))
		finished[$2] = $3
	next
}
FILENAME == ARGV[1] && $1 == "hurt" {
	hurts[$2]++
	from[$2, hurts[$2]] = $3
	until[$2, hurts[$2]] = $4
	next
}

FILENAME == ARGV[1] && $1 == "cut" {
	cuts[$2]++
	cut_from[$2, cuts[$2]] = $3
	cut_until[$2, cuts[$2]] = $4
	next
}

# Did an attempt begin on a leader that was cut off from all who could have logged it?
function in_cut(node, when,    i)
{
	for (i = 1; i <= cuts[node]; i++)
		if (cut_from[node, i] <= when && when <= cut_until[node, i])
			return 1
	return 0
}

# When a node was first hurt that had an attempt since then; 0: never.
function hurt_after(node, since,    i)
{
	for (i = 1; i <= hurts[node]; i++)
		if (until[node, i] >= since)
			return from[node, i] > since ? from[node, i] : since
	return 0
}

$1 == "begin" {
	name = $2
	if (name in finished && $6 > finished[name])
		print name " was finished, and began again on " $4
	if (name in began) {
		again++
		at = hurt_after(node[name], began[name])
		if (at > 0 && $6 - at > slowest)
			slowest = $6 - at
		if (in_cut(node[name], began[name]))
			unknown++
		else if (at == 0 || at > $6)
			print name " began on " $4 ", although " node[name] " had it and was well"
		else if (name in ended && ended[name] + settle_ms < at)
			print name " began on " $4 ", but had ended on " node[name] " " \
				(at - ended[name]) " ms before that was hurt"
		else if (name in ended)
			unheard++
	} else {
		modules++
	}
	began[name] = $6
	node[name] = $4
	begins++
	delete ended[name]
}
$1 == "end" {
	ended[$2] = $6
}

END {
	printf "# %d modules, %d attempts", modules, begins
	if (again > 0)
		printf "; %d again, as their node was hurt (%d of them at their end), within %d ms",
			again, unheard, slowest
	if (unknown > 0)
		printf "; %d of these began on a leader that was cut off", unknown
	print ""
}
