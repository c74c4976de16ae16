# The service for production, with DATABASE_URL set; without it, a volume on /srv/data keeps the data.
FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/woo-vtiger
COPY requirements.lock .
RUN /opt/woo-vtiger/bin/pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY migrations migrations
RUN /opt/woo-vtiger/bin/pip install --no-cache-dir --no-index --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --create-home --home-dir /srv woo-vtiger && install -d -o woo-vtiger -m 700 /srv/data
COPY --from=build /opt/woo-vtiger /opt/woo-vtiger
ENV PATH=/opt/woo-vtiger/bin:$PATH HOST=0.0.0.0 PYTHONUNBUFFERED=1
USER woo-vtiger
WORKDIR /srv
VOLUME /srv/data
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/live')"]
ENTRYPOINT ["woo-vtiger"]
CMD ["serve"]
