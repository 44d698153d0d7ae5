// Closed-loop load for a line protocol: one thread on epoll that never sleeps.
// usage: load PORT CONNECTIONS SECONDS PIPELINE REQUEST REPLY
//
// Every connection to 127.0.0.1:PORT sends PIPELINE copies of the line REQUEST in one
// write, and the next batch when all their replies are in. Every byte of every reply
// must be REPLY; a wrong byte, like a lost connection, is an error and ends that
// connection. After a fifth of SECONDS, and once every connection has been answered, for
// which it waits 5 s at the most, the line "warm" is printed and measuring begins; after
// SECONDS more comes one JSON line: requests per second, latencies of a batch in
// microseconds, errors, connections that got no reply at all. The exit status is 1 when
// there were errors.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct {
  int fd;
  int answered; // at least once
  size_t received; // reply bytes of the batch in flight
  uint64_t sent_at;
} client_t;

enum { BUCKETS = 100000, BUCKET_NS = 10000, READ_SIZE = 1 << 18 }; // 10 us each, up to 1 s

static uint64_t buckets[BUCKETS + 1], batches, slowest, errors;
static char *batch, *replies; // replies: READ_SIZE bytes more than one REPLY, from any offset
static size_t batch_size, reply_size, expected;
static int epoll_fd, alive, unanswered, measuring;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

// `times` copies of `line` and its newline; the size of one copy goes into *size.
static char *repeat(const char *line, size_t times, size_t *size) {
  *size = strlen(line) + 1;
  char *text = malloc(*size * times);
  for (size_t i = 0; i < times; i++) {
    memcpy(text + i * *size, line, *size - 1);
    text[(i + 1) * *size - 1] = '\n';
  }
  return text;
}

static void raise_descriptor_limit(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

static void fail(client_t *client) {
  errors++;
  alive--;
  unanswered -= !client->answered;
  close(client->fd);
  client->fd = -1;
}

static void send_batch(client_t *client) {
  client->received = 0;
  client->sent_at = now_ns();
  if (write(client->fd, batch, batch_size) != (ssize_t)batch_size) fail(client);
}

static void record(uint64_t latency) {
  batches++;
  if (latency > slowest) slowest = latency;
  buckets[latency / BUCKET_NS < BUCKETS ? latency / BUCKET_NS : BUCKETS]++;
}

static void receive(client_t *client) {
  static char input[READ_SIZE];
  ssize_t size = read(client->fd, input, sizeof input);
  if (size < 0 && errno == EAGAIN) return;
  size_t offset = client->received % reply_size;
  if (size <= 0 || client->received + size > expected || memcmp(input, replies + offset, size)) {
    fail(client);
    return;
  }
  client->received += size;
  if (client->received < expected) return;
  unanswered -= !client->answered;
  client->answered = 1;
  if (measuring) record(now_ns() - client->sent_at);
  send_batch(client);
}

static void open_client(client_t *client, const struct sockaddr_in *server) {
  int one = 1;
  struct timeval patience = {.tv_sec = 5};
  client->fd = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  alive++;
  unanswered++;
  if (client->fd < 0 || connect(client->fd, (const struct sockaddr *)server, sizeof *server)) {
    fail(client);
    return;
  }
  setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(client->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event);
}

// Answer replies with new batches until `end`. It polls: a client that sleeps makes every
// write of the server pay for a wake-up, which is dear on a virtual machine.
static void drive(uint64_t end) {
  static struct epoll_event events[4096];
  while (alive > 0 && now_ns() < end) {
    int ready = epoll_wait(epoll_fd, events, 4096, 0);
    for (int i = 0; i < ready; i++) receive(events[i].data.ptr);
  }
}

static double percentile_us(double share) {
  uint64_t below = 0;
  for (int i = 0; i <= BUCKETS; i++)
    if (batches && (below += buckets[i]) >= share * batches) return i * (BUCKET_NS / 1000.0);
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 7) {
    fprintf(stderr, "usage: load PORT CONNECTIONS SECONDS PIPELINE REQUEST REPLY\n");
    return 2;
  }
  int connections = atoi(argv[2]), pipeline = atoi(argv[4]);
  double seconds = atof(argv[3]);
  size_t request_size;
  batch = repeat(argv[5], pipeline, &request_size);
  batch_size = request_size * pipeline;
  replies = repeat(argv[6], READ_SIZE / (strlen(argv[6]) + 1) + 2, &reply_size);
  expected = reply_size * pipeline;

  signal(SIGPIPE, SIG_IGN);
  alarm(seconds * 1.2 + 30); // whatever the server does, this ends
  raise_descriptor_limit();
  epoll_fd = epoll_create1(0);
  struct sockaddr_in server = {.sin_family = AF_INET,
                               .sin_port = htons(atoi(argv[1])),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  client_t *clients = calloc(connections, sizeof *clients);
  for (int i = 0; i < connections; i++) open_client(&clients[i], &server);
  for (int i = 0; i < connections; i++)
    if (clients[i].fd >= 0) send_batch(&clients[i]);

  drive(now_ns() + (uint64_t)(0.2 * seconds * 1e9));
  // A thousand connections take some servers longer to accept, and until then they are fewer.
  uint64_t patience = now_ns() + 5 * 1000000000ull;
  while (unanswered > 0 && alive > 0 && now_ns() < patience) drive(now_ns() + 1000000);
  puts("warm");
  fflush(stdout);
  measuring = 1;
  uint64_t start = now_ns();
  drive(start + (uint64_t)(seconds * 1e9));
  printf("{\"rps\":%.0f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"p999_us\":%.0f,\"max_us\":%.0f,"
         "\"errors\":%llu,\"unanswered\":%d}\n",
         batches * (double)pipeline / ((now_ns() - start) / 1e9), percentile_us(.5),
         percentile_us(.99), percentile_us(.999), slowest / 1e3, (unsigned long long)errors,
         unanswered);
  return errors ? 1 : 0;
}
