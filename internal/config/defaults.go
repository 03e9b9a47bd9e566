package config

import "time"

// Defaults returns the settings of an empty file. docs/configuration.md lists them; a
// test holds the two equal.
func Defaults() *Settings {
	s := new(Settings)
	s.Listen = "127.0.0.1:8080"
	s.OperatorListen = "127.0.0.1:8081"
	s.Limits.InFlight = 2048
	s.Limits.Answer = 80 * time.Millisecond
	s.Limits.Read = 5 * time.Second
	s.Limits.Write = 5 * time.Second
	// Limits.Connections.Callers stays 0: as many as the process may open files, less a
	// reserve.
	s.Limits.Connections.Operators = 256
	s.Limits.Idle = 75 * time.Second
	s.Drain = 5 * time.Second
	s.Store.Kind = "memory"
	s.Store.OnFailure = "local"
	s.Store.Budget = 50 * time.Millisecond
	s.Store.Memory.MaxBytes = 1 << 30
	s.Store.Memory.SnapshotEvery = time.Minute
	s.Store.Memcached.Servers = []string{"127.0.0.1:11211"}
	s.Store.Memcached.MaxConns = 64
	s.IPv6Prefix = 64
	s.Rules = []Rule{{
		Name: "cards_per_ip", Per: "ip", Count: "cards", Window: time.Hour,
		ReviewOver: 3, BlockOver: 5, Retention: "sliding", Mode: "enforce",
	}}
	s.Decisions.Keep = 10_000
	s.CollapseGuard.Private = "review"
	s.CollapseGuard.Share = 0.3
	s.DecisionLog.Days = 30
	s.DecisionLog.MaxBytes = 10 << 30
	s.Log.Level = "INFO"
	s.Log.Format = "canister"
	s.Log.IP = "prefix"
	s.Log.Days = 30
	s.Log.MaxBytes = 1 << 30
	s.Auth.JWT.Encoding = "base64url"
	s.Auth.JWT.RolesClaim = "roles"
	s.Auth.Tokens.TTL = 30 * time.Minute
	s.Auth.Tokens.RefreshTTL = 24 * time.Hour
	s.Auth.Tokens.PerUser = 16
	s.Auth.SessionTimeout = time.Hour
	return s
}

// setDefaults sets what a rule has where the file is silent. readList calls it for each
// entry.
func (r *Rule) setDefaults() { r.Retention, r.Mode = "sliding", "enforce" }

// setDefaults sets what a user has where the file is silent. readList calls it for each
// entry.
func (u *User) setDefaults() { u.Encryption, u.Roles = "clear", []string{"checker"} }

// NewRule returns an entry of rules that sets nothing; for the table of the settings.
func NewRule() Rule {
	var r Rule
	r.setDefaults()
	return r
}

// NewUser returns an entry of auth.basic.users that sets nothing; for the table of the
// settings.
func NewUser() User {
	var u User
	u.setDefaults()
	return u
}
