// Go-redis counts the different cards of an address in a Redis sorted set: a card's
// score is when it was last shown. More than five within an hour are blocked.
package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	blockOver = 5
	window    = time.Hour
)

//go:embed distinct.lua
var distinctScript string

var (
	distinct = redis.NewScript(distinctScript)
	last4    = regexp.MustCompile(`^[0-9]{4}$`)
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "host:port to answer on")
	store := flag.String("redis", "redis.sock", "unix socket of Redis")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	// Its defaults otherwise: ten pooled connections for each core.
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: *store})
	defer client.Close()

	mux := http.NewServeMux()
	mux.Handle("POST /v1/check", guard(os.Getenv("PEER_PASSWORD"), check(client)))
	server := &http.Server{Addr: *listen, Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		bounded, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		stopped <- server.Shutdown(bounded)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-stopped
}

func guard(password string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(password))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, given, _ := r.BasicAuth()
		got := sha256.Sum256([]byte(given))
		if password == "" || user != "bench" || subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="peer"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func check(client *redis.Client) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		address, card, err := attempt(http.MaxBytesReader(w, r.Body, 8<<10))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		count, err := distinct.Run(r.Context(), client, []string{"cards:" + address}, card, window.Milliseconds()).Int()
		if err != nil {
			http.Error(w, "the store does not answer", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		decision := "allow"
		if count > blockOver {
			decision = "block"
		}
		fmt.Fprintf(w, `{"decision":%q}`, decision)
	}
}

// attempt reads the address, and a hash of the card that it shows.
func attempt(body io.Reader) (address, card string, err error) {
	var fields struct {
		IP    netip.Addr `json:"ip"`
		Last4 string     `json:"last4"`
		Month number     `json:"exp_month"`
		Year  *number    `json:"exp_year"`
	}
	if err := json.NewDecoder(body).Decode(&fields); err != nil {
		return "", "", errors.New("a JSON object with ip, last4, exp_month and exp_year is expected")
	}
	if !fields.IP.IsValid() || !last4.MatchString(fields.Last4) || fields.Month < 1 || fields.Month > 12 || fields.Year == nil {
		return "", "", errors.New("ip, last4, exp_month and exp_year are required")
	}
	hash := sha256.Sum256(fmt.Appendf(nil, "%s%02d%02d", fields.Last4, fields.Month, *fields.Year%100))
	return fields.IP.String(), hex.EncodeToString(hash[:]), nil
}

// A number may be written as a string.
type number int

func (n *number) UnmarshalJSON(text []byte) error {
	value, err := strconv.Atoi(strings.Trim(string(text), `"`))
	*n = number(value)
	return err
}
