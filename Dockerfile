# A worker: docker build -t perdure-worker . && docker run -e TEMPORAL_ADDRESS=... perdure-worker myshop.agents
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --create-home --uid 10001 perdure
WORKDIR /app

COPY requirements/run.txt requirements/run.txt
RUN pip install --no-cache-dir --require-hashes --requirement requirements/run.txt

COPY perdure perdure
COPY workflows workflows
COPY activities activities
COPY examples examples
COPY worker.py .

USER perdure
ENTRYPOINT ["python", "worker.py"]
CMD ["examples.airline.agent"]
