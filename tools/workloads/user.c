// SPDX-License-Identifier: GPL-2.0
/*
 * Requests fixed work from the kernel as a process, and measures its time. Under
 * QEMU's icount a nanosecond is an instruction. The instructions of this program
 * count as well. It is the same program on each kernel.
 *
 * workloads NAME...: each line goes to /dev/kmsg as a whole.
 */

#include "nolibc.h"
#include <linux/in.h>

#include "../guest/say.h"

/* The first round fills caches, and is not printed. */
#define ROUNDS 6
#define MESSAGE 64
#define FILE_SIZE 1024
#define PAGES 64
#define PAGE 4096

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Definitions that the kernel's headers for user space leave to a C library */
#define AF_INET 2
#define SOCK_STREAM 1
#define SOCK_DGRAM 2

static const char *self;
static char buffer[FILE_SIZE];
/* For a workload with another process: how to reach it, and its number */
static int to = -1, from = -1;
static pid_t peer;

static unsigned long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static bool nothing(void)
{
	return true;
}

static bool fork_exec_wait(void)
{
	char *argv[2] = { (char *)self, NULL }, *envp[1] = { NULL };
	int status;
	pid_t pid = fork();

	if (!pid) {
		execve(self, argv, envp);
		_exit(1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

static bool ping_pong(void)
{
	return write(to, buffer, MESSAGE) == MESSAGE && read(from, buffer, MESSAGE) == MESSAGE;
}

/* become_peer(): in the child, send back all data, without end. */
static bool become_peer(int in, int out)
{
	ssize_t len;

	while ((len = read(in, buffer, MESSAGE)) > 0)
		if (write(out, buffer, len) != len)
			break;
	_exit(1);
}

static bool start_pipe(void)
{
	int there[2], back[2];

	if (pipe(there) || pipe(back))
		return false;
	peer = fork();
	if (!peer)
		become_peer(there[0], back[1]);
	close(there[0]);
	close(back[1]);
	to = there[1];
	from = back[0];
	return peer > 0;
}

/* address(): an address of the loopback interface, in network byte order. */
static struct sockaddr_in address(unsigned int port)
{
	unsigned char bytes[] = { port >> 8, port, 127, 0, 0, 1 };
	struct sockaddr_in a = { .sin_family = AF_INET };

	memcpy(&a.sin_port, bytes, 2);
	memcpy(&a.sin_addr, bytes + 2, 4);
	return a;
}

static int bound(int type, unsigned int port)
{
	struct sockaddr_in a = address(port);
	int fd = syscall(__NR_socket, AF_INET, type, 0);

	return fd >= 0 && !syscall(__NR_bind, fd, &a, sizeof(a)) ? fd : -1;
}

static bool connect_to(int fd, unsigned int port)
{
	struct sockaddr_in a = address(port);

	return !syscall(__NR_connect, fd, &a, sizeof(a));
}

static bool start_tcp(void)
{
	int listening = bound(SOCK_STREAM, 5001);

	if (listening < 0 || syscall(__NR_listen, listening, 1))
		return false;
	peer = fork();
	if (!peer) {
		int fd = bound(SOCK_STREAM, 5002);

		if (fd < 0 || !connect_to(fd, 5001))
			_exit(1);
		become_peer(fd, fd);
	}
	to = syscall(__NR_accept4, listening, NULL, NULL, 0);
	from = to;
	close(listening);
	return peer > 0 && to >= 0;
}

static bool start_udp(void)
{
	int here = bound(SOCK_DGRAM, 5003), there = bound(SOCK_DGRAM, 5004);

	if (here < 0 || there < 0 || !connect_to(here, 5004) || !connect_to(there, 5003))
		return false;
	peer = fork();
	if (!peer)
		become_peer(there, there);
	close(there);
	to = here;
	from = here;
	return peer > 0;
}

static void end_peer(void)
{
	int status;

	if (peer > 0) {
		kill(peer, SIGKILL);
		waitpid(peer, &status, 0);
	}
	close(to);
	if (from != to)
		close(from);
	to = -1;
	from = -1;
	peer = 0;
}

/* Anonymous memory is mapped, written to page by page, and unmapped. */
static bool page_faults(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	int i;

	if (p == MAP_FAILED)
		return false;
	for (i = 0; i < PAGES; i++)
		p[i * PAGE] = 1;
	return !munmap(p, PAGES * PAGE);
}

static bool small_file(void)
{
	const char *name = "/tmp/file";
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);

	if (fd < 0 || write(fd, buffer, FILE_SIZE) != FILE_SIZE)
		return false;
	return !close(fd) && !unlink(name);
}

static const struct {
	const char *name;
	bool (*start)(void);
	bool (*work)(void);
	unsigned int times;
	/* Units that are done at a time. */
	unsigned int units;
} all[] = {
	{ "nothing", NULL, nothing, 1000, 1 },
	{ "fork_exec_wait", NULL, fork_exec_wait, 100, 1 },
	{ "pipe", start_pipe, ping_pong, 1000, 1 },
	{ "page_fault", NULL, page_faults, 50, PAGES },
	{ "tmpfs_file", NULL, small_file, 1000, 1 },
	{ "tcp", start_tcp, ping_pong, 1000, 1 },
	{ "udp", start_udp, ping_pong, 1000, 1 },
};

static bool measure(const char *name)
{
	unsigned int i, round, n;
	bool good;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (!strcmp(all[i].name, name))
			break;
	if (i == ARRAY_SIZE(all))
		return false;
	good = !all[i].start || all[i].start();
	for (round = 0; good && round < ROUNDS; round++) {
		unsigned long long start = now(), ns;

		for (n = 0; good && n < all[i].times; n++)
			good = all[i].work();
		ns = now() - start;
		if (good && round)
			say("workloads: place=user work=%s units=%u ns=%llu\n", name,
			    all[i].times * all[i].units, ns);
	}
	if (all[i].start)
		end_peer();
	return good;
}

int main(int argc, char **argv)
{
	int i, failed = 0;

	/* fork_exec_wait() starts this. */
	if (argc < 2)
		return 0;
	self = argv[0];
	for (i = 1; i < argc; i++)
		if (!measure(argv[i])) {
			failed++;
			say("workloads: work=%s failed\n", argv[i]);
		}
	say("workloads: %s place=user works=%d failed=%d\n", failed ? "FAIL" : "PASS",
	    argc - 1 - failed, failed);
	return failed != 0;
}
