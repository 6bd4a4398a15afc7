/* SPDX-License-Identifier: Apache-2.0 */
/* heddle metrics: answers a Prometheus that asks. */
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/metrics-text.h"
#include "vitals/source.h"

#define LISTEN_DEFAULT "127.0.0.1:9465"
#define CONNECTIONS_MAX 16
#define TIMEOUT_S 10

enum { OPT_LISTEN = 1, OPT_ALL, OPT_NO_PROBES, OPT_ONCE };

static const struct cli_option options[] = {
	{ OPT_LISTEN, "listen", "ADDRESS:PORT", "answer there (" LISTEN_DEFAULT "); [::1]:PORT for IPv6" },
	{ OPT_ALL, "all", NULL, "every cgroup with processes, not only Heddle's sessions" },
	{ OPT_NO_PROBES, "no-probes", NULL, "count no context switches, delays and block requests" },
	{ OPT_ONCE, "once", NULL, "print them and end" },
	{ 0 },
};

static const struct cli_usage usage = {
	.name = "metrics",
	.synopsis = "[OPTION...]",
	.about = "Serves the memory, CPU, I/O and pressure of each session, with escapes, losses and\n"
		 "what the guard did, at /metrics in the text form that Prometheus reads.",
	.options = options,
};

struct server {
	struct workloads *workloads;
	pthread_mutex_t one; /* a look at a time */
};

static int look(struct server *s, struct buf *out, struct err *err)
{
	const struct workload_view *const *list;
	struct vitals_host host;
	size_t n;
	int r;

	/* "No workloads" would be a figure like any other to who reads it later. */
	r = workloads_look(s->workloads, err);
	if (r < 0)
		return r;
	if (vitals_host_read("/proc", &host) < 0)
		host = (struct vitals_host){ .available = VITALS_UNKNOWN };
	n = workloads_list(s->workloads, &list);
	metrics_text(list, n, &host, out);
	return out->failed ? err_set(err, -out->failed, "there is too much to tell") : 0;
}

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *type, const char *text,
			     size_t length)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(length, (void *)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result r;

	if (!response)
		return MHD_NO;
	(void)MHD_add_response_header(response, "Content-Type", type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		(void)MHD_add_response_header(response, "Allow", "GET, HEAD");
	r = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return r;
}

static enum MHD_Result say(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return reply(connection, status, "text/plain; charset=utf-8", text, strlen(text));
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method,
			      const char *version, const char *upload, size_t *upload_size, void **state)
{
	_cleanup_buf_ struct buf text = BUF_INIT(METRICS_BYTES_MAX);
	struct server *s = context;
	struct err err = { 0 };
	int r;

	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
	if (strcmp(url, "/metrics") != 0)
		return say(connection, MHD_HTTP_NOT_FOUND, "the metrics are at /metrics\n");
	(void)pthread_mutex_lock(&s->one);
	r = look(s, &text, &err);
	(void)pthread_mutex_unlock(&s->one);
	if (r < 0) {
		buf_clear(&text);
		buf_addf(&text, "%s\n", err.text);
		return say(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, text.data);
	}
	return reply(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text.data, text.length);
}

/* "ADDRESS:PORT", "[ADDRESS]:PORT". */
static int parse_listen(const char *text, struct sockaddr_storage *ret)
{
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	char host[64] = "";
	uint64_t port;

	*ret = (struct sockaddr_storage){ 0 };
	if (!colon || length == 0 || length >= sizeof(host) || text_parse_u64(colon + 1, &port) < 0 || port == 0 ||
	    port > 65535)
		return -EINVAL;
	if (text[0] == '[' && text[length - 1] == ']') {
		memcpy(host, text + 1, length - 2);
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, host, &six->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	memcpy(host, text, length);
	four->sin_family = AF_INET;
	four->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &four->sin_addr) == 1 ? 0 : -EINVAL;
}

static bool is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
	return (ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24) == 127;
}

static int serve(struct server *s, const char *listen, const struct sockaddr_storage *address)
{
	unsigned flags =
	    MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | (address->ss_family == AF_INET6 ? MHD_USE_IPv6 : 0);
	sigset_t signals;
	int signal = 0;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	errno = 0;
	struct MHD_Daemon *daemon =
	    MHD_start_daemon(flags, 0, NULL, NULL, answer, s, MHD_OPTION_SOCK_ADDR, (const struct sockaddr *)address,
			     MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
			     (unsigned)TIMEOUT_S, MHD_OPTION_END);
	if (!daemon)
		return cli_error("can't listen on %s: %s", listen,
				 errno ? strerror(errno) : "the server did not start");
	(void)cli_error("metrics at http://%s/metrics; Ctrl-C ends", listen);
	while (sigwait(&signals, &signal) == EINTR)
		;
	MHD_stop_daemon(daemon);
	return CLI_OK;
}

static int print(struct server *s)
{
	_cleanup_buf_ struct buf text = BUF_INIT(METRICS_BYTES_MAX);
	struct err err = { 0 };

	if (look(s, &text, &err) < 0)
		return cli_fail(&err);
	(void)fwrite(text.data, 1, text.length, stdout);
	return cli_finish(CLI_OK);
}

int cmd_metrics(int argc, char **argv)
{
	struct cli_parser parser = { .usage = &usage, .argc = argc, .argv = argv };
	struct server server = { .one = PTHREAD_MUTEX_INITIALIZER };
	struct workloads_options look_at = { .probes = true };
	const char *listen = LISTEN_DEFAULT;
	struct sockaddr_storage address;
	char note[ERR_TEXT_MAX] = "";
	struct err err = { 0 };
	bool once = false;
	int option, code;

	while ((option = cli_next(&parser)) > 0) {
		if (option == OPT_LISTEN)
			listen = parser.value;
		look_at.all |= option == OPT_ALL;
		look_at.probes &= option != OPT_NO_PROBES;
		once |= option == OPT_ONCE;
	}
	if (option != CLI_OPT_END)
		return option == CLI_OPT_HELP ? CLI_OK : CLI_FAILED;
	if (parser.next < argc)
		return cli_usage_error("metrics", "takes no operand, got '%s'", argv[parser.next]);
	if (parse_listen(listen, &address) < 0)
		return cli_usage_error(
		    "metrics",
		    "--listen takes an address and a port, such as " LISTEN_DEFAULT " or [::1]:9465, not '%s'", listen);
	if (!once && !is_loopback(&address))
		(void)cli_error("anybody who can reach %s can read what runs here: there is no password", listen);
	if (workloads_open(&look_at, &server.workloads, note, sizeof(note), &err) < 0)
		return cli_fail(&err);
	if (*note)
		(void)cli_error("%s", note);
	code = once ? print(&server) : serve(&server, listen, &address);
	workloads_close(server.workloads);
	return code;
}
