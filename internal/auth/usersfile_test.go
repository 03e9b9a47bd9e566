package auth_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/auth/password"
)

var (
	byApache = bcryptA
	byArgon  = argon256
)

func TestAPlainHtpasswdFileIsParsed(t *testing.T) {
	file, err := auth.ParseUsersFile("# shops\n\ncheckout:" + byApache + "\r\n  \nzum ß 日本:" + byArgon + ":")
	require.NoError(t, err)
	assert.Equal(t, []auth.User{
		{Name: "checkout", Password: byApache, Encryption: password.Bcrypt, Roles: auth.Checker},
		{Name: "zum ß 日本", Password: byArgon, Encryption: password.Argon2id, Roles: auth.Checker},
	}, file.Users())
	assert.Equal(t, 3, file.Line("checkout"))
	assert.Equal(t, 5, file.Line("zum ß 日本"))
	assert.Zero(t, file.Line("nobody"))
	assert.Zero(t, file.Line(""))
}

func TestAThirdFieldHoldsRolesAndNetworks(t *testing.T) {
	for options, want := range map[string]auth.User{
		":":                            {Roles: auth.Checker},
		":roles=analyst":               {Roles: auth.Analyst},
		":roles=checker,operator":      {Roles: auth.Checker | auth.Operator},
		":networks=10.0.0.0/8":         {Roles: auth.Checker, Networks: []string{"10.0.0.0/8"}},
		":networks=!::1;roles=analyst": {Roles: auth.Analyst, Networks: []string{"!::1"}},
		":roles=analyst;networks=2001:db8::/32,!2001:db8::7,192.0.2.7": {Roles: auth.Analyst, Networks: []string{"2001:db8::/32", "!2001:db8::7", "192.0.2.7"}},
	} {
		file, err := auth.ParseUsersFile("a:" + byArgon + options + "\n")
		require.NoError(t, err, options)
		want.Name, want.Password, want.Encryption = "a", byArgon, password.Argon2id
		assert.Equal(t, []auth.User{want}, file.Users(), options)
	}
}

func TestAWrongLineIsNamed(t *testing.T) {
	for _, line := range []string{
		"hunter2", "hunter2:", ":" + byApache, "hunter2\x00:" + byApache, "hunter2\xff:" + byApache, " hunter2:" + byApache, strings.Repeat("hunter2", 20) + ":" + byApache,
		"a:hunter2", "a:{SHA}hunter2", "a:$apr1$hunter2", "a:$2x$" + byApache[4:], "a:" + byApache[:59], "a:" + byArgon + "hunter2$",
		"a:" + byApache + ":hunter2", "a:" + byApache + ":roles=hunter2", "a:" + byApache + ":roles=", "a:" + byApache + ":roles=Checker", "a:" + byApache + ":role=checker",
		"a:" + byApache + ":roles=checker;", "a:" + byApache + ":roles=checker;hunter2", "a:" + byApache + ":networks=", "a:" + byApache + ":networks=hunter2",
		"a:" + byApache + ":networks=10.0.0.1/8", "a:" + byApache + ":networks=10.0.0.0/33", "a:" + byApache + ":networks=10.0.0.0/8,", "a:" + byApache + ":networks=!!10.0.0.0/8",
		"a:" + byApache + ":networks=::ffff:10.0.0.0/104", "a:" + byApache + ":networks=fe80::1%hunter2", "a:" + byApache + ":networks=010.0.0.1",
		"first:" + byApache,
	} {
		_, err := auth.ParseUsersFile("# remark\nfirst:" + byArgon + "\n" + line + "\nlast:" + byArgon)
		var wrong *auth.LineError
		if assert.ErrorAs(t, err, &wrong, "%q", line) {
			assert.Equal(t, 3, wrong.Line)
			assert.Regexp(t, `^line 3: expected [ -~]+$`, err.Error())
			assert.NotContains(t, err.Error(), "hunter2")
			assert.NotContains(t, err.Error(), byApache[7:])
		}
	}
}

func TestEditsLeaveTheOtherLinesAsTheyWere(t *testing.T) {
	const remark = "# made by htpasswd\n\n"
	file, err := auth.ParseUsersFile(remark + "a:" + byApache + "\nb:" + byArgon + ":networks=::1;roles=analyst")
	require.NoError(t, err)
	require.NoError(t, file.Add(auth.User{Name: "c", Password: byArgon, Roles: auth.Checker | auth.Operator, Networks: []string{"10.0.0.0/8", "!10.0.0.1"}}))
	assert.True(t, file.Remove("a"))
	assert.False(t, file.Remove("a"))
	assert.False(t, file.Remove(""))
	want := remark + "b:" + byArgon + ":networks=::1;roles=analyst\nc:" + byArgon + ":roles=checker,operator;networks=10.0.0.0/8,!10.0.0.1\n"
	assert.Equal(t, want, file.String())
	again, err := auth.ParseUsersFile(want)
	require.NoError(t, err)
	assert.Equal(t, file.Users(), again.Users())
}

func TestOnlyUsersThatCanBeParsedAgainAreAdded(t *testing.T) {
	good := auth.User{Name: "a", Password: byArgon, Roles: auth.Checker}
	for _, change := range []func(u *auth.User){
		func(u *auth.User) { u.Name = "" },
		func(u *auth.User) { u.Name = "there" },
		func(u *auth.User) { u.Name = "a:b" },
		func(u *auth.User) { u.Name = "#a" },
		func(u *auth.User) { u.Name = " a" },
		func(u *auth.User) { u.Name = "a\nb" },
		func(u *auth.User) { u.Password = "hunter2" },
		func(u *auth.User) { u.Roles = 0 },
		func(u *auth.User) { u.Networks = []string{"hunter2"} },
		func(u *auth.User) { u.Networks = []string{"10.0.0.0/8\nroot:x"} },
		func(u *auth.User) { u.Networks = []string{""} },
	} {
		file, err := auth.ParseUsersFile("there:" + byArgon + "\n")
		require.NoError(t, err)
		bad := good
		change(&bad)
		assert.ErrorContains(t, file.Add(bad), "expected ", "%+v", bad)
		assert.Equal(t, "there:"+byArgon+"\n", file.String())
	}
}

// Whatever is read is written so that it reads the same.
func FuzzUsersFile(f *testing.F) {
	f.Add("a:" + byApache + "\r\n\n# x\nb:" + byArgon + ":networks=::1,!10.0.0.0/8;roles=analyst")
	f.Add("a:b:c\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := auth.ParseUsersFile(text)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		again, err := auth.ParseUsersFile(file.String())
		require.NoError(t, err)
		require.Equal(t, file.Users(), again.Users())
		require.Equal(t, file.String(), again.String())
		_, err = auth.NewPolicy(auth.Settings{Users: file.Users()})
		require.NoError(t, err)
	})
}

func TestAUsersFileHoldsBindIPAndANote(t *testing.T) {
	const hash = "$2y$10$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuvwxyzABCDE"
	for options, want := range map[string]auth.User{
		"bind_ip":                            {BindIP: true, Roles: auth.Checker},
		"bind_ip=true;roles=analyst":         {BindIP: true, Roles: auth.Analyst},
		"bind_ip=false":                      {Roles: auth.Checker},
		"note=Ana's laptop, 2nd floor; bind": {},
		"note=Ana's laptop, 2nd floor":       {Note: "Ana's laptop, 2nd floor", Roles: auth.Checker},
		"bind_ip=yes":                        {},
		"note=a\x07b":                        {},
		"note=" + strings.Repeat("x", 201):   {},
	} {
		f, err := auth.ParseUsersFile("ana:" + hash + ":" + options + "\n")
		if want.Roles == 0 {
			assert.Error(t, err, options)
			continue
		}
		require.NoError(t, err, options)
		user := f.Users()[0]
		assert.Equal(t, want.BindIP, user.BindIP, options)
		assert.Equal(t, want.Note, user.Note, options)
		assert.Equal(t, want.Roles, user.Roles, options)
		again := new(auth.UsersFile)
		require.NoError(t, again.Add(user))
		parsed, err := auth.ParseUsersFile(again.String())
		require.NoError(t, err)
		assert.Equal(t, user, parsed.Users()[0], "what is written is read again")
	}
}
