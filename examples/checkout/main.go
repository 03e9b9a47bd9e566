// Command checkout is a shop with one route, which asks fraudcheck before it charges.
package main

import (
	"context"
	"log"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	fraudcheck "fraudcheck/client"
	"fraudcheck/examples/address"
)

// One proxy, nginx on this machine.
var shopper = address.Behind([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")})

func main() {
	checks, err := fraudcheck.New(fraudcheck.Options{
		URL: os.Getenv("FRAUDCHECK_URL"), Username: "checkout", Password: os.Getenv("FRAUDCHECK_PASSWORD"),
		OnFault: func(f fraudcheck.Fault) { log.Print("wake an engineer: ", f) },
	})
	if err != nil {
		log.Fatal(err)
	}
	server := http.Server{Addr: os.Getenv("LISTEN"), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { pay(checks, w, r) })}
	go func() {
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = server.Shutdown(ctx)
	checks.Close(ctx) // delivers the outcomes that wait
}

func pay(checks *fraudcheck.Client, w http.ResponseWriter, r *http.Request) {
	attempt := fraudcheck.Attempt{
		IP:    shopper(r.RemoteAddr, strings.Join(r.Header.Values("X-Forwarded-For"), ",")),
		Last4: r.PostFormValue("last4"), Expiry: r.PostFormValue("expiry"), Email: r.PostFormValue("email"),
	}
	result, _ := checks.Check(r.Context(), attempt) // never an error with the policy allow
	if result.Source != fraudcheck.Service {
		log.Print("not checked: ", result.Cause)
	}
	if result.Decision == fraudcheck.Block {
		http.Error(w, "We cannot take this payment now. Please try again later, or pay another way.", http.StatusPaymentRequired)
		return
	}
	code := charge(r, result.Decision == fraudcheck.Review) // with 3-D Secure on review

	attempt.AttemptID = result.AttemptID
	outcome := fraudcheck.Outcome{Attempt: attempt, Outcome: "approved"}
	if code != "" {
		outcome.Outcome, outcome.Reason = "declined", reasons[code]
	}
	checks.Outcome(outcome) // at once: it is delivered in the background
	if code != "" {
		http.Error(w, "Your bank has declined this payment.", http.StatusPaymentRequired)
		return
	}
	_, _ = w.Write([]byte("Thank you!\n"))
}

// The decline codes of your payment provider; what is missing is reported as other.
var reasons = map[string]string{"incorrect_number": "invalid_number", "incorrect_cvc": "invalid_credentials", "insufficient_funds": "insufficient_funds"}

// charge stands for your payment provider. It returns a decline code, or "" when it charged.
func charge(r *http.Request, _ bool) string {
	return map[string]string{"0002": "generic_decline", "0127": "incorrect_cvc"}[r.PostFormValue("last4")]
}
