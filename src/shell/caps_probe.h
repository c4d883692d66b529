/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine is and has (DESIGN 4), but for its tools, see shell/tools_probe.h. */
#ifndef MP_SHELL_CAPS_PROBE_H
#define MP_SHELL_CAPS_PROBE_H

#include "mp/base.h"
#include "mp/member.h"

/*
 * Os, arch, kernel, processors (that many slots), memory, GPUs with as many of a resource `gpu`,
 * this program's version; and the disk that state_dir is on, unless that is NULL.
 */
void mp_caps_probe(struct mp_caps *caps, const char *state_dir);

/* The disk alone. True when something changed. */
bool mp_disk_probe(struct mp_caps *caps, const char *state_dir);

/* What /proc and /sys below `root` ("" for the machine's own) say of GPUs: those of NVIDIA's driver
 * by their model, others that can render by driver and PCI id. Displays of virtual machines are
 * none. */
void mp_gpus_probe(struct mp_caps *caps, const char *root);

#endif
