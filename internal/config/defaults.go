package config

import "time"

// Defaults returns the settings of an empty file.
func Defaults() *Settings {
	s := new(Settings)
	s.Listen = "127.0.0.1:8080"
	s.OperatorListen = "127.0.0.1:8081"
	s.Limits.InFlight = 2048
	s.Limits.Read = 5 * time.Second
	s.Limits.Write = 5 * time.Second
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
	s.Log.Level = "INFO"
	s.Log.Format = "canister"
	s.Log.IP = "prefix"
	s.Log.Days = 30
	s.Auth.JWT.Encoding = "base64url"
	s.Auth.JWT.RolesClaim = "roles"
	s.Auth.Tokens.TTL = 30 * time.Minute
	s.Auth.Tokens.RefreshTTL = 24 * time.Hour
	s.Auth.Tokens.PerUser = 16
	s.Auth.SessionTimeout = time.Hour
	return s
}

// preset sets what a rule has where the file is silent.
func (r *Rule) preset() { r.Retention, r.Mode = "sliding", "enforce" }

// preset sets what a user has where the file is silent.
func (u *User) preset() { u.Encryption, u.Roles = "clear", []string{"checker"} }

// NewRule returns an entry of rules that sets nothing.
func NewRule() Rule {
	var r Rule
	r.preset()
	return r
}

// NewUser returns an entry of auth.basic.users that sets nothing.
func NewUser() User {
	var u User
	u.preset()
	return u
}
