package velocity

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAliasesOfOneMailboxAreOne(t *testing.T) {
	for mailbox, aliases := range map[string][]string{
		"jane.doe@gmail.com": {
			"janedoe@gmail.com", "j.a.n.e.d.o.e@gmail.com", "JaneDoe@Gmail.com", "jane.doe+1@gmail.com", "janedoe+shop.two@gmail.com",
			"jane.doe@googlemail.com", "janedoe+x+y@GoogleMail.com", "..jane.doe@gmail.com",
		},
		"jane.doe@example.com": {"jane.doe+1@example.com", "Jane.Doe+a+b@EXAMPLE.com", "jane.doe+@example.com"},
		`"a@b"@example.com`:    {`"A@B"@example.com`},
		"+1@example.com":       {"+1@Example.com"},
	} {
		for _, alias := range aliases {
			require.Equal(t, mailboxIdentity(mailbox), mailboxIdentity(alias), "%s and %s", mailbox, alias)
		}
	}
}

func TestMailboxesThatDifferAreApart(t *testing.T) {
	seen := map[identity]string{}
	for _, mailbox := range []string{
		"janedoe@gmail.com", "janedoe@example.com", "jane.doe@example.com", "janedoe@mail.gmail.com", "janedoe@gmail.co",
		"+janedoe@gmail.com", "+@gmail.com", ".@gmail.com", "+@example.com", "@gmail.com", "jane.doe@", "jane+doe@", "jane+doe", "gmail.com",
		"jane.doe", "@", "+", ".", "a+b@c@example.com", "jane+doe@x@gmail.com", "émile@gmail.com", "Émile@gmail.com",
	} {
		id := mailboxIdentity(mailbox)
		require.Empty(t, seen[id], mailbox)
		seen[id] = mailbox
	}
	require.Equal(t, mailboxIdentity("a@example.com"), mailboxIdentity("a+b@c@example.com"), "the last @ ends the local part")
}

// An alias made in any way that a mailbox's owner can is no new subject.
func TestNoAliasIsANewSubject(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		local := rapid.StringMatching(`[a-z0-9]{1,20}`).Draw(t, "local")
		gmail := rapid.Bool().Draw(t, "gmail")
		domains := []string{"example.com"}
		if gmail {
			domains = []string{"gmail.com", "googlemail.com"}
		}
		alias := local
		if gmail {
			for range rapid.IntRange(0, 5).Draw(t, "dots") {
				at := rapid.IntRange(0, len(alias)).Draw(t, "at")
				alias = alias[:at] + "." + alias[at:]
			}
		}
		alias += rapid.StringMatching(`(\+[a-z0-9.+_-]{0,20})?`).Draw(t, "tag") + "@" + rapid.SampledFrom(domains).Draw(t, "domain")
		if rapid.Bool().Draw(t, "upper") {
			alias = strings.ToUpper(alias)
		}
		require.Equal(t, mailboxIdentity(local+"@"+domains[0]), mailboxIdentity(alias), alias)
	})
}

func TestAMailboxIsHashedWithoutAllocating(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(1000, func() { mailboxIdentity("Jane.Doe+shop@GoogleMail.com") }))
}

// An alias of an alias reaches the same mailbox, whatever stands in the address.
func FuzzMailbox(f *testing.F) {
	for _, text := range []string{"jane.doe+1@gmail.com", "a@b@GoogleMail.com", "+@x", "é@gmail.com", "....@gmail.com", "@", "a+b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, ok := judgeMailbox(text)
		if !ok || !utf8.ValidString(text) { // which decoders refuse
			return
		}
		mailbox := mailboxIdentity(v.text)
		require.True(t, mailbox.known())
		canonical := string(canonicalMailbox([]byte(asciiLower(v.text))))
		require.Equal(t, canonical, string(canonicalMailbox([]byte(canonical))), "%q", text)
		require.Equal(t, mailbox, mailboxIdentity(canonical), "%q", text)
		if at := strings.LastIndexByte(v.text, '@'); at > 0 && at < len(v.text)-1 && v.text[0] != '+' && len(v.text) < maxText {
			require.Equal(t, mailbox, mailboxIdentity(v.text[:at]+"+x"+v.text[at:]), "%q", text)
		}
	})
}

func asciiLower(text string) string {
	return strings.Map(func(c rune) rune {
		if 'A' <= c && c <= 'Z' {
			return c + 'a' - 'A'
		}
		return c
	}, text)
}
