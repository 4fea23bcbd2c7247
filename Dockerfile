# KerasNAS on the CPU.
#
#     docker build -t kerasnas .
#     docker run --rm -v "$PWD:/data" kerasnas search --minutes=5 --output_dir=/data/runs/first
FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY kerasnas kerasnas
COPY tuners tuners
RUN pip install --no-cache-dir --prefix=/installed .

FROM python:3.12-slim
COPY --from=build /installed /usr/local
RUN useradd --create-home --uid 1000 kerasnas
USER kerasnas
ENV KERASNAS_HOME=/home/kerasnas/.cache/kerasnas TF_CPP_MIN_LOG_LEVEL=2
WORKDIR /data
ENTRYPOINT ["kerasnas"]
CMD ["--help"]
