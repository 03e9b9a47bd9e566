package main

import (
	"errors"
	"fmt"

	"fraudcheck/internal/auth"
	passwords "fraudcheck/internal/auth/password"
	"fraudcheck/internal/config"
)

// makeUsers takes the users of the list and of the file together; nothing where
// neither is configured. A file without users is no mistake: they can be added.
func (p *policy) makeUsers() (basic *auth.Basic, signed *auth.Signed, err error) {
	s := p.settings.Auth.Basic
	users, err := p.listedUsers()
	if err != nil {
		return nil, nil, err
	}
	file := new(auth.UsersFile)
	if s.UsersFile != "" {
		if file, err = readUsers(s.UsersFile, p.files); err != nil {
			return nil, nil, err
		}
		users = append(users, file.Users()...)
		p.fileUsers = len(users) - len(s.Users)
		if len(users) == 0 {
			p.warnings = append(p.warnings, "auth.basic.users_file holds no user yet: fraudcheck user add makes one")
		}
	}
	if len(users) == 0 && s.UsersFile == "" {
		return nil, nil, nil
	}
	if basic, err = auth.NewBasic(users); err == nil {
		signed, err = auth.NewSigned(users)
	}
	var wrong *auth.UserError
	switch {
	case !errors.As(err, &wrong):
		return basic, signed, err
	case wrong.Index >= len(s.Users): // its lines were found good, one by one
		return nil, nil, &config.Error{Key: "auth.basic.users_file", File: s.UsersFile, Line: file.Line(users[wrong.Index].Name),
			Expected: "a name that auth.basic.users does not have"}
	}
	return nil, nil, expected(fmt.Sprintf("auth.basic.users[%d].%s", wrong.Index, wrong.Key), wrong.Expected)
}

func (p *policy) listedUsers() (users []auth.User, err error) {
	for i, u := range p.settings.Auth.Basic.Users {
		key := fmt.Sprintf("auth.basic.users[%d]", i)
		user := auth.User{
			Name: u.Username, Password: string(u.Password), Encryption: passwords.Encryption(u.Encryption),
			Networks: u.Networks, BindIP: u.BindIP, SigningKey: string(u.SigningKey),
		}
		if len(u.Roles) == 0 {
			return nil, expected(key+".roles", "at least one role")
		}
		for _, name := range u.Roles {
			role, _ := auth.RoleNamed(name) // the settings allow only known names
			user.Roles |= role
		}
		if readable := user.Encryption == passwords.Clear || user.Encryption == passwords.SHA256; readable && user.Password != "" {
			p.warnings = append(p.warnings, fmt.Sprintf("%s.encryption is %s: whoever reads the configuration has the password, or guesses it soon; fraudcheck hash-password makes an argon2id string", key, u.Encryption))
		}
		users = append(users, user)
	}
	return users, nil
}

// readUsers reads the users file.
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
