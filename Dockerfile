# The image of the service: a dispatcher or a sender, depending on its command. It contains no Kafka and
# no secret. docker-compose.kafka.yml builds and runs it.

FROM python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b AS build
WORKDIR /source
COPY requirements/ requirements/
# The developers' lock file contains the build backend and npm. The next stage takes nothing from it.
RUN pip install --no-cache-dir --require-hashes -r requirements/dev.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas/ schemas/
COPY streams/ streams/
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
    && XDG_CACHE_HOME=/cache python -m streams.whatsapp.install.bundle

FROM python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
RUN apt-get update \
    && apt-get install --yes --no-install-recommends chromium-headless-shell \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 wa \
    && install --directory --owner wa --group wa /data /media
COPY requirements/run.txt /tmp/run.txt
RUN pip install --no-cache-dir --require-hashes -r /tmp/run.txt
COPY --from=build /wheels/ /wheels/
RUN pip install --no-cache-dir --no-deps /wheels/*.whl
COPY --from=build --chown=wa:wa /cache/ /home/wa/.cache/
USER wa
WORKDIR /data
VOLUME /data
ENV WA_DATA_DIR=/data PYTHONUNBUFFERED=1 MALLOC_ARENA_MAX=2
ENTRYPOINT ["wa-streams"]
CMD ["--help"]
