# The demo with its metrics, as a container:
#
#     docker build -t tiffany-demo .
#     docker run --rm -p 9464:9464 tiffany-demo      and:  curl http://127.0.0.1:9464/metrics
#
# docs/container.md: how it is traced from the host and inside. BASE: another Debian 12.
ARG BASE=debian:12

FROM ${BASE} AS build
WORKDIR /src
# the packages first: they change seldom, the sources often
COPY tools/setup tools/setup
RUN tools/setup --build
COPY . .
RUN cmake --preset release -DTIFFANY_TESTS=OFF -DTIFFANY_EXAMPLES=OFF -DTIFFANY_BENCHMARKS=OFF \
 && cmake --build build/release \
 && DESTDIR=/installed cmake --install build/release --component runtime

FROM ${BASE}
# what the programs are linked with, and the daemons that `paltrace record` starts
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends \
      libprometheus-cpp-core1.0 libmicrohttpd12 liblttng-ust1 libsimdjson14 libzstd1 libelf1 libseccomp2 libbabeltrace2-0 lttng-tools \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --create-home tiffany
COPY --from=build /installed/ /
# by number, so that an engine can see that it is not root
USER 10001:10001
WORKDIR /home/tiffany
# every address of the container; which of the host's can reach it is what `docker run -p` says
ENV TIFFANY_METRICS=0.0.0.0:9464
EXPOSE 9464
# it works until it is told to stop: SIGTERM, which is what `docker stop` sends
CMD ["tiffany-demo", "--tasks", "10", "--seconds", "0"]
