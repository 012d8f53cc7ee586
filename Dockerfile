# The application in production. One image serves, migrates and rolls back: what it does says its command.
#
#   docker build --tag antarest .
#
# A closed network names its own base image (Debian or Ubuntu with Python 3.11 or newer and venv) and its own index:
#
#   docker build --tag antarest --build-arg BASE_IMAGE=... --build-arg PIP_INDEX_URL=... .
#
# An index with a password belongs into the pip.conf of the base image: a build argument stays in the builder's cache.

ARG BASE_IMAGE=python:3.13-slim

# ---- everything that is only needed to make it

FROM ${BASE_IMAGE} AS build
LABEL org.opencontainers.image.title=antarest-build
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# The packages change less often than the code. The environment of the application has no pip of its own.
COPY requirements-build.lock requirements-run.lock ./
RUN python3 -m venv tools \
    && tools/bin/pip install --quiet --require-hashes --requirement requirements-build.lock \
    && python3 -m venv --without-pip /opt/antarest \
    && tools/bin/pip --python /opt/antarest/bin/python3 install --quiet --require-hashes --requirement requirements-run.lock

COPY . .
RUN tools/bin/python3 -m hatchling build --target wheel --directory dist \
    && tools/bin/pip --python /opt/antarest/bin/python3 install --quiet --no-index --no-deps dist/*.whl \
    && ln -s "$(ls -d /opt/antarest/lib/python3*/site-packages/antarest/_alembic)" /opt/antarest/project

# ---- the image

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title=antarest org.opencontainers.image.licenses=MPL-2.0
RUN useradd --uid 10001 --home-dir /srv/antarest --no-create-home --shell /usr/sbin/nologin antarest
COPY --from=build /opt/antarest /opt/antarest
COPY docker/application.yaml docker/migration.yaml /etc/antarest/

# ALEMBIC_CONFIG: a plain `alembic upgrade head` finds the migrations from any folder.
ENV PATH=/opt/antarest/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    ALEMBIC_CONFIG=/opt/antarest/project/alembic.ini \
    ANTAREST_CONF=/etc/antarest/application.yaml \
    DB_NAME=antarest \
    DB_USER=antarest \
    DB_OWNER=antarest_owner

USER antarest
WORKDIR /srv/antarest
EXPOSE 8080
STOPSIGNAL SIGTERM

# 503 while the schema is behind or the database is gone. Without urllib, which would ask the proxy of the environment.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python3", "-c", "\
import http.client, sys; \
asked = http.client.HTTPConnection('127.0.0.1', 8080, timeout=4); \
asked.request('GET', '/api/health'); \
sys.exit(asked.getresponse().status != 200)"]

# A list, not a shell's line: the program itself is the first process, and SIGTERM reaches it.
CMD ["antarest"]
