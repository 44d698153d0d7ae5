// The floor: a minimal single-threaded epoll server in C, for measuring beside it.
// PING is answered for every line of a read in one write; STREAM <n> is sent in
// 64 KiB writes as the socket takes them. No other command, no limits, no checks:
// it stands for what the kernel allows on this machine.
// usage: floor PORT
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FD 65536
#define READ_SIZE 65536

static const char PONG[] = "PONG\n", DONE[] = "DONE\n";
enum { REPLY = sizeof PONG - 1 };

static long long unsent[MAX_FD]; // bytes of STREAM still to send, its DONE included
static char input[READ_SIZE], pongs[REPLY * READ_SIZE], chunk[65536];
static int epoll_fd;

static void watch(int operation, int fd, unsigned events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  epoll_ctl(epoll_fd, operation, fd, &event);
}

static void drop(int fd) {
  unsent[fd] = 0;
  close(fd);
}

// Send as much of a STREAM as the socket takes, and come back when it takes more.
static void stream(int fd) {
  while (unsent[fd] > 0) {
    const char *source = chunk;
    size_t size = sizeof chunk;
    if (unsent[fd] <= REPLY) {
      source = DONE + (REPLY - unsent[fd]);
      size = unsent[fd];
    } else if (unsent[fd] - REPLY < (long long)size) {
      size = unsent[fd] - REPLY;
    }
    ssize_t written = write(fd, source, size);
    if (written < 0 && errno != EAGAIN) {
      drop(fd);
      return;
    }
    if (written > 0) unsent[fd] -= written;
    if (written < (ssize_t)size) {
      watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
      return;
    }
  }
  watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}

static void answer(int fd) {
  ssize_t size = read(fd, input, sizeof input - 1);
  if (size <= 0) {
    drop(fd);
    return;
  }
  input[size] = 0;
  if (input[0] == 'S') {
    unsent[fd] = atoll(input + strlen("STREAM ")) + REPLY;
    stream(fd);
    return;
  }
  size_t lines = 0;
  for (char *at = input; (at = memchr(at, '\n', input + size - at)); at++) lines++;
  if (lines && write(fd, pongs, REPLY * lines) < 0) drop(fd);
}

static void accept_all(int listener) {
  int fd, one = 1;
  while ((fd = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) {
    if (fd >= MAX_FD) {
      close(fd);
      continue;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    watch(EPOLL_CTL_ADD, fd, EPOLLIN);
  }
}

static int listen_on(int port) {
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
    perror("floor");
    exit(1);
  }
  return listener;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: floor PORT\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < READ_SIZE; i++) memcpy(pongs + REPLY * i, PONG, REPLY);
  memset(chunk, 'A', sizeof chunk);
  int listener = listen_on(atoi(argv[1]));
  epoll_fd = epoll_create1(0);
  watch(EPOLL_CTL_ADD, listener, EPOLLIN);
  static struct epoll_event events[4096];
  for (;;) {
    int ready = epoll_wait(epoll_fd, events, 4096, -1);
    for (int i = 0; i < ready; i++) {
      int fd = events[i].data.fd;
      if (fd == listener)
        accept_all(listener);
      else if (events[i].events & EPOLLOUT)
        stream(fd);
      else
        answer(fd);
    }
  }
}
