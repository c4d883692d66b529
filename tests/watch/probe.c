/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program with faults: it forgets memory, and two of its threads write to one place. Whatever
 * watches programs must see one of these, or is not watching.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned shared;
static char *volatile kept;

static void *
race(void *arg)
{
	unsigned i;

	for (i = 0; i < 10000; i++)
		shared += i;
	return arg;
}

int
main(void)
{
	pthread_t a, b;
	int i;

	for (i = 0; i < 100; i++)
		kept = malloc(100);
	kept = NULL;
	if (pthread_create(&a, NULL, race, NULL) != 0 || pthread_create(&b, NULL, race, NULL) != 0)
		return 2;
	(void)pthread_join(a, NULL);
	(void)pthread_join(b, NULL);
	return printf("%u\n", shared) > 0 ? 0 : 1;
}
