#!/bin/sh
# HAProxy as Ray Serve is told to start it (RAY_SERVE_HAPROXY_BINARY_PATH), with what Serve has no setting for.
#
# Serve writes a whole configuration before each start; this script adds to it and starts the real program, which
# HOLDFAST_HAPROXY names. What is added: where it listens (HTTP_HOST), the client's address and the key that tells
# replicas that HAProxy wrote it (HOLDFAST_INGRESS_KEY), bounds on slow clients and on connections of one address
# (TRUSTED_PROXIES, RATE_LIMITS), compression, and HAProxy's own answers in the marketplace's error format.
#
# What HAProxy answers to what is no HTTP at all (400) and to headers that do not end (408) is compiled in, and no
# configuration changes it: a copy of the program, with other words in these two places and nowhere else, is what runs.
# Where that copy cannot be made or run, the program as it is does.
set -eu
: "${HOLDFAST_INGRESS_KEY:?is what replicas believe HAProxy by: python -m config.ingress prints it}"

configuration=
previous=
for argument; do
    if [ "$previous" = -f ]; then configuration=$argument; fi
    previous=$argument
done

# The same headers as serve_app/security/headers.py gives to every response of the marketplace.
headers="hdr X-Content-Type-Options nosniff hdr X-Frame-Options DENY hdr Referrer-Policy no-referrer"
headers="$headers hdr Content-Security-Policy \"default-src 'none'; frame-ancestors 'none'\" hdr Cache-Control no-store"

# answer STATUS SENTENCE [RETRY_AFTER]: what follows the name of a directive that answers.
answer() {
    body="{\"errors\":[{\"message\":\"$2\"}]}"
    printf "status %s content-type application/json string '%s' %s%s" "$1" "$body" "$headers" "${3:+ hdr Retry-After $3}"
}

large="The headers of this request are too large. Cookies of other sites at this address may be the reason."

defaults() {
    # A whole request is awaited for 10 s, its body as far as the buffer goes: a slow client costs no replica anything.
    echo "    timeout http-request 10s"
    echo "    option http-buffer-request"
    echo "    option forwardfor"
    echo "    http-error $(answer 400 'This is no request that can be understood.')"
    echo "    http-error $(answer 408 'The request did not arrive in time.')"
    echo "    http-error $(answer 413 'The body may have at most 1 MiB.')"
    echo "    http-error $(answer 429 'Too many connections from this address. Close some, or wait a little.' 1) hdr Connection close"
    # Whatever no replica answered is one thing for clients, as it is everywhere else: 503, and when to ask again.
    # The mark tells these answers from those of replicas: it goes before the answer does (see away).
    for status in 500 502 503 504; do
        echo "    http-error status $status content-type application/json lf-string %[var(txn.away)] $headers hdr Retry-After 1 hdr X-Holdfast-Away 1"
    done
}

# What is said while no replica answers: a page to browsers, whose style the policy names by its hash, else JSON.
style=':root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}a{display:inline-block;padding:.75rem 0;color:inherit}'
style_hash='1Pi7KPgvn7CVtpWCQHCGD1o7CMDIvLlBIVxDV+QKlyA='
page="<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Back in a moment - Holdfast</title>"
page="$page<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">"
page="$page<style>$style</style></head><body><main><h1>Back in a moment</h1><p>The market does not answer right now. Nothing"
page="$page is lost, and nothing happens twice: what you hold stays yours until its time is over, and what you paid stays paid.</p>"
page="$page<p><a href=\"\">Try again</a></p></main></body></html>"

away() {
    echo "    acl wants_page req.hdr(accept) -m sub text/html"
    echo "    acl for_programs path_beg /api/"
    echo "    http-request set-var-fmt(txn.away) '{\"errors\":[{\"message\":\"The marketplace does not answer right now. Try again in a moment.\"}]}'"
    echo "    http-request set-var-fmt(txn.away) '$page' if wants_page !for_programs"
    echo "    http-request set-var(txn.wants_page) bool(true) if wants_page !for_programs"
    # Serve's own 503 for a replica that keeps too many waiting is text: all answers of the marketplace have this header.
    echo "    http-response return status 503 content-type application/json lf-string %[var(txn.away)] $headers hdr Retry-After 1 hdr X-Holdfast-Away 1 if { status 503 } !{ res.hdr(X-Content-Type-Options) -m found }"
    echo "    acl is_away res.hdr(X-Holdfast-Away) -m found"
    echo "    acl is_page var(txn.wants_page) -m bool"
    echo "    http-after-response set-status 503 if is_away"
    echo "    http-after-response set-header Content-Type \"text/html; charset=utf-8\" if is_away is_page"
    echo "    http-after-response set-header Content-Security-Policy \"default-src 'none'; style-src 'sha256-$style_hash'; frame-ancestors 'none'\" if is_away is_page"
    echo "    http-after-response del-header X-Holdfast-Away"
}

frontend() {
    port=$(sed -n '/^frontend http_frontend/,/bind/ s|^ *bind .*:\([0-9]*\).*|\1|p' "$configuration")
    for host in $(echo "${HTTP_HOST:-127.0.0.1,::1}" | tr ',' ' '); do
        case $host in
        *:*) echo "    bind [$host]:$port v6only" ;;
        *) echo "    bind $host:$port" ;;
        esac
    done
    limits
    away
    # Serve then starts no task to watch whether the client of each request is still there, a tenth of a replica's time.
    echo "    http-request set-header x-request-disconnect-disabled ?1"
    request_id
    echo "    http-request set-header x-holdfast-ingress \"\${HOLDFAST_INGRESS_KEY}\""
    # HAProxy's buffer takes 64 KiB (config/ray_environment.py), so that the answer to more than 16 can be ours.
    echo "    http-request return $(answer 414 'The address of this request is too long.') if { url_len gt 8192 }"
    echo "    http-request return $(answer 431 "$large") if { req.hdrs,length gt 16384 }"
    echo "    http-response del-header server"
    # Streams of events stay as they are, and so does what says no-transform (see docs/security.md, "Compression").
    echo "    compression algo gzip"
    echo "    compression type application/json text/html text/css text/javascript image/svg+xml"
}

# Serve answers with whatever X-Request-ID it is sent, and makes another one than replicas log if there is none. So what
# is none goes no further, and the trace id that replicas log comes in as this header as well (see request_context.py).
request_id() {
    echo '    acl has_id req.fhdr(x-request-id) -m found'
    echo "    acl is_id req.fhdr(x-request-id) -m reg '^[0-9A-Za-z._:/+=-]{1,128}\$'"
    echo '    acl is_one_id req.fhdr_cnt(x-request-id) eq 1'
    echo "    acl is_trace req.fhdr(traceparent) -m reg '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\$'"
    echo "    acl is_no_trace req.fhdr(traceparent) -m sub -- '-00000000000000000000000000000000-'"
    echo '    acl is_one_trace req.fhdr_cnt(traceparent) eq 1'
    echo '    http-request del-header x-request-id unless is_id is_one_id'
    echo '    http-request set-header x-request-id %[req.fhdr(traceparent),field(2,-)] if is_trace is_one_trace !is_no_trace !has_id'
    echo '    http-request set-header x-request-id %[uuid,regsub(-,,g)] unless has_id'
}

# Behind another proxy all connections are that proxy's, and it has to share them out.
limits() {
    case ${RATE_LIMITS:-on} in [Oo][Ff][Ff] | [Ff]* | [Nn] | [Nn][Oo] | 0) return ;; esac
    if [ "${TRUSTED_PROXIES:-1}" -gt 1 ]; then return; fi
    all=$(sed -n 's|^ *maxconn \([0-9]*\).*|\1|p' "$configuration" | head -n 1)
    # A sixteenth of all connections for each address (of IPv6 a /64, one customer's). Those beyond it are answered 429,
    # and from twice as many on not even that: nobody takes more than an eighth.
    share=$((all / 16 > 0 ? all / 16 : 1))
    echo "    stick-table type ipv6 size 100k expire 60s store conn_cur"
    echo "    tcp-request connection track-sc0 src,ipmask(32,64)"
    echo "    tcp-request connection reject if { sc0_conn_cur gt $((2 * share)) }"
    echo "    tcp-request connection set-var(sess.crowded) bool(true) if { sc0_conn_cur gt $share }"
    echo "    http-request deny deny_status 429 if { var(sess.crowded) -m bool }"
}

# reword STATUS LENGTH NEW_LENGTH SENTENCE: a sed script that changes one answer without changing its size.
reword() {
    body=$(printf "%-$(($3 - 1))s" "{\"errors\":[{\"message\":\"$4\"}]}")
    cat <<END
/HTTP\/1.1 $1\r\$/,/^<\/body>/ {
s|^Content-length: $2\r|Content-length: $3\r|
s|^Cache-Control: no-cache\r|Cache-Control: no-store\r|
s|^Content-Type: text/html\r|Content-Type: application/json\r\nX-Content-Type-Options: nosniff\r|
s|^<html>.*|$body|
/^Your browser/d
/^<\/body>/d
}
END
}

# Prints the program to run.
reworded() {
    copy=$(dirname "$configuration")/reworded/haproxy
    if [ ! "$copy" -nt "$HOLDFAST_HAPROXY" ]; then
        mkdir -p "$(dirname "$copy")"
        # It looks for its libraries beside itself.
        ln -sfn "$(dirname "$HOLDFAST_HAPROXY")/lib" "$(dirname "$copy")/lib"
        {
            reword '400 Bad request' 90 50 'Not a valid request.'
            reword '408 Request Time-out' 110 71 'The request did not arrive in time.'
        } >"$copy.sed"
        LC_ALL=C sed -f "$copy.sed" "$HOLDFAST_HAPROXY" >"$copy.new" && chmod 700 "$copy.new" && mv "$copy.new" "$copy"
    fi
    if [ "$(wc -c <"$copy")" = "$(wc -c <"$HOLDFAST_HAPROXY")" ] && "$copy" -v >/dev/null 2>&1; then
        echo "$copy"
    else
        echo "$HOLDFAST_HAPROXY"
    fi
}

program=$HOLDFAST_HAPROXY
if [ -n "$configuration" ] && [ -w "$configuration" ]; then
    umask 077
    program=$(reworded || echo "$HOLDFAST_HAPROXY")
    defaults >"$configuration.defaults"
    frontend >"$configuration.frontend"
    # Each answer that is being compressed takes 256 KiB: beyond 64 MiB of them the others are sent as they are.
    sed -i \
        -e 's|^global$|&\n    maxzlibmem 64|' \
        -e '/^defaults/,/^frontend/ {' \
        -e "/^ *timeout connect/r $configuration.defaults" \
        -e '/^ *errorfile/d' \
        -e '}' \
        -e 's|^\( *\)timeout http-keep-alive .*|\1timeout http-keep-alive 30s|' \
        -e '/^frontend http_frontend/,/bind/ {' \
        -e "/^ *bind/r $configuration.frontend" \
        -e '/^ *bind/d' \
        -e '}' \
        -e 's|^\( *\)bind \*\{0,1\}:\([0-9]*\)$|\1bind 127.0.0.1:\2|' \
        -e 's|^\( *\)http-request return status 404 content-type text/plain lf-string .*|\1http-request deny deny_status 503|' \
        "$configuration"
fi
exec "$program" "$@"
