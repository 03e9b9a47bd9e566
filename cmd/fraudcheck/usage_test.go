package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAWrongCommandLineIsAnsweredWithWhatMendsIt(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--lisen=127.0.0.1:1"}, `unknown flag --lisen, did you mean "--listen"?`},
		{[]string{"serv"}, `unexpected argument serv, did you mean one of "serve", "user"?`},
		{[]string{"--listen"}, "--listen: missing; expected a value, as in --listen=VALUE"},
		{[]string{"check-config", "--config"}, "--config: missing; expected a value, as in --config=VALUE"},
		{[]string{"check-config", "f.yaml"}, "unexpected argument f.yaml; a configuration file is given with --config"},
		{[]string{"/etc/fraudcheck/fraudcheck.yml"}, "unexpected argument /etc/fraudcheck/fraudcheck.yml; a configuration file is given with --config"},
		{[]string{"user", "add"}, "the name of the user is missing, as the last word of the command"},
		{[]string{"user", "remove"}, "the name of the user is missing, as the last word of the command"},
		{[]string{"user", "add", "a", "--bind-ip", "127.0.0.1"}, "unexpected argument 127.0.0.1; --bind-ip takes no value: it binds a login to the address that logs in"},
		{[]string{"hash-password", "hunter2"}, "hash-password takes no argument: it reads the password from standard input"},
		{[]string{"hash-password", "--password=hunter2"}, "unknown flag --password"},
	} {
		stdout, stderr, code := command(tt.args...)
		assert.Equal(t, 1, code)
		assert.Empty(t, stdout)
		assert.Equal(t, "fraudcheck: "+tt.want+"\n", stderr)
	}
}
