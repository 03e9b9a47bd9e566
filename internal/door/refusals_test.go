package door

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestTenRefusalsASecondAreShownAndTheRestIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		r := refusals{most: 10, more: func(of refusal, level slog.Level, hidden int) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprint(of.route, " ", of.status, " ", of.code, " ", level, " ", hidden))
		}}
		heard := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(told)
		}
		guess, lost := refusal{"/v1/check", 401, "credentials_invalid"}, refusal{"none", 404, "not_found"}
		shown := func(of refusal, n int) (shown int) {
			for range n {
				if r.shows(of, slog.LevelInfo, time.Now()) {
					shown++
				}
			}
			return shown
		}
		assert.Equal(t, 10, shown(guess, 100))
		assert.Equal(t, 7, shown(lost, 7))
		time.Sleep(999 * time.Millisecond)
		assert.Equal(t, 3, shown(lost, 5))
		assert.Zero(t, shown(guess, 11))
		synctest.Wait()
		assert.Empty(t, heard())
		time.Sleep(time.Millisecond)
		synctest.Wait()
		assert.ElementsMatch(t, []string{"/v1/check 401 credentials_invalid INFO 101", "none 404 not_found INFO 2"}, heard(), "also when nothing follows")
		assert.Equal(t, 10, shown(guess, 12))
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Len(t, heard(), 3)
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Len(t, heard(), 3, "silence is not told of")
	})
}
