/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/caps_probe.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "codec/caps.h"

static void
probe_word(char out[MP_WORD_MAX], const char *word, bool lower)
{
	size_t i;

	for (i = 0; word[i] != '\0' && i < MP_WORD_MAX - 1; i++)
		out[i] = lower ? (char)tolower((unsigned char)word[i]) : word[i];
	out[i] = '\0';
}

/* ---- GPUs ---- */

/* The value behind `key` at the beginning of a line of a small file. */
static bool
file_value(const char *path, const char *key, char out[MP_WORD_MAX])
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
	char *line = text, *end;

	if (fd >= 0)
		(void)close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	while (strncmp(line, key, strlen(key)) != 0) {
		line = strchr(line, '\n');
		if (line == NULL)
			return false;
		line++;
	}
	line += strlen(key);
	line += strspn(line, " \t");
	end = line + strcspn(line, "\n");
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	probe_word(out, line, false);
	return mp_caps_word(out);
}

static void
gpu_add(struct mp_caps *caps, const char *name)
{
	if (caps->gpu_count < MP_GPUS_MAX && mp_caps_word(name))
		probe_word(caps->gpus[caps->gpu_count++], name, false);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
is_pci_slot(const struct dirent *e)
{
	return isxdigit((unsigned char)e->d_name[0]) != 0;
}

static int
is_render_node(const struct dirent *e)
{
	return strncmp(e->d_name, "renderD", 7) == 0;
}

static void
nvidia_probe(struct mp_caps *caps, const char *root, const struct dirent *e)
{
	char path[4096], model[MP_WORD_MAX];

	(void)snprintf(
		path, sizeof(path), "%s/proc/driver/nvidia/gpus/%s/information", root, e->d_name);
	if (file_value(path, "Model:", model))
		gpu_add(caps, model);
}

static void
render_probe(struct mp_caps *caps, const char *root, const struct dirent *e, bool nvidia_known)
{
	static const char *const virtual[] = {"virtio-pci", "virtio_gpu", "bochs-drm", "cirrus",
		"ast", "mgag200", "vkms", "vgem", "qxl", "vmwgfx", "hyperv_drm", "vboxvideo",
		"simple-framebuffer"};
	char path[4096], driver[MP_WORD_MAX], id[MP_WORD_MAX], name[2 * MP_WORD_MAX];

	(void)snprintf(path, sizeof(path), "%s/sys/class/drm/%s/device/uevent", root, e->d_name);
	if (!file_value(path, "DRIVER=", driver) || (nvidia_known && strcmp(driver, "nvidia") == 0))
		return;
	for (size_t i = 0; i < sizeof(virtual) / sizeof(virtual[0]); i++) {
		if (strcmp(driver, virtual[i]) == 0)
			return;
	}
	if (file_value(path, "PCI_ID=", id))
		(void)snprintf(name, sizeof(name), "%s %s", driver, id);
	else
		(void)snprintf(name, sizeof(name), "%s", driver);
	gpu_add(caps, name);
}

void
mp_gpus_probe(struct mp_caps *caps, const char *root)
{
	struct dirent **list;
	char path[4096];
	bool nvidia;
	int n;

	caps->gpu_count = 0;
	(void)snprintf(path, sizeof(path), "%s/proc/driver/nvidia/gpus", root);
	n = scandir(path, &list, is_pci_slot, by_name);
	for (int i = 0; i < n; i++) {
		nvidia_probe(caps, root, list[i]);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	nvidia = caps->gpu_count > 0;
	(void)snprintf(path, sizeof(path), "%s/sys/class/drm", root);
	n = scandir(path, &list, is_render_node, by_name);
	for (int i = 0; i < n; i++) {
		render_probe(caps, root, list[i], nvidia);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

/* ---- the disk ---- */

/* Every change is told to all members, and a disk is written to all the time: only steps count. */
static uint64_t
free_step(uint64_t total, uint64_t left)
{
	static const unsigned percents[] = {90, 75, 50, 25, 10, 5, 2, 1};

	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		if (left / percents[i] >= total / 100)
			return total / 100 * percents[i];
	}
	return 0;
}

bool
mp_disk_probe(struct mp_caps *caps, const char *state_dir)
{
	uint64_t total = caps->disk_bytes, left = caps->disk_free_bytes;
	struct statvfs vfs;

	if (statvfs(state_dir, &vfs) != 0)
		return false;
	caps->disk_bytes = (uint64_t)vfs.f_blocks * vfs.f_frsize;
	caps->disk_free_bytes = free_step(caps->disk_bytes, (uint64_t)vfs.f_bavail * vfs.f_frsize);
	return caps->disk_bytes != total || caps->disk_free_bytes != left;
}

/* ---- all of it ---- */

void
mp_caps_probe(struct mp_caps *caps, const char *state_dir)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	struct utsname un;

	*caps = (struct mp_caps){.cpus = cpus > 0 ? (uint32_t)cpus : 1};
	caps->slots = caps->cpus;
	if (pages > 0 && page > 0)
		caps->memory_bytes = (uint64_t)pages * (uint64_t)page;
	if (uname(&un) == 0) {
		probe_word(caps->os, un.sysname, true);
		probe_word(caps->arch, un.machine, false);
		probe_word(caps->kernel, un.release, false);
	}
	probe_word(caps->version, MP_VERSION, false);
	if (state_dir != NULL)
		(void)mp_disk_probe(caps, state_dir);
	mp_gpus_probe(caps, "");
	if (caps->gpu_count > 0) {
		caps->resource_count = 1;
		caps->resources[0] = (struct mp_resource){"gpu", caps->gpu_count};
	}
}
