# ZeroMass for play, training and Ray clusters (docs/cluster.md). It was not built where it was written.
#
#     docker build -t zeromass:latest .                              # CPU
#     docker build -t zeromass:latest --build-arg DEVICE=cu130 .     # CUDA: which of PyTorch's builds
#     docker run --rm -it zeromass:latest play
ARG PYTHON=3.11
FROM python:${PYTHON}-slim
ARG DEVICE=cpu

# wget: KubeRay's probes. gcc: Triton compiles its launchers at run time. procps: Ray's processes.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends wget gcc libc6-dev procps \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/zeromass
COPY constraints.txt ./
RUN pip install --no-cache-dir --index-url "https://download.pytorch.org/whl/${DEVICE}" -c constraints.txt torch
COPY pyproject.toml README.md LICENSE zeromass.py ./
COPY agent agent
COPY configs configs
COPY kernels kernels
COPY selfplay selfplay
COPY training training
RUN pip install --no-cache-dir -c constraints.txt .

# Ray's images use this user and home, and so do volumes that were made for them.
RUN useradd --create-home --uid 1000 ray && mkdir /runs && chown ray /runs
USER ray
WORKDIR /home/ray
# Compile once what plays; other parts are compiled when they are first used.
RUN printf 'isready\nsetoption name Simulations value 8\ngo\nquit\n' | zeromass uci > /dev/null
ENTRYPOINT ["zeromass"]
CMD ["--help"]
