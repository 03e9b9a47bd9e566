package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"fraudcheck/internal/config"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// printLogIDs prints the ids that a subject has in the decision log under the key that is
// configured, and that key's name, as lines of the log have them. The subject is read from
// standard input, in the JSON of POST /v1/subjects/read. It stands in no argument: those are
// seen by every user of the machine. No port answers this: whoever could ask could try all
// cards.
func printLogIDs(f *flags, stdin io.Reader, stdout io.Writer) error {
	p, err := configure(f, config.FilesAndPipes)
	if err != nil {
		return err
	}
	keys, err := p.makeKeys()
	if err != nil {
		return err
	}
	if s := p.settings; s.HashKey == "" && s.HashKeyFile == "" && s.DecisionLog.KeyFile == "" {
		return errors.New("no key is configured that the decision log could be made with: --config names the configuration")
	}
	line, err := firstLine(stdin)
	if err != nil {
		return err
	}
	var fields velocity.Fields
	var attempt velocity.Attempt
	if err = wire.DecodeJSON(line, wire.SubjectFields, &fields); err == nil {
		_, attempt, err = velocity.ParseSubject(&fields)
	}
	if err != nil {
		return fmt.Errorf(`standard input: %w, as in {"per":"email","value":"ana@example.com"}`, err)
	}
	var said struct {
		Key      string            `json:"key"`
		Subjects map[string]string `json:"subjects"`
	}
	said.Key, said.Subjects = keys.decisions.KeyName(), make(map[string]string)
	keys.decisions.All(&attempt, p.plan, func(name string, id velocity.LogID) {
		said.Subjects[name] = base64.RawURLEncoding.EncodeToString(id[:])
	})
	text, err := json.Marshal(said)
	if err == nil {
		_, err = stdout.Write(append(text, '\n'))
	}
	return err
}
