#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The run protocol as a model (run.pml), exhausted by Spin: what must hold does, and each mutant
# breaks what it is there to break. MP_MODEL_TERMS=3 is a pass of minutes and gigabytes.
. "${top_srcdir:=.}/tests/tap.sh"

if ! command -v spin >/dev/null; then
	echo 'model.sh: no spin here: THE PROTOCOL IS NOT MODEL-CHECKED (apt-get install spin)' >&2
	tap_skip_all 'no spin (Debian: spin); the protocol is not model-checked'
fi
model=$(cd "$top_srcdir/tests/model" && pwd)/run.pml
cd "$tap_tmp" || exit 1
: "${CC:=cc}"
terms=${MP_MODEL_TERMS:-2}

# explore OPTIMISATION DEFINITIONS...: leaves what pan said in out.
explore()
{
	level=$1
	shift
	rm -f pan* ./*.trail
	spin -a "$@" "$model" >out 2>&1 &&
		$CC "$level" -w -DSAFETY -DNOFAIR -DNOREDUCE -DMEMLIM=4000 -o pan pan.c \
			>>out 2>&1 &&
		./pan -m100000 -w22 >out 2>&1
}

# Every state was visited, and none is wrong.
exhausted()
{
	explore -O1 "$@"
	cat out
	grep -q 'errors: 0' out && ! grep -Eq 'too small|out of memory|Search not completed' out
}

# The assertion that fails is the one with this text.
caught()
{
	word=$1
	shift
	explore -O0 "$@"
	cat out
	grep 'assertion violated' out | grep -qF "$word"
}

holds()
{
	what=$1
	shift
	tap_check "holds: $what" exhausted "$@"
	tap_diag "$(grep -o '[0-9]* states, stored' out)"
}

breaks()
{
	what=$1
	shift
	tap_check "a mutant is caught: $what" caught "$@"
}

holds 'electors and logs, four terms' -DLOG_ONLY -DASYNC -DMAXT=4
holds 'an elector that loses what it had' -DLOG_ONLY -DASYNC -DLOSSES=1 -DMAXT=3
holds 'electors that lose what they had, twice' -DLOG_ONLY -DASYNC -DLOSSES=2 -DMAXT=2
holds 'a module and two workers' -DMAXT="$terms"
holds 'a module, clocks that lie, stale leaders' -DASYNC -DONE_WORKER -DMAXT="$terms"
holds 'a once module, clocks that lie, stale leaders' -DONCE -DASYNC -DMAXT=2

breaks 'quorum from the view' ruler -DMUTANT_VIEW_QUORUM -DLOG_ONLY -DASYNC -DMAXT=2
breaks 'vote not persisted' ruler -DMUTANT_VOTE_NOT_PERSISTED -DLOG_ONLY -DASYNC -DMAXT=2
breaks 'entries of an old term counted' '(done&' -DMUTANT_OLD_TERM_COMMIT -DLOG_ONLY -DASYNC \
	-DMAXT=4
breaks 'an elector forgets that it has lost its votes' ruler -DMUTANT_LOSS_FORGOTTEN -DLOG_ONLY \
	-DASYNC -DLOSSES=1 -DMAXT=2
breaks 'an elector counts again before its return is committed' ruler -DMUTANT_REGAINED_EARLY \
	-DLOG_ONLY -DASYNC -DLOSSES=1 -DMAXT=2
breaks 'no term start' 'done>>' -DMUTANT_NO_TERM_START -DMAXT=2
breaks 'no term start, clocks that lie' 'done>>' -DMUTANT_NO_TERM_START -DASYNC -DONE_WORKER \
	-DMAXT=2
breaks 'no lease' 'done>>' -DMUTANT_NO_LEASE -DMAXT=2
breaks 'no fence' obeyed -DMUTANT_NO_FENCE -DASYNC -DONE_WORKER -DMAXT=2
breaks 'fence not persisted' obeyed -DMUTANT_FENCE_NOT_PERSISTED -DASYNC -DONE_WORKER -DMAXT=2
breaks 'workers are not asked' has -DMUTANT_NO_ADOPTION -DMAXT=2
breaks 'once handed out before its begin is committed' starts -DMUTANT_EARLY_ONCE -DONCE -DASYNC \
	-DMAXT=2
breaks 'once started without a note on disk' starts -DMUTANT_NOT_STARTED -DONCE -DASYNC -DMAXT=2
tap_end
