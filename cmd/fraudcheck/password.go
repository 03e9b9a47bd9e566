package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	passwords "fraudcheck/internal/auth/password"
)

// hashPassword prints the argon2id string of a password, for auth.basic.users.
func hashPassword(stdin *os.File, stdout, stderr io.Writer) error {
	hash, err := askPassword(stdin, stderr)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, hash)
	return err
}

// askPassword asks for a new password and returns its hash. At a terminal it asks twice
// and without echo; otherwise the password is the first line of standard input.
func askPassword(stdin *os.File, stderr io.Writer) (hash string, err error) {
	var password string
	if term.IsTerminal(int(stdin.Fd())) {
		password, err = askTwice(stdin, stderr)
	} else {
		password, err = firstLine(stdin)
	}
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	if hash, err = passwords.New(password); err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	return hash, nil
}

// firstLine reads the first line, of at most 64 KiB, without its line end.
func firstLine(stdin io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(stdin, 1<<16)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("cannot read standard input: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// askTwice asks for a password and for the same again.
func askTwice(terminal *os.File, stderr io.Writer) (string, error) {
	password, err := ask(terminal, stderr, "Password: ")
	if err != nil {
		return "", err
	}
	again, err := ask(terminal, stderr, "Again: ")
	if err == nil && again != password {
		err = errors.New("expected the same password twice")
	}
	return password, err
}

// ask reads one line without echo. The terminal echoes again afterwards, also after an
// interrupt: reading goes on in a goroutine, which ends with the process.
func ask(terminal *os.File, stderr io.Writer, prompt string) (string, error) {
	before, err := term.GetState(int(terminal.Fd()))
	if err != nil {
		return "", fmt.Errorf("cannot read the terminal: %w", err)
	}
	// Without this, an interrupt would end the process and leave the terminal without
	// echo.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(stop)
	type reply struct {
		text []byte
		err  error
	}
	replies := make(chan reply, 1)
	fmt.Fprint(stderr, prompt)
	go func() {
		text, err := term.ReadPassword(int(terminal.Fd()))
		replies <- reply{text, err}
	}()
	select {
	case <-stop:
		err = errors.Join(errors.New("interrupted"), term.Restore(int(terminal.Fd()), before))
		fmt.Fprintln(stderr)
		return "", err
	case r := <-replies:
		fmt.Fprintln(stderr)
		return string(r.text), r.err
	}
}
