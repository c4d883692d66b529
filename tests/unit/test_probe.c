/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include <time.h>

#include "codec/caps.h"
#include "shell/caps_probe.h"
#include "shell/tools_probe.h"
#include "unit/scratch.h"

static struct scratch dir;
#define root (dir.path)

/* A file below root, with its folders. */
static void
put(const char *leaf, const char *text, mode_t mode)
{
	char path[1024];

	(void)snprintf(path, sizeof(path), "%s", scratch_path(&dir, leaf));
	for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		(void)mkdir(path, 0700);
		*p = '/';
	}
	scratch_write(path, text, strlen(text));
	assert_int_equal(chmod(path, mode), 0);
}

static void
test_machine(void **state)
{
	struct mp_caps caps;
	struct unit_heap heap = {0};
	struct mp_alloc alloc = UNIT_ALLOC(&heap);
	struct mp_buf buf;

	(void)state;
	mp_caps_probe(&caps, root);
	assert_true(caps.cpus > 0 && caps.slots == caps.cpus && caps.memory_bytes > 0);
	assert_string_equal(caps.version, MP_VERSION);
	assert_true(caps.os[0] != '\0' && caps.arch[0] != '\0' && caps.kernel[0] != '\0');
	assert_true(caps.disk_bytes > 0 && caps.disk_free_bytes <= caps.disk_bytes);
	assert_int_equal(mp_caps_resource(&caps, "gpu"), caps.gpu_count);
	mp_buf_init(&buf, &alloc, MP_CAPS_BYTES_MAX);
	assert_int_equal(mp_caps_encode(&caps, &buf), 0);
	mp_buf_fini(&buf);
}

static void
test_gpus(void **state)
{
	struct mp_caps caps = {.gpu_count = 5};

	(void)state;
	mp_gpus_probe(&caps, root);
	assert_int_equal(caps.gpu_count, 0);
	put("proc/driver/nvidia/gpus/0000:81:00.0/information",
		"Model: \t\t NVIDIA A100-PCIE-40GB\nIRQ:   \t\t 45\n", 0600);
	put("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: NVIDIA T4 \n", 0600);
	put("sys/class/drm/renderD128/device/uevent", "DRIVER=nvidia\nPCI_ID=10DE:20F1\n", 0600);
	put("sys/class/drm/renderD129/device/uevent", "DRIVER=amdgpu\nPCI_ID=1002:73BF\n", 0600);
	put("sys/class/drm/renderD130/device/uevent", "DRIVER=virtio-pci\n", 0600);
	put("sys/class/drm/renderD131/device/uevent", "DRIVER=v3d\n", 0600);
	put("sys/class/drm/card0/device/uevent", "DRIVER=amdgpu\nPCI_ID=1002:73BF\n", 0600);
	mp_gpus_probe(&caps, root);
	assert_int_equal(caps.gpu_count, 4);
	assert_string_equal(caps.gpus[0], "NVIDIA T4");
	assert_string_equal(caps.gpus[1], "NVIDIA A100-PCIE-40GB");
	assert_string_equal(caps.gpus[2], "amdgpu 1002:73BF");
	assert_string_equal(caps.gpus[3], "v3d");
}

static void
version_is(const char *text, const char *want)
{
	char version[MP_WORD_MAX];

	mp_tools_version_of(text, version);
	assert_string_equal(version, want);
}

static void
test_version_of(void **state)
{
	(void)state;
	version_is("gcc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright", "12.2.0");
	version_is("GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)", "5.2.15");
	version_is("go version go1.19.8 linux/amd64", "1.19.8");
	version_is("\nThis is perl 5, version 36, subversion 0 (v5.36.0) built for", "5.36.0");
	version_is("openjdk version \"17.0.15\" 2025-04-15", "17.0.15");
	version_is("v20.20.2\n", "20.20.2");
	version_is("it is 3.", "");
	version_is("... 7", "");
	version_is("", "");
}

/* One tool that counts its runs. */
static void
tool_put(const char *name, const char *body)
{
	char leaf[64], text[1200];

	(void)snprintf(leaf, sizeof(leaf), "bin/%s", name);
	(void)snprintf(text, sizeof(text), "#!/bin/sh\necho $1 >>%s/runs\n%s\n", root, body);
	put(leaf, text, 0700);
}

static size_t
runs(void)
{
	char *text = scratch_read(scratch_path(&dir, "runs"), NULL);
	size_t n = 0;

	for (const char *p = text; p != NULL && *p != '\0'; p++)
		n += *p == '\n';
	free(text);
	return n;
}

static void
test_tools(void **state)
{
	struct mp_settings settings = {
		.tool_count = 2, .tools = {{"terraform", "version"}, {"nothing", ""}}};
	struct mp_caps caps = {.slots = 1};
	atomic_bool stop = false;

	(void)state;
	assert_int_equal(setenv("PATH", scratch_path(&dir, "bin"), 1), 0);
	assert_int_equal(setenv("XDG_CACHE_HOME", scratch_path(&dir, "cache"), 1), 0);
	tool_put("gcc", "echo gcc 12.2.0");
	tool_put("make", "echo GNU Make 4.3 >&2");
	tool_put("zstd", "echo no version 1.5; exit 1");
	tool_put("terraform", "echo Terraform v1.5.7");
	put("bin/tar", "no program", 0600);
	mp_tools_find(&caps, &settings);
	assert_int_equal(caps.tool_count, 4);
	assert_false(mp_tools_kept(&caps, &settings));
	assert_int_equal(caps.tool_count, 0);
	mp_tools_find(&caps, &settings);
	mp_tools_versions(&caps, &settings, false, &stop);
	assert_string_equal(mp_caps_tool(&caps, "gcc"), "12.2.0");
	assert_string_equal(mp_caps_tool(&caps, "make"), "4.3");
	assert_string_equal(mp_caps_tool(&caps, "zstd"), "");
	assert_string_equal(mp_caps_tool(&caps, "terraform"), "1.5.7");
	assert_int_equal(runs(), 4);
	/* Now it is kept, until the file is another one. */
	mp_tools_find(&caps, &settings);
	assert_true(mp_tools_kept(&caps, &settings));
	assert_string_equal(mp_caps_tool(&caps, "terraform"), "1.5.7");
	tool_put("gcc", "echo gcc 13.1.0 or so");
	mp_tools_find(&caps, &settings);
	assert_false(mp_tools_kept(&caps, &settings));
	assert_null(mp_caps_tool(&caps, "gcc"));
	mp_tools_find(&caps, &settings);
	mp_tools_versions(&caps, &settings, false, &stop);
	assert_string_equal(mp_caps_tool(&caps, "gcc"), "13.1.0");
	assert_int_equal(runs(), 5);
	mp_tools_versions(&caps, &settings, true, &stop);
	assert_int_equal(runs(), 9);
}

/* One that never ends, with a child, is given up with it. */
static void
test_slow_tool(void **state)
{
	struct mp_caps caps = {.slots = 1};
	atomic_bool stop = false;
	time_t began = time(NULL);

	(void)state;
	assert_int_equal(setenv("PATH", scratch_path(&dir, "slow"), 1), 0);
	put("slow/git",
		"#!/bin/sh\nPATH=/usr/bin:/bin\necho git version 2.39.5\nsleep 60 &\nwait\n", 0700);
	mp_tools_find(&caps, NULL);
	assert_int_equal(caps.tool_count, 1);
	mp_tools_versions(&caps, NULL, true, &stop);
	assert_string_equal(caps.tools[0].version, "");
	assert_true(time(NULL) - began < 30);
	atomic_store(&stop, true);
	mp_tools_versions(&caps, NULL, true, &stop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine),
		cmocka_unit_test(test_gpus),
		cmocka_unit_test(test_version_of),
		cmocka_unit_test(test_tools),
		cmocka_unit_test(test_slow_tool),
	};
	int rc;

	scratch_make(&dir);
	rc = cmocka_run_group_tests_name("probe", tests, NULL, NULL);
	scratch_remove(&dir);
	return rc;
}
