package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/jwt"
	passwords "fraudcheck/internal/auth/password"
	"fraudcheck/internal/auth/session"
	"fraudcheck/internal/config"
)

// makeCallers compiles who may call into authPolicy. A check always needs credentials: where
// neither a user, a users file nor JWT is configured it makes one user with the role
// operator and a random password, for this run only.
func (p *policy) makeCallers() error {
	s := p.settings
	file, err := p.usersFile()
	if err != nil {
		return err
	}
	if p.authSettings.Users, err = p.users(file); err != nil {
		return err
	}
	if p.authSettings.JWT, err = p.jwt(); err != nil {
		return err
	}
	p.authSettings.Networks, p.authSettings.TrustedProxies = s.Auth.Networks, s.TrustedProxies
	p.authSettings.TLSInFront = s.TLS.InFront
	t := s.Auth.Tokens
	p.authSettings.Tokens = session.Settings{
		TTL: t.TTL, RefreshTTL: t.RefreshTTL, PerUser: t.PerUser, Sliding: t.Sliding, SessionTimeout: s.Auth.SessionTimeout,
	}
	if p.authPolicy, err = auth.NewPolicy(p.authSettings); err != nil {
		return p.callersError(err, file)
	}
	// 26 random characters of base32 (crypto/rand.Text), 130 bits: not to be guessed.
	if p.authPolicy.IsEmpty() {
		p.generatedUser, p.generatedPassword = "fraudcheck", rand.Text()
		p.authSettings.Users = []auth.User{{Name: p.generatedUser, Password: p.generatedPassword, Encryption: passwords.Clear, Roles: auth.Operator}}
		if p.authPolicy, err = auth.NewPolicy(p.authSettings); err != nil {
			return err
		}
	}
	if p.authPolicy.Algorithms != nil {
		s.Auth.JWT.Algorithms = p.authPolicy.Algorithms // those that run, for check-config
	}
	p.warnings = append(p.warnings, p.authPolicy.Warnings...)
	return nil
}

// callersError turns the error of auth.NewPolicy, which counts users and knows no file,
// into the *config.Error of the setting, or of the line of the users file, that is wrong.
func (p *policy) callersError(err error, file *auth.UsersFile) error {
	var wrong *auth.SettingError
	if !errors.As(err, &wrong) {
		return err
	}
	switch wrong.List {
	case "users":
		// Users of the file come after those of the list: see users.
		if wrong.Index >= len(p.settings.Auth.Basic.Users) { // the lines were found good, one by one
			return &config.Error{Key: "auth.basic.users_file", File: p.settings.Auth.Basic.UsersFile,
				Line: file.Line(p.authSettings.Users[wrong.Index].Name), Expected: "a name that auth.basic.users does not have"}
		}
		user := p.settings.Auth.Basic.Users[wrong.Index]
		var place int
		if n, _ := fmt.Sscanf(wrong.Key, "networks[%d]", &place); n == 1 {
			wrong.Expected += networkHint(user.Networks[place])
		}
		return expected(fmt.Sprintf("auth.basic.users[%d].%s", wrong.Index, wrong.Key), wrong.Expected)
	case "networks":
		return expected(fmt.Sprintf("auth.networks[%d]", wrong.Index), wrong.Expected+networkHint(p.settings.Auth.Networks[wrong.Index]))
	case "trusted_proxies":
		return expected(fmt.Sprintf("trusted_proxies[%d]", wrong.Index), wrong.Expected+networkHint(p.settings.TrustedProxies[wrong.Index]))
	}
	key := "auth." + wrong.List
	if wrong.Key != "" {
		key += "." + wrong.Key
	}
	return expected(key, wrong.Expected)
}

// usersFile reads the users file; it is nil where none is configured. The error is a
// *config.Error.
func (p *policy) usersFile() (*auth.UsersFile, error) {
	if p.settings.Auth.Basic.UsersFile == "" {
		return nil, nil
	}
	file, err := readUsers(p.settings.Auth.Basic.UsersFile, p.files)
	// At a reload an empty file is one that is half written: it must not lock everybody out.
	if err == nil && p.files == config.RegularFiles && file.String() == "" {
		return nil, &config.Error{Key: "auth.basic.users_file", Problem: errors.New("it is empty: it may be half written (a line that begins with # says that there is no user)")}
	}
	return file, err
}

// users returns the users of the list and then those of the file; nil where neither is
// configured, which switches Basic off. A file without users is no mistake: they can be
// added while the service runs.
func (p *policy) users(file *auth.UsersFile) ([]auth.User, error) {
	users, err := p.listedUsers()
	if err != nil || file == nil {
		return users, err
	}
	inFile := file.Users()
	p.fileUsers = len(inFile)
	if len(users)+len(inFile) == 0 {
		p.warnings = append(p.warnings, "auth.basic.users_file holds no user yet: fraudcheck user add makes one")
		return []auth.User{}, nil
	}
	return append(users, inFile...), nil
}

// listedUsers returns the users of auth.basic.users. Of passwords that the configuration
// shows, or as good as shows, it warns.
func (p *policy) listedUsers() (users []auth.User, err error) {
	for i, u := range p.settings.Auth.Basic.Users {
		key := fmt.Sprintf("auth.basic.users[%d]", i)
		user := auth.User{
			Name: u.Username, Password: string(u.Password), Encryption: passwords.Encryption(u.Encryption),
			Networks: u.Networks, BindIP: u.BindIP, SigningKey: string(u.SigningKey),
		}
		if u.SigningKeyFile != "" {
			if u.SigningKey != "" {
				return nil, expected(key+".signing_key_file", "only one of signing_key and signing_key_file")
			}
			if user.SigningKey, err = p.secretIn(key+".signing_key_file", u.SigningKeyFile); err != nil {
				return nil, err
			}
		}
		if len(u.Roles) == 0 {
			return nil, expected(key+".roles", "at least one role")
		}
		if err := checkForm(key, &user); err != nil {
			return nil, err
		}
		for _, name := range u.Roles {
			role, _ := auth.RoleNamed(name) // the settings allow only known names
			user.Roles |= role
		}
		// SHA-256 is fast, so a password that a person chose is soon found from it.
		if readable := user.Encryption == passwords.Clear || user.Encryption == passwords.SHA256; readable && user.Password != "" {
			p.warnings = append(p.warnings, fmt.Sprintf("%s.encryption is %s: anybody who can read the configuration has the password, or guesses it soon; fraudcheck hash-password makes an argon2id string", key, u.Encryption))
		}
		users = append(users, user)
	}
	return users, nil
}

// checkForm refuses a password that is a hash in the form of another encryption than the
// user's: taken for a clear password, the hash itself would let callers in. key is the
// user's.
func checkForm(key string, u *auth.User) error {
	form, isHash := passwords.FormOf(u.Password)
	switch {
	case !isHash || form == u.Encryption:
		return nil
	case form != passwords.Unsupported:
		return expected(key+".encryption", fmt.Sprintf("%s: the password is a hash of that form", form))
	case u.Encryption == passwords.Clear:
		return expected(key+".password", "a password, or with encryption argon2id what fraudcheck hash-password prints: this is a hash in a form that is not supported")
	}
	return nil // the encryption says what it wants
}

// secretIn reads the secret in the file that the setting of that key names. Line ends at
// its end do not count: editors add them. An empty one is refused. The error is a
// *config.Error.
func (p *policy) secretIn(key, file string) (string, error) {
	text, err := p.readNamed(key, file)
	if text = bytes.TrimRight(text, "\r\n"); err == nil && len(text) == 0 {
		err = expected(key, "a file that is not empty")
	}
	return string(text), err
}

// readUsers reads the users file. The error is a *config.Error with the line at fault.
func readUsers(path string, files config.Files) (*auth.UsersFile, error) {
	text, err := config.ReadFile(path, files)
	if err != nil {
		return nil, unreadable("auth.basic.users_file", path, err)
	}
	file, err := auth.ParseUsersFile(string(text))
	var wrong *auth.LineError
	if errors.As(err, &wrong) {
		return nil, &config.Error{Key: "auth.basic.users_file", File: path, Line: wrong.Line, Expected: wrong.Expected}
	}
	return file, err
}

// jwt returns the settings of JSON Web Tokens, with the files that they name read; nil
// where nothing of them is configured. A setting that alone has no effect, such as
// issuer, counts: auth.NewPolicy then says what is missing.
func (p *policy) jwt() (*auth.JWTSettings, error) {
	s := &p.settings.Auth.JWT
	if s.ClientID == "" && s.Secret == "" && s.SecretFile == "" && s.PreviousSecretFile == "" && s.PublicKeyFile == "" && s.JWKSFile == "" && s.Issuer == "" && len(s.RoleMap) == 0 {
		return nil, nil
	}
	settings := &auth.JWTSettings{RoleMap: s.RoleMap, Settings: jwt.Settings{
		ClientID: s.ClientID, Secret: string(s.Secret), Encoding: jwt.Encoding(s.Encoding), Algorithms: s.Algorithms,
		Issuer: s.Issuer, RolesClaim: s.RolesClaim, Profile: s.ProfileClaims,
	}}
	var err error
	if s.SecretFile != "" {
		if s.Secret != "" {
			return nil, expected("auth.jwt.secret_file", "only one of secret and secret_file")
		}
		if settings.Secret, err = p.secretIn("auth.jwt.secret_file", s.SecretFile); err != nil {
			return nil, err
		}
	}
	if s.PreviousSecretFile != "" {
		if settings.Previous, err = p.secretIn("auth.jwt.previous_secret_file", s.PreviousSecretFile); err != nil {
			return nil, err
		}
	}
	if s.PublicKeyFile != "" {
		if settings.PublicKey, err = p.readNamed("auth.jwt.public_key_file", s.PublicKeyFile); err != nil {
			return nil, err
		}
	}
	if s.JWKSFile != "" {
		if settings.JWKS, err = p.readNamed("auth.jwt.jwks_file", s.JWKSFile); err != nil {
			return nil, err
		}
	}
	return settings, nil
}
