# The program alone, as a user without rights. Run it with a read-only root:
#
#	docker build -t fraudcheck .
#	docker run --read-only --cap-drop=ALL --security-opt=no-new-privileges \
#	    -v "$PWD/etc:/etc/fraudcheck:ro" -v fraudcheck:/var/lib/fraudcheck -p 127.0.0.1:8080:8080 fraudcheck
#
# It says its version and commit where they are given, as make image does without Docker:
#
#	docker build -t fraudcheck:v1.0.0 --build-arg VERSION=1.0.0 --build-arg COMMIT="$(git rev-parse HEAD)" \
#	    --build-arg DATE="$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)" .
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY client/go.mod ./client/
RUN go mod download
COPY . .
RUN go run -C deploy/release . -licences /out/licenses "linux/$(go env GOARCH)"
ARG VERSION
ARG COMMIT
ARG DATE
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -o /out/fraudcheck -ldflags "-s -w -buildid= \
    -X fraudcheck/internal/build.version=${VERSION:+v$VERSION} -X fraudcheck/internal/build.commit=$COMMIT -X fraudcheck/internal/build.date=$DATE" ./cmd/fraudcheck \
    && mkdir -p /out/etc/fraudcheck /out/var/lib/fraudcheck

FROM scratch
ARG VERSION
ARG COMMIT
ARG DATE
LABEL org.opencontainers.image.title=fraudcheck org.opencontainers.image.licenses=MIT \
    org.opencontainers.image.version="$VERSION" org.opencontainers.image.revision="$COMMIT" org.opencontainers.image.created="$DATE"
COPY --from=build /out/fraudcheck /fraudcheck
COPY --from=build /out/licenses/ /licenses/
COPY --from=build /out/etc/ /etc/
COPY --from=build --chown=65532:65532 /out/var/ /var/
USER 65532:65532
ENV FRAUDCHECK_CONFIG=/etc/fraudcheck/fraudcheck.yaml
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["/fraudcheck", "healthcheck"]
ENTRYPOINT ["/fraudcheck"]
