# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /venv
COPY pyproject.toml README.md LICENSE ./
COPY dumb_async dumb_async
COPY variants variants
COPY loadgen loadgen
RUN /venv/bin/pip install --no-cache-dir .

FROM python:3.13-slim
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DUMB_HOST=0.0.0.0
# A number, so that Kubernetes' runAsNonRoot can check it.
USER 10001:10001
EXPOSE 8090
# Metrics stay on the container's loopback unless DUMB_METRICS_HOST says otherwise.
HEALTHCHECK --interval=10s --timeout=3s --start-period=2s --retries=3 \
    CMD ["python", "-m", "dumb_async.healthcheck"]
# Exec form: the server is process 1 and gets SIGTERM itself.
ENTRYPOINT ["python", "-m", "dumb_async"]
