/* SPDX-License-Identifier: Apache-2.0 */
#include "shell/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shell/executor_keeper.h"
#include "shell/executor_tree.h"
#include "util/fd.h"

/* Keepers of one node at a time. More: asking gives MP_ENOMEM. */
#define EXECUTOR_KEEPERS_MAX 1024

/* How long mp_executor_lost() tries. */
#define EXECUTOR_LOST_ROUNDS 250
#define EXECUTOR_ROUND_MS    20

/* ---- the executor process ---- */

struct executor {
	int sock, signals;
	pid_t keepers[EXECUTOR_KEEPERS_MAX];
	size_t keeper_count;
	bool strays; /* a keeper died: what it left is to be killed */
	bool ending;
};

/* What comes with a keeper's socket. */
struct executor_answer {
	int error; /* errno, or 0 */
	pid_t pid;
};

/*
 * Without the handlers that libraries registered for forks: libuv's closes descriptors by the
 * numbers that they had in mpnode, and here these are others.
 */
static pid_t
executor_fork(void)
{
	return _Fork();
}

/* Closes every descriptor from `from` on but these. */
static void
executor_close_all(int from, int a, int b)
{
	struct rlimit lim = {.rlim_cur = 1024};
	int low = a < b ? a : b, high = a < b ? b : a, fd;

	if (low >= from && low > from)
		(void)close_range((unsigned)from, (unsigned)low - 1, 0);
	if (low >= from)
		from = low + 1;
	if (high > from)
		(void)close_range((unsigned)from, (unsigned)high - 1, 0);
	if (high >= from)
		from = high + 1;
	if (close_range((unsigned)from, ~0u, 0) == 0)
		return;
	(void)getrlimit(RLIMIT_NOFILE, &lim); /* a kernel before 5.9 */
	for (fd = 3; fd < (int)(lim.rlim_cur < 65536 ? lim.rlim_cur : 65536); fd++)
		if (fd != a && fd != b)
			(void)close(fd);
}

/* Default dispositions, all blocked: what counts comes through a descriptor. */
static void
executor_set_signals(void)
{
	const struct sigaction dfl = {.sa_handler = SIG_DFL};
	const unsigned long none[16] = {0}; /* the kernel's struct sigaction, SIG_DFL */
	sigset_t all;
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &dfl, NULL);
	/* libc keeps its own two from us, but they are inherited like all others. */
	for (sig = 32; sig < SIGRTMIN; sig++)
		(void)syscall(SYS_rt_sigaction, sig, none, NULL, 8);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
}

static int
executor_signalfd(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void
executor_send(struct executor *x, const struct executor_answer *answer, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)answer, .iov_len = sizeof(*answer)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (fd >= 0) {
		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	}
	do {
		n = sendmsg(x->sock, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(*answer))
		x->ending = true;
}

static MP_NORETURN void
executor_become_keeper(struct executor *x, int sock, pid_t parent)
{
	(void)close(x->sock);
	(void)close(x->signals);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0L, 0L, 0L);
	if (getppid() != parent)
		_exit(1);
	mp_keeper_main(sock);
}

static void
executor_add_keeper(struct executor *x)
{
	struct executor_answer answer = {0};
	pid_t self = getpid();
	int pair[2] = {-1, -1};

	if (x->keeper_count == EXECUTOR_KEEPERS_MAX)
		answer.error = EAGAIN;
	else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		answer.error = errno;
	if (answer.error == 0) {
		answer.pid = executor_fork();
		if (answer.pid == 0) {
			(void)close(pair[0]);
			executor_become_keeper(x, pair[1], self);
		}
		if (answer.pid < 0)
			answer.error = errno;
		else
			x->keepers[x->keeper_count++] = answer.pid;
		(void)close(pair[1]);
	}
	executor_send(x, &answer, answer.error == 0 ? pair[0] : -1);
	if (pair[0] >= 0)
		(void)close(pair[0]);
}

static bool
executor_is_keeper(void *ctx, pid_t pid)
{
	const struct executor *x = ctx;
	size_t i;

	for (i = 0; i < x->keeper_count; i++)
		if (x->keepers[i] == pid)
			return true;
	return false;
}

/* True when nothing is below us. */
static bool
executor_reap(struct executor *x)
{
	pid_t pid;
	size_t i;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		for (i = 0; i < x->keeper_count; i++) {
			if (x->keepers[i] != pid)
				continue;
			x->keepers[i] = x->keepers[--x->keeper_count];
			x->strays = true;
		}
	}
	return pid < 0 && errno == ECHILD;
}

static void
executor_read(struct executor *x)
{
	char asks[64];
	ssize_t i, n = recv(x->sock, asks, sizeof(asks), MSG_DONTWAIT);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		x->ending = true;
	for (i = 0; i < n && !x->ending; i++)
		executor_add_keeper(x);
}

static void
executor_signals(struct executor *x)
{
	struct signalfd_siginfo info[8];
	ssize_t n = read(x->signals, info, sizeof(info));
	size_t i;

	for (i = 0; n > 0 && i < (size_t)n / sizeof(info[0]); i++)
		if (info[i].ssi_signo == SIGTERM)
			x->ending = true;
}

/* Keepers end their trees and themselves; what has no keeper any more is killed here. */
static MP_NORETURN void
executor_die(struct executor *x)
{
	struct pollfd p = {.fd = x->signals, .events = POLLIN};
	size_t i;

	(void)close(x->sock);
	for (i = 0; i < x->keeper_count; i++)
		(void)kill(x->keepers[i], SIGTERM);
	for (;;) {
		if (executor_reap(x))
			_exit(0);
		(void)mp_tree_kill(getpid(), executor_is_keeper, x);
		(void)poll(&p, 1, EXECUTOR_ROUND_MS);
		executor_signals(x);
	}
}

static void
executor_step(struct executor *x)
{
	struct pollfd p[2] = {
		{.fd = x->sock, .events = POLLIN}, {.fd = x->signals, .events = POLLIN}};

	if (poll(p, mp_countof(p), x->strays ? EXECUTOR_ROUND_MS : -1) < 0)
		return;
	if (p[0].revents != 0)
		executor_read(x);
	if (p[1].revents != 0)
		executor_signals(x);
	(void)executor_reap(x);
	if (x->strays)
		x->strays = mp_tree_kill(getpid(), executor_is_keeper, x) > 0;
}

static MP_NORETURN void
executor_main(int sock, int keep_fd, pid_t parent)
{
	struct executor x;
	int null;

	executor_set_signals();
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM, 0L, 0L, 0L);
	if (getppid() != parent)
		_exit(1);
	(void)prctl(PR_SET_NAME, "mp-executor", 0L, 0L, 0L);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0L, 0L, 0L);
	(void)setsid();
	executor_close_all(3, sock, keep_fd);
	if (keep_fd >= 0)
		(void)fcntl(keep_fd, F_SETFD, FD_CLOEXEC);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		_exit(1);
	(void)close(null);
	x = (struct executor){.sock = sock, .signals = executor_signalfd()};
	if (x.signals < 0)
		_exit(1);
	while (!x.ending)
		executor_step(&x);
	executor_die(&x);
}

/* ---- mpnode's side ---- */

int
mp_executor_start(int keep_fd, struct mp_executor *out, struct mp_error *err)
{
	pid_t self = getpid(), pid;
	int pair[2];

	if (access("/proc/self/stat", R_OK) != 0)
		return mp_fail(err, MP_EIO,
			"start the executor: /proc is not mounted; without it nobody can tell "
			"which processes belong to a command");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0L, 0L, 0L) != 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return mp_fail(err, MP_EIO, "start the executor: %s", strerror(errno));
	pid = executor_fork();
	if (pid == 0)
		executor_main(pair[1], keep_fd, self);
	(void)close(pair[1]);
	if (pid < 0) {
		(void)close(pair[0]);
		return mp_fail(err, MP_EIO, "start the executor: %s", strerror(errno));
	}
	*out = (struct mp_executor){.fd = pair[0], .pid = pid};
	return 0;
}

int
mp_executor_ask(const struct mp_executor *x)
{
	ssize_t n;

	do {
		n = send(x->fd, "k", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	return errno == EAGAIN ? MP_EBUSY : MP_ECLOSED;
}

int
mp_executor_recv(const struct mp_executor *x, int *keeper_fd, pid_t *keeper_pid)
{
	struct executor_answer answer;
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = &answer, .iov_len = sizeof(answer)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room)};
	ssize_t n;

	do {
		n = recvmsg(x->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return MP_EBUSY;
	if (n != sizeof(answer))
		return MP_ECLOSED;
	if (answer.error != 0)
		return mp_sys_error(answer.error);
	if (msg.msg_controllen < sizeof(struct cmsghdr))
		return MP_ENOMEM; /* no descriptor was left for it here */
	memcpy(keeper_fd, CMSG_DATA(&control.head), sizeof(*keeper_fd));
	*keeper_pid = answer.pid;
	return 0;
}

static void
executor_wait(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

void
mp_executor_stop(struct mp_executor *x)
{
	(void)close(x->fd);
	executor_wait(x->pid);
	x->fd = -1;
}

void
mp_executor_lost(struct mp_executor *x)
{
	int i;

	(void)close(x->fd);
	x->fd = -1;
	for (i = 0; i < EXECUTOR_LOST_ROUNDS; i++) {
		size_t n = mp_tree_kill(getpid(), NULL, NULL);
		pid_t pid;

		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			continue;
		if (n == 0 || (pid < 0 && errno == ECHILD))
			return;
		(void)poll(NULL, 0, EXECUTOR_ROUND_MS);
	}
}
