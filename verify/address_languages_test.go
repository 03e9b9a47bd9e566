//go:build verify

package verify

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The programs read a way and print where the shopper is.
var finders = map[string][]string{
	"Node": {"node", "--input-type=module", "-e", `
import { readFileSync } from 'node:fs'
import { behind } from '../examples/address/address.mjs'
const way = JSON.parse(readFileSync(0))
process.stdout.write(behind(way.Proxies ?? [])(way.Remote, way.Forwarded || undefined))`},
	"Python": {"python3", "-c", `
import json, sys
sys.path.insert(0, '../examples/address')
from address import behind
way = json.load(sys.stdin)
sys.stdout.write(behind(way['Proxies'] or [])(way['Remote'], way['Forwarded'] or None))`},
	"PHP": {"php", "-d", "display_errors=stderr", "-r", `
require '../examples/address/address.php';
$way = json_decode(stream_get_contents(STDIN), true);
echo shopper_address($way['Remote'], $way['Forwarded'], $way['Proxies'] ?? []);`},
}

func TestOtherLanguagesFindTheShoppersAddress(t *testing.T) {
	for language, command := range finders {
		for name, way := range ways {
			t.Run(language+" "+name, func(t *testing.T) {
				t.Parallel()
				_, err := exec.LookPath(command[0])
				require.NoError(t, err, "make verify needs it")
				text, err := json.Marshal(way)
				require.NoError(t, err)
				cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
				cmd.Stdin = bytes.NewReader(text)
				var complaints bytes.Buffer
				cmd.Stderr = &complaints
				found, err := cmd.Output()
				require.NoError(t, err, complaints.String())
				assert.Empty(t, complaints.String())
				assert.Equal(t, way.shopper, string(found))
			})
		}
	}
}

// In Go a list of networks without lists does not compile.
func TestOtherLanguagesSayThatProxiesAreAListOfLists(t *testing.T) {
	for language, command := range finders {
		t.Run(language, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
			cmd.Stdin = strings.NewReader(`{"Remote":"127.0.0.1","Forwarded":"","Proxies":["127.0.0.1","::1"]}`)
			complaint, err := cmd.CombinedOutput()
			require.Error(t, err)
			assert.Contains(t, string(complaint), "proxies is a list of lists, such as [['127.0.0.1', '::1']]")
		})
	}
}
