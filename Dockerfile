# The program alone, as a user without rights. Run it with a read-only root:
#
#	docker build -t fraudcheck .
#	docker run --read-only --cap-drop=ALL --security-opt=no-new-privileges \
#	    -v "$PWD/etc:/etc/fraudcheck:ro" -v fraudcheck:/var/lib/fraudcheck -p 127.0.0.1:8080:8080 fraudcheck
#
# Without Docker: make image.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY client/go.mod ./client/
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -o /out/fraudcheck ./cmd/fraudcheck \
    && mkdir -p /out/etc/fraudcheck /out/var/lib/fraudcheck

FROM scratch
COPY --from=build /out/fraudcheck /fraudcheck
COPY --from=build /out/etc/ /etc/
COPY --from=build --chown=65532:65532 /out/var/ /var/
USER 65532:65532
ENV FRAUDCHECK_CONFIG=/etc/fraudcheck/fraudcheck.yaml
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s --retries=3 CMD ["/fraudcheck", "healthcheck"]
ENTRYPOINT ["/fraudcheck"]
