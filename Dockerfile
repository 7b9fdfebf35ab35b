# docker build -t tandem . && docker run -p 127.0.0.1:8283:8283 -v tandem:/data tandem
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 \
    ADE_HOST=0.0.0.0 ADE_PORT=8283 ADE_DATA_DIR=/data

# Debian's packages that tools may use besides, for example --build-arg EXTRA_PACKAGES="nodejs npm" (see docs/sandbox.md).
ARG EXTRA_PACKAGES=""
RUN if [ -n "$EXTRA_PACKAGES" ]; then apt-get update && apt-get install --yes --no-install-recommends $EXTRA_PACKAGES && rm -rf /var/lib/apt/lists/*; fi

RUN useradd --system --user-group --uid 10001 --home-dir /data --shell /usr/sbin/nologin tandem \
    && install -d -o tandem -g tandem -m 0700 /data
WORKDIR /app
COPY requirements.txt .
RUN pip install --disable-pip-version-check -r requirements.txt
COPY . .
RUN python -m compileall -q .

USER tandem
VOLUME /data
EXPOSE 8283
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['ADE_PORT']}/v1/health/\", timeout=4)"]
CMD ["python", "manage.py", "serve", "--prepare"]
