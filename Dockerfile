# A worker: docker build -t perdure-worker . && docker run -e TEMPORAL_ADDRESS=... perdure-worker myshop.agents
# Your agents: mount their folder at /agents, or `FROM perdure-worker`, `COPY myshop /agents/myshop` and install what
# they import as root. One stage is enough: every dependency is a wheel, and nothing is compiled.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PERDURE_HEALTH_PORT=8080
RUN useradd --create-home --uid 10001 perdure && install --directory --owner=perdure /agents /blobs
WORKDIR /app

COPY requirements/run.txt requirements/run.txt
RUN pip install --no-cache-dir --require-hashes --requirement requirements/run.txt

COPY perdure perdure
COPY workflows workflows
COPY activities activities
COPY examples examples
COPY worker.py .
# Nothing is compiled when a worker starts: it could not keep it.
RUN python -m compileall -q .

USER 10001
WORKDIR /agents
# Starting takes some seconds; a worker whose server is away is unhealthy, and goes on trying.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/ready', timeout=4)"]
ENTRYPOINT ["python", "/app/worker.py"]
CMD ["examples.airline.agent", "--graceful", "620"]
