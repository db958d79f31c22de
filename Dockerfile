# Images with exactly the packages of the lock files. What a step does is checked without a daemon:  make image-check
#   docker build --target cuda -t sdbatch:cuda .
#   docker build --target cpu --build-arg TORCH_WHEELS=PLACE -t sdbatch:cpu .   (a page or folder of torch for CPUs)
#   docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" sdbatch:cpu task=check source=crate.zip
ARG PYTHON=3.11-slim-bookworm
FROM python:${PYTHON} AS base
ENV PYTHONPATH=/opt/sdbatch/src PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 HOME=/tmp
WORKDIR /opt/sdbatch

FROM base AS cpu
ARG TORCH_WHEELS
COPY requirements-cpu.lock .
RUN pip install --no-cache-dir --no-deps --require-hashes --find-links "${TORCH_WHEELS}" -r requirements-cpu.lock
COPY src src
COPY conf conf
RUN python -m sdbatch --version
WORKDIR /work
ENTRYPOINT ["python", "-m", "sdbatch"]

FROM base AS cuda
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY requirements.lock .
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY src src
COPY conf conf
RUN python -m sdbatch --version
WORKDIR /work
ENTRYPOINT ["python", "-m", "sdbatch"]
