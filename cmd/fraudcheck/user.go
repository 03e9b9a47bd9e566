package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"

	"fraudcheck/internal/auth"
	"fraudcheck/internal/config"
	"fraudcheck/internal/door"
)

// userCommands edit and list the users file: user add, user remove and user list. A
// running program notices the change within about a second.
type userCommands struct {
	UsersFile string `help:"The users file; without it, the configuration's auth.basic.users_file." placeholder:"FILE"`
	Add       struct {
		Name     string   `arg:"" help:"Name to call by."`
		Roles    []string `help:"What the user may do: checker, analyst, operator." default:"checker" placeholder:"ROLE,..."`
		Networks []string `help:"Where the user may call from: addresses or networks, excluded after a !." placeholder:"NET,..."`
		BindIP   bool     `name:"bind-ip" help:"What a login issues is good only from the address that logged in."`
		Note     string   `help:"Text for the list of users, such as what the user is for." placeholder:"TEXT"`
	} `cmd:"" help:"Add a user; the password is asked for, or the first line of standard input."`
	Remove struct {
		Name string `arg:"" help:"Name of the user."`
	} `cmd:"" help:"Remove a user."`
	List struct{} `cmd:"" help:"List the users."`
}

// path returns the path of the users file: that of --users-file, or of the configuration.
// Links are followed: an edit replaces the file, not the link.
func (u *userCommands) path(f *flags) (string, error) {
	path := u.UsersFile
	if path == "" && f.Config != "" {
		c, err := config.Read(f.Config, f.source("config"), config.FilesAndPipes, nil)
		if err != nil {
			return "", err
		}
		path = c.Settings.Auth.Basic.UsersFile
	}
	if path == "" {
		return "", &config.Error{Key: "auth.basic.users_file", Missing: true, Expected: "a file, from the configuration of --config or from --users-file"}
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path, nil
}

// add adds a user to the file, which it makes where there is none. Everything but the
// password is judged before it asks for the password.
func (u *userCommands) add(f *flags, stdin *os.File, stdout, stderr io.Writer) error {
	path, err := u.path(f)
	if err != nil {
		return err
	}
	// Networks and the name are judged by file.Takes.
	user := auth.User{Name: u.Add.Name, Networks: u.Add.Networks, BindIP: u.Add.BindIP, Note: u.Add.Note}
	for _, name := range u.Add.Roles {
		role, ok := auth.RoleNamed(name)
		if !ok {
			return errors.New("--roles: expected checker, analyst or operator")
		}
		user.Roles |= role
	}
	file, err := usersIn(path)
	if err == nil {
		err = file.Takes(user) // before a password is typed in vain
	}
	if err != nil {
		return u.notAdded(path, err)
	}
	if user.Password, err = askPassword(stdin, stderr); err != nil {
		return err
	}
	err = editUsers(path, func(file *auth.UsersFile) error { return file.Add(user) })
	if err != nil {
		return u.notAdded(path, err)
	}
	_, err = fmt.Fprintln(stdout, "added")
	return err
}

// notAdded returns the error of add. Of a name that is there it says how to replace it.
func (u *userCommands) notAdded(path string, err error) error {
	if errors.Is(err, auth.ErrUserExists) {
		name, ok := door.ShownName(u.Add.Name)
		if !ok {
			name = "NAME"
		}
		err = fmt.Errorf("%[1]s is in %[2]s already: remove it first with fraudcheck user remove %[1]s --users-file %[2]s", name, path)
	}
	return fmt.Errorf("user add: %w", u.withSource(err))
}

// remove removes a user. What it was issued ends once the running program has read the
// file again.
func (u *userCommands) remove(f *flags, stdout io.Writer) error {
	path, err := u.path(f)
	if err != nil {
		return err
	}
	err = editUsers(path, func(file *auth.UsersFile) error {
		if !file.Remove(u.Remove.Name) {
			return fmt.Errorf("expected a name that is in the file: fraudcheck user list --users-file %s shows them", path)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("user remove: %w", u.withSource(err))
	}
	_, err = fmt.Fprintln(stdout, "removed")
	return err
}

// list prints a table of the users, without their hashes.
func (u *userCommands) list(f *flags, stdout io.Writer) error {
	path, err := u.path(f)
	if err != nil {
		return err
	}
	file, err := readUsers(path, config.FilesAndPipes)
	if err != nil {
		return u.withSource(err)
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tROLES\tNETWORKS\tBIND_IP\tENCRYPTION\tNOTE")
	for _, user := range file.Users() {
		from := "anywhere"
		if len(user.Networks) > 0 {
			from = strings.Join(user.Networks, ",")
		}
		bound := "no"
		if user.BindIP {
			bound = "yes"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", user.Name, strings.Join(user.Roles.Names(), ","), from, bound, user.Encryption, cmp.Or(user.Note, "-"))
	}
	return table.Flush()
}

// withSource completes an error about a users file that --users-file names: that is its
// source then.
func (u *userCommands) withSource(err error) error {
	var wrong *config.Error
	if u.UsersFile != "" && errors.As(err, &wrong) && wrong.File == "" {
		wrong.Source = "--users-file"
	}
	return err
}

// usersIn reads the users file for an edit. A file that does not exist has no users.
func usersIn(path string) (*auth.UsersFile, error) {
	file, err := readUsers(path, config.RegularFiles) // an edit replaces it by one
	if errors.Is(err, fs.ErrNotExist) {
		return new(auth.UsersFile), nil
	}
	return file, err
}

// editUsers changes the file, whole or not at all. Edits by several processes follow one
// another: each waits for the lock on the folder, and reads the file after it has it.
func editUsers(path string, edit func(*auth.UsersFile) error) error {
	folder, err := os.Open(filepath.Dir(path)) // a lock on the file would be lost when it is replaced
	if err != nil {
		return err
	}
	defer folder.Close() // this also unlocks it
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("cannot lock the users file's folder: %w", err)
	}
	file, err := usersIn(path)
	if err != nil {
		return err
	}
	if err := edit(file); err != nil {
		return err
	}
	text := file.String()
	if text == "" {
		text = "# no user\n" // an empty file would be taken for one that is half written
	}
	return replaceUsers(path, text)
}

// replaceUsers writes the file anew and renames it into place, with the owner and group
// that it had. A new file is 0600; of an old one's permissions those within 0640 stay, so
// that the program may run in a group of its own that reads the file.
func replaceUsers(path, text string) (err error) {
	next, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(next.Name())
		}
	}()
	// Owner and group stay, since the program may run as another user than the operator
	// that edits the file.
	if old, err := os.Stat(path); err == nil {
		owner := old.Sys().(*syscall.Stat_t)
		if err := errors.Join(next.Chown(int(owner.Uid), int(owner.Gid)), next.Chmod(old.Mode().Perm()&0o640)); err != nil {
			return errors.Join(err, next.Close())
		}
	}
	// All three are tried, so that the file is closed whatever fails; sync before rename,
	// or a crash of the machine may leave an empty file.
	_, err = next.WriteString(text)
	if err = errors.Join(err, next.Sync(), next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}
