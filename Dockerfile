# An image with the command `ictconvention`, for processors or for GPUs of NVIDIA:
#   docker build -t ictconvention .                           docker build --build-arg DEVICE=gpu -t ictconvention:gpu .
#   docker run --rm -v "$PWD:/work" ictconvention simulate surveys/small --objects 400
#   docker run --rm --gpus all --shm-size 8g -v "$PWD:/work" ictconvention:gpu train experiment=ict_sdss
FROM python:3.11-slim
ARG DEVICE=cpu
WORKDIR /opt/ictconvention
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY conf conf
COPY ictconvention ictconvention
COPY hydra_plugins hydra_plugins
# The compilers are for packages without a wheel for this Python, such as sncosmo.
RUN set -eu; \
    case "$DEVICE" in \
        cpu) index="--extra-index-url https://download.pytorch.org/whl/cpu" ;; \
        gpu) index="" ;; \
        *) echo "DEVICE is '$DEVICE': take cpu or gpu" >&2; exit 2 ;; \
    esac; \
    apt-get update; \
    apt-get install --yes --no-install-recommends gcc g++ libc6-dev; \
    pip install --no-cache-dir --constraint constraints.txt $index '.[simulation,export,ztf]'; \
    apt-get purge --yes --auto-remove gcc g++ libc6-dev; \
    rm -rf /var/lib/apt/lists/*; \
    ictconvention --version
RUN useradd --create-home --uid 1000 astronomer
USER astronomer
WORKDIR /work
ENTRYPOINT ["ictconvention"]
CMD ["--help"]
