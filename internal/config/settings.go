package config

import "time"

// Settings is the whole configuration. The struct tags are the only description of a
// setting:
//
//   - yaml: its name in the file; the dotted path of names is its key
//   - oneof, or min and max: what its value may be, both bounds included
//   - like: an example, for messages
//   - least and most: the range in whole seconds of a time that is judged elsewhere, so that
//     no message suggests another
//   - form: time for a time in RFC 3339, which YAML knows without quotes too
//   - path: it names a file or folder, relative to the configuration file; of a socket,
//     only what follows UnixPrefix does
//   - help: its line in the table of docs/configuration.md and in
//     deploy/fraudcheck.example.yaml, which tests hold equal
//
// A new setting is a field here, its default in Defaults, and its use in cmd/fraudcheck.
type Settings struct {
	Listen         string `yaml:"listen" like:"127.0.0.1:8080" path:"socket" help:"where callers connect, host:port, or unix: and the path of a socket, see below"`
	OperatorListen string `yaml:"operator_listen" like:"127.0.0.1:8081" help:"where operators and analysts connect, host:port"`
	HashKey        Secret `yaml:"hash_key" help:"secret of at least 32 bytes that all stored hashes are made with, the same on all instances; made anew at every start when neither is given, which memcached does not allow"`
	HashKeyFile    string `yaml:"hash_key_file" path:"file" help:"file that holds the hash key; line breaks at its end are ignored"`
	// HashKeyPreviousFile is set while one hash key replaces another.
	HashKeyPreviousFile string `yaml:"hash_key_previous_file" path:"file" help:"file that holds the hash key before this one, while instances change one by one: everything is written under both keys and the stricter answer holds"`
	TLS                 struct {
		CertFile string `yaml:"cert_file" path:"file" help:"PEM file with the certificate of both ports, followed by those of its issuers; with key_file, they speak TLS 1.2 and later only"`
		KeyFile  string `yaml:"key_file" path:"file" help:"PEM file with the certificate's private key"`
		// PeerCAFile is for operator_peers with https.
		PeerCAFile string `yaml:"peer_ca_file" path:"file" help:"PEM file with the certificates of the authorities that certificates of operator_peers are verified with; none: the system's"`
		InFront    bool   `yaml:"in_front" help:"a proxy ends TLS: what comes from trusted_proxies, and only that, counts as sent over TLS (cookie with Secure, origins with https)"`
	} `yaml:"tls"`
	Limits struct {
		InFlight    int           `yaml:"in_flight" min:"1" max:"1000000" help:"requests served at once; more get 503"`
		Answer      time.Duration `yaml:"answer" min:"1ms" max:"1m" help:"longest from a check's request to its answer: the wait for its turn, the look-up of a login and memcached together; a check that cannot begin in time is answered from what this instance knows"`
		Connections struct {
			Callers   int `yaml:"callers" min:"0" max:"1000000" help:"connections of callers open at once; then the one idle longest is closed for the next; 0: as many as the process may open files, less a reserve"`
			Operators int `yaml:"operators" min:"1" max:"1000000" help:"the same at the operators' port; at most a quarter of what the process may open"`
		} `yaml:"connections"`
		Read  time.Duration `yaml:"read" min:"10ms" max:"1h" help:"longest a whole request may take to arrive"`
		Write time.Duration `yaml:"write" min:"10ms" max:"1h" help:"longest an answer may take to be written"`
		Idle  time.Duration `yaml:"idle" min:"10ms" max:"24h" help:"longest a connection may wait for its next request"`
	} `yaml:"limits"`
	DrainDelay time.Duration `yaml:"drain_delay" min:"0s" max:"1h" help:"how long a stop, unready at once, goes on answering, new connections too, before drain begins: as long as load balancers take to notice"`
	Drain      time.Duration `yaml:"drain" min:"0s" max:"1h" help:"longest a stop waits for what is in flight, after drain_delay"`
	Store      struct {
		Kind      string        `yaml:"kind" oneof:"memory,memcached" help:"where the records live: memory, of this process, or memcached, shared by all instances"`
		OnFailure string        `yaml:"on_failure" oneof:"local,allow,block" help:"what to answer when memcached does not: from what this instance knows, or always the same"`
		Budget    time.Duration `yaml:"budget" min:"1ms" max:"10s" help:"longest of limits.answer that memcached may take: the look-up of a login, all subjects and all retries; then this instance answers from what it knows"`
		Memory    struct {
			MaxBytes      ByteSize      `yaml:"max_bytes" min:"1MiB" max:"1TiB" help:"most memory the records may take; with memcached, this instance's copies"`
			SnapshotFile  string        `yaml:"snapshot_file" path:"file" help:"where the records are kept over a restart, written at every stop and read at start; none: they are not. Needs a hash key that stays"`
			SnapshotEvery time.Duration `yaml:"snapshot_every" min:"1s" max:"24h" help:"how often the snapshot is written while the service runs"`
		} `yaml:"memory"`
		Memcached struct {
			Servers  []string `yaml:"servers" help:"host:port or /unix/socket"`
			MaxConns int      `yaml:"max_conns" min:"1" max:"10000" help:"requests that may ask memcached at once; the others wait for their turn"`
		} `yaml:"memcached"`
	} `yaml:"store"`
	IPv6Prefix int    `yaml:"ipv6_prefix" min:"48" max:"128" help:"bits of an IPv6 address that make one subject"`
	Rules      []Rule `yaml:"rules" help:"see below"`
	Lists      struct {
		Allow     []ListEntry `yaml:"allow" help:"always allowed, and recorded all the same; see below"`
		Block     []ListEntry `yaml:"block" help:"always blocked; of two networks that hold an address, the most specific decides"`
		AllowFile string      `yaml:"allow_file" path:"file" help:"file of further networks that are always allowed, one a line; what changes is in force within three seconds"`
		BlockFile string      `yaml:"block_file" path:"file" help:"the same of networks that are always blocked"`
	} `yaml:"lists"`
	Decisions struct {
		Keep int `yaml:"keep" min:"0" max:"1000000" help:"last decisions that are kept in memory for GET /v1/decisions, about 300 bytes each; 0: none"`
	} `yaml:"decisions"`
	OperatorPeers []string `yaml:"operator_peers" help:"operators' ports of the other instances, host:port or https://host:port; a name stands for all its addresses; needs a configured hash key, see below"`
	DecisionLog   struct {
		Path     string   `yaml:"path" path:"folder" help:"folder of the decision log, of this instance alone: decisions, rotated at midnight UTC to decisions.YYYY-MM-DD; none: there is no such log"`
		KeyFile  string   `yaml:"key_file" path:"file" help:"file that holds a secret of at least 32 bytes to make the ids of the decision log with, in place of the hash key; line breaks at its end are ignored"`
		Days     int      `yaml:"days" min:"1" max:"3650" help:"days that rotated decision logs are kept"`
		MaxBytes ByteSize `yaml:"max_bytes" min:"1MiB" max:"1TiB" help:"most bytes that all decision logs may have together; whole days leave first, then the first half of the day"`
	} `yaml:"decision_log"`
	Instance   string `yaml:"instance" like:"web-1" help:"what this instance is called in answers and logs, 1 to 100 of letters, digits and . _ : -, no two alike; by default its host name and the port of listen"`
	AcceptNoIP bool   `yaml:"accept_no_ip" help:"take checks and outcomes that say with no_ip why they have no shopper's IP address; rules on addresses do not see them"`
	Auth       struct {
		Basic struct {
			Users     []User `yaml:"users" help:"see below; without users, users_file and jwt, one is made at the start and printed"`
			UsersFile string `yaml:"users_file" path:"file" help:"file of further users, in the lines of htpasswd, bcrypt or argon2id; fraudcheck user edits it, and what changes is in force within a second"`
		} `yaml:"basic"`
		JWT struct {
			ClientID           string            `yaml:"client_id" help:"must be among a token's audiences (aud); with secret, public_key_file or jwks_file, it switches JWT on"`
			Secret             Secret            `yaml:"secret" help:"shared with the issuer of the tokens, at least 16 bytes; from 32 (HS256), 48 (HS384) or 64 (HS512) on without a warning"`
			SecretFile         string            `yaml:"secret_file" path:"file" help:"file that holds the secret, in place of secret; line breaks at its end are ignored"`
			PreviousSecretFile string            `yaml:"previous_secret_file" path:"file" help:"file that holds the secret before it: while it is set, tokens of both are good"`
			ProfileClaims      []string          `yaml:"profile_claims" help:"claims of a token that GET /v1/me shows to its owner"`
			Encoding           string            `yaml:"encoding" oneof:"clear,base64std,base64url" help:"how the secrets are written: clear, base64std or base64url"`
			PublicKeyFile      string            `yaml:"public_key_file" path:"file" help:"PEM file with the issuer's public key or certificate, in place of secret"`
			JWKSFile           string            `yaml:"jwks_file" path:"file" help:"file with the issuer's keys, a JWK Set (RFC 7517), in place of secret"`
			Algorithms         []string          `yaml:"algorithms" oneof:"HS256,HS384,HS512,RS256,ES256,EdDSA" help:"that a token may be signed with: HS256, HS384 and HS512 with secret, else RS256, ES256 and EdDSA; by default HS256 with secret, else what the keys are for"`
			Issuer             string            `yaml:"issuer" help:"must be the issuer of a token (iss), when set"`
			RolesClaim         string            `yaml:"roles_claim" help:"the claim that holds the roles; dots lead into other claims, as in realm_access.roles"`
			RoleMap            map[string]string `yaml:"role_map" oneof:"checker,analyst,operator" help:"roles by values of that claim; checker and analyst need no entry, operator does"`
		} `yaml:"jwt"`
		Tokens struct {
			TTL        time.Duration `yaml:"ttl" min:"1s" max:"24h" help:"how long an access token is good"`
			RefreshTTL time.Duration `yaml:"refresh_ttl" min:"1s" max:"720h" help:"longest time from a login to the end of its tokens and its session"`
			PerUser    int           `yaml:"per_user" min:"1" max:"1024" help:"logins of one user that live at once; the oldest leaves"`
			Sliding    bool          `yaml:"sliding" help:"answers carry a fresh access token in X-Auth-Token once half the life of one is spent"`
		} `yaml:"tokens"`
		SessionTimeout time.Duration `yaml:"session_timeout" min:"1s" max:"720h" help:"how long a session is good without being used"`
		Networks       []string      `yaml:"networks" help:"addresses and networks that callers may ask from; \"!\" before one excludes it; the most specific decides; none: from anywhere"`
	} `yaml:"auth"`
	TrustedProxies []string `yaml:"trusted_proxies" help:"addresses and networks of proxies whose X-Forwarded-For says where a caller asks from"`
	CORS           struct {
		Origins []string `yaml:"origins" help:"origins whose pages may call from a browser, as in https://desk.example; exactly these"`
	} `yaml:"cors"`
	CollapseGuard struct {
		Private      string   `yaml:"private" oneof:"review,enforce,allow" help:"what rules on an IP address that is hardly a shopper's do in place of a block, see docs/guard.md; enforce: they block it like any other"`
		Share        float64  `yaml:"share" min:"0.01" max:"1" help:"one address with a larger share of the last ten minutes' checks, at least 200, is warned of; that changes no decision"`
		Networks     []string `yaml:"networks" help:"addresses and networks of your proxies, or of your CDN: hardly shoppers' either"`
		NetworksFile string   `yaml:"networks_file" path:"file" help:"file of further such networks, one a line; what changes is in force within three seconds"`
	} `yaml:"collapse_guard"`
	Log struct {
		Level    string   `yaml:"level" oneof:"DISABLED,DEBUG,INFO,WARNING,ERROR,CRITICAL" help:"the least level that is logged"`
		Format   string   `yaml:"format" oneof:"canister,json" help:"form of a line"`
		Path     string   `yaml:"path" path:"folder" help:"folder for log files as well, of this instance alone: log, rotated at midnight UTC to log.YYYY-MM-DD"`
		Days     int      `yaml:"days" min:"1" max:"3650" help:"days that rotated log files are kept"`
		MaxBytes ByteSize `yaml:"max_bytes" min:"1MiB" max:"1TiB" help:"most bytes that all log files may have together; whole days leave first, then the first half of the day"`
		IP       string   `yaml:"ip" oneof:"full,prefix,hash,none" help:"how a shopper's address is logged; prefix is its /24 or /48"`
	} `yaml:"log"`
	Debug struct {
		PProf bool `yaml:"pprof" help:"serve profiles of the process at /debug/pprof/ of the operators' port, to operators only"`
	} `yaml:"debug"`
}

// Rule is an entry of rules. Its values are as written: velocity.NewPlan judges them.
// Times are whole seconds.
type Rule struct {
	Name       string        `yaml:"name" help:"1 to 40 of a-z, 0-9, _; not override, list or store_failure"`
	Per        string        `yaml:"per" help:"what is watched (the subject): ip, network, card, email, device, cart or account"`
	Count      string        `yaml:"count" help:"what is counted (the element): ips, cards, emails, devices, accounts, attempts, declines, declined_cards or expiries"`
	Window     time.Duration `yaml:"window" least:"1s" most:"720h" help:"how long an element counts, 1s to 720h"`
	ReviewOver int           `yaml:"review_over" help:"review when the count is higher; 0, the default: no review stage"`
	BlockOver  int           `yaml:"block_over" help:"block when the count is higher, 1 to 4096"`
	Retention  string        `yaml:"retention" help:"sliding or idle, see docs/counting.md"`
	Hold       time.Duration `yaml:"hold" least:"0s" most:"720h" help:"how long the rule goes on blocking after the last attempt that it found over block_over, up to 720h; 0, the default: not at all"`
	Mode       string        `yaml:"mode" help:"enforce, or shadow: reported without effect"`
}

// ListEntry is an entry of lists.allow and lists.block. Its values are as written:
// cmd/fraudcheck parses them, and velocity.NewLists refuses a network that stands twice.
type ListEntry struct {
	Net   string `yaml:"net" like:"198.51.100.0/24" help:"address or network, such as 198.51.100.0/24"`
	Until string `yaml:"until" form:"time" like:"2027-01-31T00:00:00Z" help:"when it ends, such as 2027-01-31T00:00:00Z; never where it is not given"`
	Note  string `yaml:"note" help:"the reason, for people"`
}

// User is an entry of auth.basic.users. Its values are as written: auth.NewPolicy judges
// them.
type User struct {
	Username       string   `yaml:"username" help:"no colon"`
	Password       Secret   `yaml:"password" help:"as encryption says"`
	Encryption     string   `yaml:"encryption" oneof:"clear,sha256,bcrypt,argon2id" help:"argon2id, as fraudcheck hash-password prints it, or bcrypt; sha256: 64 hexadecimal digits; clear"`
	Roles          []string `yaml:"roles" oneof:"checker,analyst,operator" help:"checker: check, report outcomes; analyst: read and forget addresses and subjects; operator: everything"`
	Networks       []string `yaml:"networks" help:"where this user may ask from, beside auth.networks and written alike"`
	BindIP         bool     `yaml:"bind_ip" help:"what a login issues is good only from the address that logged in (of IPv6, the /64)"`
	SigningKey     Secret   `yaml:"signing_key" help:"base64 of at least 32 bytes that requests are signed with, see docs/signing.md; a user with one needs no password"`
	SigningKeyFile string   `yaml:"signing_key_file" path:"file" help:"file that holds the signing key, in place of signing_key; line breaks at its end are ignored"`
}
