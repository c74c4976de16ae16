# The service for production. With DATABASE_URL set nothing is written outside /tmp, so that the root
# may be read-only; without it, the embedded PostgreSQL keeps its data in the volume /srv/data.
FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/woo-vtiger
COPY requirements.lock .
RUN /opt/woo-vtiger/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY app app
COPY sandbox sandbox
COPY migrations migrations
COPY vtiger-addon vtiger-addon
RUN /opt/woo-vtiger/bin/pip install --no-cache-dir --no-index --no-deps --no-build-isolation .

FROM python:3.13-slim
ARG BUILD_COMMIT=""
ARG BUILD_DATE=""
RUN useradd --system --uid 10001 --create-home --home-dir /srv woo-vtiger \
    && install -d -o woo-vtiger -m 700 /srv/data
COPY --from=build /opt/woo-vtiger /opt/woo-vtiger
ENV PATH=/opt/woo-vtiger/bin:$PATH HOST=0.0.0.0 PORT=8000 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    BUILD_COMMIT=$BUILD_COMMIT BUILD_DATE=$BUILD_DATE
USER woo-vtiger
WORKDIR /srv
VOLUME /srv/data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/health/live' % os.environ['PORT'])"]
ENTRYPOINT ["woo-vtiger"]
CMD ["serve"]
