package velocity

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWithoutAnAddress(t *testing.T) {
	for _, c := range []struct {
		fields  string
		field   Field
		missing bool
	}{
		{"no_ip=renewal card_id=A ip=203.0.113.7", FieldNoIP, false},
		{"no_ip=Renewal card_id=A", FieldNoIP, false},
		{"no_ip=yes card_id=A", FieldNoIP, false},
		{"no_ip= card_id=A", FieldIP, true},
		{"ip=unknown card_id=A", FieldIP, false},
		{"ip=renewal card_id=A", FieldIP, false},
		{"no_ip=phone", FieldLast4, true},
		{"no_ip=phone card=later", FieldIP, true},
		{"no_ip=phone card=later email=", FieldIP, true},
	} {
		_, err := ParseAttempt(fieldsOf(append(strings.Fields(c.fields), "attempt_id=a")...))
		var wrong *FieldError
		require.ErrorAs(t, err, &wrong, c.fields)
		require.Equal(t, c.field, wrong.Field, c.fields)
		require.Equal(t, c.missing, wrong.Missing, c.fields)
		_, _, err = ParseOutcome(fieldsOf(append(strings.Fields(c.fields), "attempt_id=a", "outcome=error")...))
		require.Equal(t, wrong, err, "an outcome is judged alike: %s", c.fields)
	}
	for _, good := range []string{
		"no_ip=renewal card_id=A", "no_ip=phone last4=4242 exp_month=1 exp_year=30", "no_ip=unknown card=later email=eve@example.com",
		"no_ip=phone card=later device=d", "no_ip=phone card=later cart=c", "no_ip=phone card=later account=a", "ip= no_ip=phone card_id=A",
	} {
		a, err := ParseAttempt(fieldsOf(append(strings.Fields(good), "attempt_id=a")...))
		require.NoError(t, err, good)
		require.False(t, a.Address.IsValid())
	}
}
