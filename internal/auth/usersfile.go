package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"fraudcheck/internal/auth/password"
)

// A UsersFile is a list of users as htpasswd writes them: for each a line name:hash, of
// bcrypt or argon2id, and here a third field with options:
//
//	fraud-desk:$2y$10$...:roles=analyst,checker;networks=10.0.0.0/8,!10.9.0.0/16;bind_ip;note=the desk
//
// Without it a user is a checker, from anywhere. Blank lines and those that begin with #
// are comments. An edit keeps the other lines as they were read. Refused are a name that
// stands twice, an option that is not known, and the hashes that htpasswd makes by
// default (MD5, SHA-1): they are fast to guess.
type UsersFile struct {
	lines []userLine
}

type userLine struct {
	text string
	user User // without a name where the line is a comment
}

// A LineError names the line that is wrong, never its text.
type LineError struct {
	Line     int // from 1
	Expected string
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: expected %s", e.Line, e.Expected) }

// ParseUsersFile reads the file's text; the error is a *LineError.
func ParseUsersFile(text string) (*UsersFile, error) {
	f := new(UsersFile)
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		user, err := parseUserLine(line)
		if err == nil && user.Name != "" && f.Line(user.Name) > 0 {
			err = expected("a name that no line before has")
		}
		if err != nil {
			return nil, &LineError{Line: len(f.lines) + 1, Expected: err.Error()}
		}
		f.lines = append(f.lines, userLine{line, user})
	}
	return f, nil
}

// maxNote bounds a note, in bytes.
const maxNote = 200

// An expected is what a line should have held.
type expected string

func (e expected) Error() string { return string(e) }

// parseUserLine reads one line; the user has no name where it is a comment. The error is
// an expected, which quotes nothing of the line.
func parseUserLine(line string) (u User, err error) {
	if line == "" || line[0] == '#' {
		return User{}, nil
	}
	// An IPv6 network has colons, a hash has none.
	fields := strings.SplitN(line, ":", 3)
	if len(fields) < 2 {
		return User{}, expected("name:hash, or name:hash:roles=...;networks=...")
	}
	u = User{Name: fields[0], Password: fields[1], Encryption: encryptionOf(fields[1]), Roles: Checker}
	if len(fields) == 3 && fields[2] != "" {
		for option := range strings.SplitSeq(fields[2], ";") {
			if err := u.setOption(option); err != nil {
				return User{}, err
			}
		}
	}
	if err := u.check(); err != nil {
		return User{}, err
	}
	return u, u.checkHash()
}

// encryptionOf is the encryption that the hash begins with; empty where it is neither.
func encryptionOf(hash string) password.Encryption {
	switch {
	case strings.HasPrefix(hash, "$argon2id$"):
		return password.Argon2id
	case strings.HasPrefix(hash, "$2"):
		return password.Bcrypt
	}
	return ""
}

// setOption reads an option, roles=A,B or networks=A,B or bind_ip or note=TEXT, into u.
func (u *User) setOption(option string) error {
	name, value, _ := strings.Cut(option, "=")
	values := strings.Split(value, ",")
	switch name {
	case "roles":
		u.Roles = 0
		for _, v := range values {
			role, ok := RoleNamed(v)
			if !ok {
				return expected("roles among checker, analyst and operator")
			}
			u.Roles |= role
		}
	case "networks":
		u.Networks = values
	case "bind_ip":
		if value != "" && value != "true" && value != "false" {
			return expected("bind_ip, bind_ip=true or bind_ip=false")
		}
		u.BindIP = value != "false"
	case "note":
		u.Note = value
	default:
		return expected("after name:hash: nothing but roles=, networks=, bind_ip and note=, with a semicolon between")
	}
	return nil
}

// check checks what a line of the file can hold, apart from its hash.
func (u *User) check() error {
	if u.Name == "" || len(u.Name) > maxName || u.Name[0] == '#' || strings.Contains(u.Name, ":") ||
		strings.TrimSpace(u.Name) != u.Name || !utf8.ValidString(u.Name) || strings.ContainsFunc(u.Name, unicode.IsControl) {
		return expected(fmt.Sprintf("a name of 1 to %d bytes of UTF-8, without colon, control characters, # at its beginning and blanks at its ends", maxName))
	}
	if len(u.Note) > maxNote || !utf8.ValidString(u.Note) || strings.Contains(u.Note, ";") || strings.ContainsFunc(u.Note, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return expected(fmt.Sprintf("a note of at most %d bytes of UTF-8, without semicolon and control characters", maxNote))
	}
	if u.Roles == 0 {
		return expected("at least one role")
	}
	var wrong *SettingError
	if _, err := newNetworks(u.Networks); errors.As(err, &wrong) {
		return expected(wrong.Expected)
	}
	return nil
}

// checkHash checks that the password is a well-formed hash of either kind.
func (u *User) checkHash() error {
	if u.Encryption != password.Bcrypt && u.Encryption != password.Argon2id {
		return expected("a bcrypt hash or an argon2id string after the name")
	}
	_, err := password.Parse(u.Encryption, u.Password)
	return err
}

// Users returns the users, in the order of their lines.
func (f *UsersFile) Users() (users []User) {
	for _, l := range f.lines {
		if l.user.Name != "" {
			users = append(users, l.user)
		}
	}
	return users
}

// Line returns the line of the user of that name, from 1; 0 when there is none.
func (f *UsersFile) Line(name string) int {
	return 1 + slices.IndexFunc(f.lines, func(l userLine) bool { return l.user.Name == name && name != "" })
}

// ErrUserExists is the error of adding a name that the file has.
var ErrUserExists = errors.New("expected a name that is not in the file")

// Takes checks a user that is to be added, apart from its hash; the error says what is
// expected. It is ErrUserExists for a name that the file has.
func (f *UsersFile) Takes(u User) error {
	if err := u.check(); err != nil {
		return fmt.Errorf("expected %w", err)
	}
	if f.Line(u.Name) > 0 {
		return ErrUserExists
	}
	return nil
}

// Add appends a line for the user; Password is a hash of either kind. The error says
// what is expected of the user.
func (f *UsersFile) Add(u User) error {
	if err := f.Takes(u); err != nil {
		return err
	}
	u.Encryption = encryptionOf(u.Password)
	if err := u.checkHash(); err != nil {
		return fmt.Errorf("expected %w", err)
	}
	text := u.Name + ":" + u.Password + ":roles=" + strings.Join(u.Roles.Names(), ",")
	if len(u.Networks) > 0 {
		text += ";networks=" + strings.Join(u.Networks, ",")
	}
	if u.BindIP {
		text += ";bind_ip"
	}
	if u.Note != "" {
		text += ";note=" + u.Note
	}
	f.lines = append(f.lines, userLine{text, u})
	return nil
}

// Remove takes the user's line out and reports whether there was one.
func (f *UsersFile) Remove(name string) bool {
	at := f.Line(name) - 1
	if at < 0 {
		return false
	}
	f.lines = slices.Delete(f.lines, at, at+1)
	return true
}

// String returns the file's text; every line ends with a line end.
func (f *UsersFile) String() string {
	var b strings.Builder
	for _, l := range f.lines {
		b.WriteString(l.text + "\n")
	}
	return b.String()
}
