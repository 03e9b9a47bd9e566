// Command checkout is a shop with one route, which asks fraudcheck before it charges.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	fraudcheck "fraudcheck/client"
	"fraudcheck/examples/address"
)

var shopper = address.Behind([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}) // one proxy, nginx here

func main() {
	checks, err := fraudcheck.New(fraudcheck.Options{
		URL: os.Getenv("CHECK_URL"), Username: "checkout", Password: os.Getenv("CHECK_PASSWORD"),
		OnFault: func(f fraudcheck.Fault) { log.Print("wake an engineer: ", f) },
	})
	if err != nil {
		log.Fatal(err)
	}
	server := http.Server{Addr: os.Getenv("LISTEN"), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { pay(checks, w, r) })}
	stopped, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		log.Print(server.ListenAndServe())
		stop()
	}()
	<-stopped.Done()
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
	if !valid.MatchString(attempt.Last4 + " " + attempt.Expiry + " " + attempt.Email) {
		http.Error(w, "Please look at what you entered.", http.StatusUnprocessableEntity)
		return
	}
	result, _ := checks.Check(r.Context(), attempt) // never an error with the policy allow
	if result.Decision == fraudcheck.Block {
		http.Error(w, "We cannot take this payment now. Please try again later, or pay another way.", http.StatusPaymentRequired)
		return
	}
	code := charge(r, result.Decision == fraudcheck.Review) // with 3-D Secure on review

	attempt.AttemptID = result.AttemptID
	outcome, text := fraudcheck.Outcome{Attempt: attempt, Outcome: "approved"}, "Thank you!"
	if code != "" {
		outcome.Outcome, outcome.Reason, text = "declined", reasons[code], "Your bank has declined this payment."
		w.WriteHeader(http.StatusPaymentRequired)
	}
	checks.Outcome(outcome) // at once: it is delivered in the background
	fmt.Fprintln(w, text)
}

// What a shopper sends must not make the check fail: that would be a way around it.
var valid = regexp.MustCompile(`^\d{4} (0[1-9]|1[0-2])/\d\d [^\s@]{1,64}@[^\s@]{1,190}$`)

// The decline codes of your payment provider; what is missing is reported as other.
var reasons = map[string]string{"incorrect_number": "invalid_number", "incorrect_cvc": "invalid_credentials", "insufficient_funds": "insufficient_funds"}

// charge stands for your payment provider. It returns a decline code, or "" when it charged.
func charge(r *http.Request, _ bool) string {
	return map[string]string{"0002": "generic_decline", "0127": "incorrect_cvc"}[r.PostFormValue("last4")]
}
