package velocity

// A kind is something a rule can watch (a subject), count (an element), or both.
// Adding one is adding an entry to kinds; nothing else lists them.
type kind struct {
	id      byte   // stands in store keys and records: never changed, never used again
	subject string // the name after "per:", empty when it cannot be watched
	element string // the name after "count:", empty when it cannot be counted
	// identity says which one it is in this attempt; unknown when the attempt has none.
	identity func(*Attempt, *Plan) identity
	// declines: counted when the issuer declined, never when the card was shown.
	declines bool
}

var kinds = [...]kind{
	{id: 1, subject: "ip", element: "ips", identity: func(a *Attempt, p *Plan) identity { return networkIdentity(a.Address, 32, p.ipv6Prefix) }},
	{id: 2, subject: "network", identity: func(a *Attempt, _ *Plan) identity { return networkIdentity(a.Address, 24, 48) }},
	{id: 3, subject: "card", element: "cards", identity: cardOf},
	{id: 4, subject: "email", identity: textOf(FieldEmail)},
	{id: 5, subject: "device", identity: textOf(FieldDevice)},
	{id: 6, subject: "cart", identity: textOf(FieldCart)},
	{id: 7, subject: "account", identity: textOf(FieldAccount)},
	{id: 8, element: "attempts", identity: attemptOf},
	{id: 9, element: "declined_cards", identity: cardOf, declines: true},
	// Which attempts a declined_cards list has heard of, so that an outcome
	// delivered twice changes nothing. No rule can name it.
	declinedAttempts: {id: 10, identity: attemptOf, declines: true},
}

const declinedAttempts = 9

func cardOf(a *Attempt, _ *Plan) identity    { return a.card }
func attemptOf(a *Attempt, _ *Plan) identity { return attemptIdentity(a.attempt, &a.card) }

// textOf is for subjects that are named as the field that gives them.
func textOf(field Field) func(*Attempt, *Plan) identity {
	return func(a *Attempt, _ *Plan) identity { return textIdentity(*a.text(field), field == FieldEmail) }
}

func kindNamed(name string, of func(*kind) string) *kind {
	for i := range kinds {
		if n := of(&kinds[i]); n != "" && n == name {
			return &kinds[i]
		}
	}
	return nil
}

func subjectName(k *kind) string { return k.subject }
func elementName(k *kind) string { return k.element }

// kindNames lists the configurable names, for error texts.
func kindNames(of func(*kind) string) (names []string) {
	for i := range kinds {
		if n := of(&kinds[i]); n != "" {
			names = append(names, n)
		}
	}
	return names
}
