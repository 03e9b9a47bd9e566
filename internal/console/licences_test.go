package console

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var write = flag.Bool("write-licences", false, "write licences.txt instead of comparing it")

// The licences that the console shows are those of the modules that the program is built
// from, as the modules themselves have them. After a change of go.mod:
//
//	go test ./internal/console -run Licences -write-licences
func TestTheLicencesAreThoseOfWhatTheProgramIsBuiltFrom(t *testing.T) {
	text := licences(t)
	if *write {
		require.NoError(t, os.WriteFile("licences.txt", text, 0o644))
		return
	}
	assert.Equal(t, string(text), string(terms.text))
}

// licences returns the text of all licences, each once, behind the names of the modules that
// have it.
func licences(t *testing.T) []byte {
	folders := modules(t)
	folders["Go's standard library"] = runtimeRoot(t)
	of := map[string][]string{} // modules by licence
	for module, folder := range folders {
		of[licence(t, folder)] = append(of[licence(t, folder)], module)
	}
	var parts []string
	for text, names := range of {
		slices.Sort(names)
		parts = append(parts, strings.Join(names, "\n")+"\n\n"+text)
	}
	slices.Sort(parts)
	own := licence(t, "../..")
	return []byte("fraudcheck\n\n" + own + "\n" + strings.Repeat("-", 72) + "\n\n" + strings.Join(parts, "\n"+strings.Repeat("-", 72)+"\n\n"))
}

// modules returns the folder of each module of which the program has a package.
func modules(t *testing.T) map[string]string {
	list := exec.Command("go", "list", "-deps", "-json=Module", "fraudcheck/cmd/fraudcheck")
	list.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64")
	out, err := list.Output()
	require.NoError(t, err)
	folders := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Module *struct {
				Path, Dir string
				Main      bool
			}
		}
		if err := d.Decode(&p); err == io.EOF {
			return folders
		}
		require.NoError(t, err)
		if p.Module != nil && !p.Module.Main {
			folders[p.Module.Path] = p.Module.Dir
		}
	}
}

// licence returns what the files of a module say of its licence.
func licence(t *testing.T, folder string) string {
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	var text strings.Builder
	for _, e := range entries {
		if regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)(\.txt|\.md)?$`).MatchString(e.Name()) {
			b, err := os.ReadFile(filepath.Join(folder, e.Name()))
			require.NoError(t, err)
			text.WriteString(strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n")) + "\n")
		}
	}
	require.NotEmpty(t, text.String(), folder)
	return text.String()
}

// runtimeRoot is the folder of the Go that builds the program.
func runtimeRoot(t *testing.T) string {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err, runtime.Version())
	return strings.TrimSpace(string(out))
}
