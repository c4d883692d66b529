/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bugs that others had, and that our tests have to find: MP_MUTANT(NAME) is 0, and 1 in a build
 * with -DMP_MUTANT_NAME=1. `make mutants` builds the simulator with each of them and fails when one
 * survives; tests/sim/mutants says what each is and which invariant it breaks.
 *
 * An expression, so that both sides are compiled always.
 */
#ifndef MP_CORE_MUTANT_H
#define MP_CORE_MUTANT_H

#define MP_MUTANT(name)             MP_MUTANT_VALUE(MP_MUTANT_##name)
#define MP_MUTANT_VALUE(value)      MP_MUTANT_IS(value) /* once more: what it stands for */
#define MP_MUTANT_IS(value)         MP_MUTANT_GIVEN(MP_MUTANT_IS_##value)
#define MP_MUTANT_GIVEN(shift)      MP_MUTANT_SECOND(shift 1, 0, 0)
#define MP_MUTANT_SECOND(a, b, ...) (b)
#define MP_MUTANT_IS_1              0,

#endif
