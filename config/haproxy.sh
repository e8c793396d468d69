#!/bin/sh
# HAProxy as Ray Serve is told to start it (RAY_SERVE_HAPROXY_BINARY_PATH), with errors in the marketplace's format.
#
# While no replica can be reached HAProxy answers by itself: by Serve's configuration with a plain-text 500 where a 503
# is true, and before the application is there with the path echoed. Serve has no setting for that, nor for how long a
# client may take to send its headers, so the configuration that it wrote is changed here before each start. Requests
# are also marked so that Serve starts no task to watch whether the client of each is still there (the app sees that by
# itself where it matters), which was a tenth of a replica's time. Nobody is told what software answers.
# HOLDFAST_HAPROXY names the real program. (What is no HTTP at all gets HAProxy's own 400: no configuration changes it.)
set -eu

configuration=
previous=
for argument; do
    if [ "$previous" = -f ]; then configuration=$argument; fi
    previous=$argument
done

if [ -n "$configuration" ] && [ -w "$configuration" ]; then
    answer=$(dirname "$configuration")/away.http
    body='{"errors":[{"message":"The marketplace does not answer right now. Try again in a moment."}]}'
    {
        printf 'HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: %s\r\n' "${#body}"
        printf 'Retry-After: 1\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\nReferrer-Policy: no-referrer\r\n'
        printf "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
        printf 'Cache-Control: no-store\r\n\r\n%s' "$body"
    } >"$answer"
    headers='hdr Retry-After 1 hdr X-Content-Type-Options nosniff hdr X-Frame-Options DENY hdr Referrer-Policy no-referrer hdr Cache-Control no-store'
    sed -i \
        -e '/^frontend http_frontend/,/bind/ s|^\( *\)bind .*|&\n\1http-request set-header x-request-disconnect-disabled ?1\n\1http-response del-header server|' \
        -e "s|^\( *\)errorfile \([0-9]*\) .*|\1errorfile \2 $answer|" \
        -e "s|^\( *\)timeout connect .*|&\n\1timeout http-request 10s|" \
        -e "s|^\( *\)http-request return status 404 content-type text/plain lf-string .*|\1http-request return status 503 content-type application/json string '$body' $headers|" \
        "$configuration"
fi
exec "$HOLDFAST_HAPROXY" "$@"
