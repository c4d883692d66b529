/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run protocol as src/core has it (DESIGN 5): three electors, one module, two workers.
 *
 * Modelled: votes and terms on disk before they are said; a log of term starts, `once` begins and
 * results, sent entry by entry; a leader's own copy that counts only when its disk has it; commit
 * of entries of the own term; leases that rest on what electors promised; certificates that raise
 * fences, on disk before they are obeyed; offers under way while everything changes; attempts that
 * a new leader asks for before it hands out; results that workers keep until they are committed;
 * crashes of electors and workers, at any time and without number, with what was not synced lost.
 *
 * A message is either the state it leaves at its receiver, or (votes in sent[], acknowledgements in
 * held[], offers in fly[]) something that the receiver acts on whenever it likes; nothing is ever
 * guaranteed to arrive, so partitions need no modelling. What a node does before its disk has it
 * cannot be seen by others (core/out.h), except for a leader's entries: a step and its sync are one
 * here, and a crash in between is a crash before. Attempt ids are left out: terms differ, and a
 * counter within one is no protocol.
 *
 * Asserted, under the numbers of ARCHITECTURE where there is one:
 *   I1 one leader per term         I2 what is committed never changes
 *   I3 a leader of a later term holds all of it
 *   I4 no worker obeys below what it has obeyed before
 *   I5 one result is committed, and a finished module is handed out by nobody
 *   M1 a `once` module starts once, whatever happens
 *   M2 a module does not run in two places, unless one of them was taken for lost
 *
 * Variants of the right protocol, and what they give up:
 *   -DONCE      the module is `once`
 *   -DLOSSES=N  with -DLOG_ONLY: so many times an elector loses all that it had on its disk, its votes
 *               and acknowledgements included, and comes to count again (core/raft.h)
 *   -DASYNC     clocks lie, so that leases mean nothing, and silence counts as loss: a leader that
 *               was replaced goes on for as long as it likes. The last part of I5 and M2 are given
 *               up for it; nothing else may be.
 * Mutants, each of which must be caught: model.sh.
 */
#ifndef MAXT
#define MAXT 3 /* terms */
#endif
#ifdef ONCE
#define MAXLEN (MAXT + 2) /* entries */
#elif defined(LOSSES)
#define MAXLEN (MAXT + LOSSES)
#else
#define MAXLEN (MAXT + 1)
#endif

/* An entry is its term and its kind in five bits, a log is an integer, an index begins at 1. */
#define START  0
#define FINISH 1
#define BEGIN  2 /* of `once`, on worker 0; 3: on worker 1 */
#ifdef LOSSES
#define BACK(n) (1 + (n)) /* of the loss with that number, from 1 */
#endif
#define ENTRY(t, kind) ((t) << 2 | (kind))
#define AT(l, k)       ((l) >> (5 * ((k) - 1)) & 31)
#define PRE(l, k)      ((l) & ((1 << (5 * (k))) - 1))
#define IS(l, k, kind) (AT(l, k) > 3 && (AT(l, k) & 3) == (kind))
#define HAS(l, kind) \
	(IS(l, 1, kind) || IS(l, 2, kind) || IS(l, 3, kind) || IS(l, 4, kind) || IS(l, 5, kind) || \
		IS(l, 6, kind))
#define COUNT(l, kind) \
	(IS(l, 1, kind) + IS(l, 2, kind) + IS(l, 3, kind) + IS(l, 4, kind) + IS(l, 5, kind) + \
		IS(l, 6, kind))
#define HOLDS(l, e) \
	(AT(l, 1) == (e) || AT(l, 2) == (e) || AT(l, 3) == (e) || AT(l, 4) == (e) || \
		AT(l, 5) == (e) || AT(l, 6) == (e))

#define BIT(i)      (1 << (i))
#define MAJORITY(m) ((m) == 3 || (m) > 4)

/* Electors. */
byte term[3], voted[3]; /* 0: nobody, else 1 + who */
byte sent[3];           /* candidates: votes that were given to them; leaders: 0 */
bit lead[3];
int log[3];
byte size[3], com[3];
byte synced[3];  /* leaders: entries on their own disk; others: all they have */
byte held[9];    /* [3 * leader + other]: the other has acknowledged so many entries */
byte rest[3];    /* leaders: electors that their lease rests on */
byte waits[3];   /* leaders: workers that may have an attempt that is not known to be over */

#ifdef LOSSES
byte losses;
byte loss[3];     /* the number of its loss; 0: it has all that it ever said */
byte regained[3]; /* then: the term in which it heard that its return is committed; 0: not yet */
#define COUNTS(j, t) (loss[j] == 0 || (regained[j] != 0 && (t) > regained[j]))
#define STANDS(i)    (loss[i] == 0 || regained[i] != 0)
#else
#define COUNTS(j, t) true
#define STANDS(i)    true
#endif

/* Workers. */
byte fence[2];
byte fly[2];   /* an offer on its way, by its term */
byte has[2];   /* an attempt: 0 none, 1 runs, 2 its result is kept */
#ifdef ONCE
bit began[2]; /* `started` is on its disk */
byte starts;
#endif

/* What really is, for the assertions only. */
byte stood;            /* electors stand for the first time in their order: they are all */
                       /* alike, and so nothing is left out */
byte ruler[MAXT + 1]; /* by term: 1 + the leader */
int done;             /* the committed log */
byte done_len, done_term;
byte obeyed[2];

#ifdef MUTANT_VIEW_QUORUM
bit cut; /* elector 0 is cut off, and so it knows of nobody else */
#define WINS(i) (MAJORITY(sent[i]) || (i == 0 && cut))
#else
#define WINS(i) MAJORITY(sent[i])
#endif

#ifdef MUTANT_NO_TERM_START
#define SETTLED(i) true
#else
/* Its first entry is committed, and so it knows all that was before. */
#define SETTLED(i) (com[i] > 0 && AT(log[i], com[i]) >> 2 == term[i])
#endif
#if defined(ASYNC) || defined(MUTANT_NO_LEASE)
#define LEASE(i) true
#define FREE(j)  true
#else
#define LEASE(i) (rest[i] != 0)
/* A promise outlives the lease that rests on it. */
#define FREE(j) (!((rest[0] | rest[1] | rest[2]) & BIT(j)))
#endif
/* Workers that a leader waits for: those that it has not asked yet, and whom it handed something.
 * Who may be taken for lost at any time is not waited for. */
#if defined(ONCE) || defined(ASYNC)
#define ALL_WORKERS 0
#define WORKER(w)   0
#else
#ifdef MUTANT_NO_ADOPTION
#define ALL_WORKERS 0
#else
#define ALL_WORKERS 3
#endif
#define WORKER(w) BIT(w)
#endif
#define ACTS(i) (lead[i] && SETTLED(i) && LEASE(i))

/* What a leader plans by: the committed state, and what it has proposed itself. */
#define KNOWN(i, kind) \
	(HAS(PRE(log[i], com[i]), kind) || HOLDS(log[i], ENTRY(term[i], kind)))

#define LAST(i) (size[i] == 0 -> 0 : AT(log[i], size[i]) >> 2)
#define SUFFICES(i, j) (LAST(i) > LAST(j) || (LAST(i) == LAST(j) && size[i] >= size[j]))

byte k, n; /* zero between steps */

inline retire(i)
{
	lead[i] = 0;
	sent[i] = 0;
	rest[i] = 0;
	waits[i] = 0;
	com[i] = 0;
	held[3 * i] = 0;
	held[3 * i + 1] = 0;
	held[3 * i + 2] = 0;
	synced[i] = size[i]
}

inline take_term(j, t)
{
	if
	:: t > term[j] -> term[j] = t; voted[j] = 0; retire(j)
	:: else
	fi
}

inline propose(i, e)
{
	log[i] = log[i] | (e) << (5 * size[i]);
	size[i]++
}

/* ---- terms ---- */

inline stand(i)
{
	d_step {
		!lead[i] && term[i] < MAXT && FREE(i) && i <= stood && STANDS(i) ->
			stood = (stood == i -> i + 1 : stood);
			term[i]++;
			voted[i] = i + 1;
			retire(i);
			sent[i] = BIT(i)
	}
}

inline vote(i, j)
{
	d_step {
		sent[i] && !(sent[i] & BIT(j)) && !lead[j] && FREE(j) && SUFFICES(i, j) &&
			COUNTS(j, term[i]) &&
			(term[i] > term[j] ||
				(term[i] == term[j] && (voted[j] == 0 || voted[j] == i + 1))) ->
			take_term(j, term[i]);
			voted[j] = i + 1;
			sent[i] = sent[i] | BIT(j)
	}
}

/* Any message of a later term, its refusals included. */
inline learn(i, j)
{
	d_step { term[i] > term[j] && (lead[j] || FREE(j)) -> take_term(j, term[i]) }
}

inline win(i)
{
	d_step {
		sent[i] && WINS(i) ->
			assert(ruler[term[i]] == 0 || ruler[term[i]] == i + 1);            /* I1 */
			assert(term[i] <= done_term || PRE(log[i], done_len) == done);     /* I3 */
			ruler[term[i]] = i + 1;
			retire(i);
			lead[i] = 1;
			waits[i] = ALL_WORKERS;
#ifndef MUTANT_NO_TERM_START
			propose(i, ENTRY(term[i], START))
#endif
	}
}

inline stop_leading(i)
{
	d_step { lead[i] -> retire(i) }
}

inline crash(i)
{
	d_step {
		term[i] > 0 ->
			log[i] = PRE(log[i], synced[i]);
			size[i] = synced[i];
			retire(i)
#ifdef MUTANT_VOTE_NOT_PERSISTED
			;
			term[i] = LAST(i);
			voted[i] = 0
#endif
	}
}

/* ---- entries ---- */

inline sync(i)
{
	d_step { lead[i] && synced[i] < size[i] -> synced[i] = size[i] }
}

/* Who does not count has nothing that its leader counts on, and gets everything all the same. */
#ifdef LOSSES
#define WANTS(i, j) \
	(COUNTS(j, term[i]) -> held[3 * i + j] < size[i] \
			    : held[3 * i + j] > 0 || PRE(log[j], size[i]) != log[i])
#else
#define WANTS(i, j) (held[3 * i + j] < size[i])
#endif

/* The next entry that the other lacks or has differently; or that it has them all. */
inline append(i, j)
{
	d_step {
		lead[i] && term[j] <= term[i] && WANTS(i, j) ->
			take_term(j, term[i]);
			sent[j] = 0;
			do
			:: k < size[i] && k < size[j] && AT(log[i], k + 1) == AT(log[j], k + 1) ->
				k++
			:: else -> break
			od;
			if
			:: k < size[i] ->
				k++;
				log[j] = PRE(log[i], k);
				size[j] = k;
				synced[j] = k
			:: else
			fi;
			held[3 * i + j] = (COUNTS(j, term[i]) -> k : 0);
			k = 0
	}
}

#define HELD(i, j, x) ((j == i -> synced[i] : held[3 * i + j]) >= (x))
inline commit(i)
{
	d_step {
		lead[i] && com[i] < size[i] ->
			k = size[i];
			do
			:: k > com[i] && HELD(i, 0, k) + HELD(i, 1, k) + HELD(i, 2, k) < 2 -> k--
			:: else -> break
			od;
#ifndef MUTANT_OLD_TERM_COMMIT
			if
			:: k > com[i] && AT(log[i], k) >> 2 != term[i] -> k = com[i]
			:: else
			fi;
#endif
			com[i] = k;
			n = (k < done_len -> k : done_len);
			assert(PRE(log[i], n) == PRE(done, n));                        /* I2 */
			if
			:: k > done_len ->
				done = PRE(log[i], k);
				done_len = k;
				done_term = (term[i] > done_term -> term[i] : done_term);
				assert(COUNT(done, FINISH) <= 1)                       /* I5 */
			:: else
			fi;
			k = 0;
			n = 0
	}
}

/* ---- losses ---- */

#ifdef LOSSES
inline lose(i)
{
	d_step {
		losses < LOSSES && term[i] > 0 ->
			losses++;
			log[i] = 0;
			size[i] = 0;
			term[i] = 0;
			voted[i] = 0;
			retire(i);
#ifndef MUTANT_LOSS_FORGOTTEN
			loss[i] = losses;
			regained[i] = 0
#endif
	}
}

/* Its leader has heard that it does not count, and so counts on nothing that it said before. */
inline back(i, j)
{
	d_step {
		lead[i] && term[j] == term[i] && !STANDS(j) && !HAS(log[i], BACK(loss[j])) &&
			size[i] < MAXLEN ->
			held[3 * i + j] = 0;
			propose(i, ENTRY(term[i], BACK(loss[j])))
	}
}

#ifdef MUTANT_REGAINED_EARLY
#define REGAINS(i) size[i]
#else
#define REGAINS(i) com[i]
#endif
inline regain(i, j)
{
	d_step {
		lead[i] && term[j] == term[i] && !STANDS(j) && size[j] <= size[i] &&
			PRE(log[i], size[j]) == log[j] &&
			HAS(PRE(log[j], (REGAINS(i) < size[j] -> REGAINS(i) : size[j])),
				BACK(loss[j])) ->
			regained[j] = term[i]
	}
}
#endif

/* ---- leases ---- */

inline heartbeat(i, j)
{
	d_step {
		lead[i] && SETTLED(i) && term[j] == term[i] && rest[i] == 0 -> rest[i] = BIT(j)
	}
}

inline expire(i)
{
	d_step { rest[i] -> rest[i] = 0 }
}

/* ---- a leader and its workers ---- */

#ifdef MUTANT_NO_FENCE
#define FENCED(w, t) false
#else
#define FENCED(w, t) ((t) < fence[w])
#endif

inline obey(w, t)
{
	assert((t) >= obeyed[w]);                                                      /* I4 */
	obeyed[w] = t;
	fence[w] = t
}

/* Its certificate goes first; what the worker has is asked with it. */
inline introduce(i, w)
{
	d_step { lead[i] && fence[w] != term[i] && !FENCED(w, term[i]) -> obey(w, term[i]) }
}

/* The worker has answered without an attempt, and none is on its way to it from this leader. */
inline over(i, w)
{
	d_step {
		ACTS(i) && (waits[i] & BIT(w)) && fence[w] == term[i] && has[w] == 0 &&
			fly[w] != term[i] ->
			waits[i] = waits[i] & ~BIT(w)
	}
}

#ifdef ONCE
inline begin(i, w)
{
	d_step {
		ACTS(i) && !KNOWN(i, FINISH) && !KNOWN(i, BEGIN) &&
			!KNOWN(i, BEGIN + 1) && size[i] < MAXLEN ->
			propose(i, ENTRY(term[i], BEGIN + w))
	}
}

#ifdef MUTANT_EARLY_ONCE
#define BEGUN(i) log[i]
#else
#define BEGUN(i) PRE(log[i], com[i])
#endif
/* Only who began it hands it out, but as often as it seems to have got lost. */
inline hand(i, w)
{
	d_step {
		ACTS(i) && fly[w] == 0 && !KNOWN(i, FINISH) &&
			HOLDS(BEGUN(i), ENTRY(term[i], BEGIN + w)) ->
			fly[w] = term[i]
	}
}
#else
inline hand(i, w)
{
	d_step {
		ACTS(i) && waits[i] == 0 && fly[w] == 0 && !KNOWN(i, FINISH) ->
#ifndef ASYNC
			assert(!HAS(done, FINISH));                                    /* I5 */
#endif
			waits[i] = WORKER(w);
			fly[w] = term[i]
	}
}
#endif

inline arrive(w)
{
	d_step {
		fly[w] ->
			if
			:: !FENCED(w, fly[w]) ->
				obey(w, fly[w]);
				if
#ifdef ONCE
				:: has[w] == 0 && !began[w] ->
#ifndef MUTANT_NOT_STARTED
					began[w] = 1;
#endif
					has[w] = 1;
					starts++;
					assert(starts <= 1)                            /* M1 */
#else
				:: has[w] == 0 ->
					has[w] = 1;
#ifndef ASYNC
					assert(has[1 - w] != 1)                        /* M2 */
#endif
#endif
				:: else
				fi
			:: else
			fi;
			fly[w] = 0
	}
}

inline vanish(w)
{
	d_step { fly[w] -> fly[w] = 0 }
}

inline finish(w)
{
	d_step { has[w] == 1 -> has[w] = 2 }
}

/* What ran is dead, what was said or promised is not. */
inline kill(w)
{
	d_step {
		has[w] == 1 || fence[w] > 0 ->
			has[w] = (has[w] == 1 -> 0 : has[w]);
#ifdef MUTANT_FENCE_NOT_PERSISTED
			fence[w] = 0
#endif
	}
}

inline result(i, w)
{
	d_step {
		ACTS(i) && has[w] == 2 && fence[w] == term[i] && !KNOWN(i, FINISH) &&
			size[i] < MAXLEN ->
			propose(i, ENTRY(term[i], FINISH))
	}
}

/* Its result is committed, or another's: forget it, or kill it. */
inline settle(i, w)
{
	d_step {
		lead[i] && has[w] > 0 && fence[w] == term[i] && HAS(PRE(log[i], com[i]), FINISH) ->
			has[w] = 0
	}
}

#define EACH(step)    :: step(0) :: step(1) :: step(2)
#define PAIRS(step) \
	:: step(0, 1) :: step(0, 2) :: step(1, 0) :: step(1, 2) :: step(2, 0) :: step(2, 1)
#ifdef ONE_WORKER
#define WORKERS(step) :: step(0)
#define LEADER_AND_WORKERS(step) :: step(0, 0) :: step(1, 0) :: step(2, 0)
#else
#define WORKERS(step) :: step(0) :: step(1)
#define LEADER_AND_WORKERS(step) \
	:: step(0, 0) :: step(0, 1) :: step(1, 0) :: step(1, 1) :: step(2, 0) :: step(2, 1)
#endif

active proctype protocol()
{
end:	/* when too many have lost what they had */
	do
	EACH(stand)
	PAIRS(vote)
	PAIRS(learn)
	EACH(win)
	EACH(stop_leading)
	EACH(crash)
	EACH(sync)
	PAIRS(append)
	EACH(commit)
#ifdef LOSSES
	EACH(lose)
	PAIRS(back)
	PAIRS(regain)
#endif
#ifndef ASYNC
	PAIRS(heartbeat)
	EACH(expire)
#endif
#ifdef MUTANT_VIEW_QUORUM
	:: cut = 1 - cut
#endif
#ifndef LOG_ONLY
	LEADER_AND_WORKERS(introduce)
#ifdef ONCE
	LEADER_AND_WORKERS(begin)
#else
	LEADER_AND_WORKERS(over)
#endif
	LEADER_AND_WORKERS(hand)
	LEADER_AND_WORKERS(result)
	LEADER_AND_WORKERS(settle)
	WORKERS(arrive)
	WORKERS(vanish)
	WORKERS(finish)
	WORKERS(kill)
#endif
	od
}
