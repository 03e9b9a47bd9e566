package door

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/wire"
)

func TestAFailureOfAuthenticationSaysWhy(t *testing.T) {
	for failure, code := range map[auth.Failure]string{
		auth.Missing: "authorization_missing", auth.Malformed: "authorization_malformed", auth.Invalid: "credentials_invalid",
		auth.TokenExpired: "token_expired", auth.TokenInvalid: "token_invalid",
	} {
		for _, err := range []error{failure, fmt.Errorf("wrapped: %w", failure)} {
			assert.Equal(t, &wire.Problem{Status: 401, Code: code, Detail: failure.Error()}, authProblem(err))
		}
	}
	flaw := &auth.Flaw{Failure: auth.Malformed, Expected: "a nonce"}
	for _, err := range []error{flaw, fmt.Errorf("wrapped: %w", flaw)} {
		assert.Equal(t, &wire.Problem{Status: 401, Code: "authorization_malformed", Detail: "expected a nonce"}, authProblem(err))
	}
	for failure, code := range map[auth.Failure]string{auth.NetworkRefused: "network_refused", auth.OriginRefused: "origin_refused", auth.RoleMissing: "role_missing"} {
		assert.Equal(t, &wire.Problem{Status: 403, Code: code, Detail: failure.Error()}, authProblem(failure))
	}
}

func TestTooManyFailuresSayWhenToTryAgain(t *testing.T) {
	p := authProblem(&auth.Later{Failure: auth.TooManyFailures, After: time.Minute})
	assert.Equal(t, &wire.Problem{Status: 429, Code: "too_many_failures", Detail: auth.TooManyFailures.Error(), After: time.Minute}, p)
}

func TestAStoreThatIsAwayIsNoFailureOfTheCallers(t *testing.T) {
	p := authProblem(auth.Unavailable)
	assert.Equal(t, &wire.Problem{Status: 503, Code: "store_unreachable", Detail: auth.Unavailable.Error()}, p)
	assert.Equal(t, "1", p.RetryAfter())
}
