package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The report of a replay is a file that is opened, read and printed; it runs no script.
func TestTheReportOfAReplay(t *testing.T) {
	folder := t.TempDir()
	var rows strings.Builder
	rows.WriteString("time,ip,card,expiry,fraud\n")
	for i := range 600 {
		ip, fraud := fmt.Sprintf("2001:db8:%x:%x::1", i%5, i%200), 0
		if i%4 == 0 {
			ip, fraud = fmt.Sprintf("203.0.113.%d", i%3), 1
		}
		fmt.Fprintf(&rows, "%d,%s,tok_%d,12/30,%d\n", 1790000000+i*7, ip, i, fraud)
	}
	history, config, report := filepath.Join(folder, "history.csv"), filepath.Join(folder, "fraudcheck.yaml"), filepath.Join(folder, "report.html")
	require.NoError(t, os.WriteFile(history, []byte(rows.String()), 0o600))
	require.NoError(t, os.WriteFile(config, []byte("rules: [{name: cards_per_ip, per: ip, count: cards, window: 1h, review_over: 3, block_over: 5}]\n"), 0o600))
	said, err := exec.Command(program, "replay", "--config", config, "--time", "time", "--ip", "ip", "--card-id", "card", "--expiry", "expiry", "--label", "fraud",
		"--sweep", "cards_per_ip block_over=1..10 window=10m,1h", "--html", report, history).CombinedOutput()
	require.NoError(t, err, string(said))

	ctx, end := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	defer end()
	require.NoError(t, chromedp.Do(ctx)) // it ends with the context of what is done first
	b := &tab{t: t, ctx: ctx}
	b.size(1280, 900)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, report) }))
	defer server.Close()
	b.do(chromedp.Navigate(server.URL))
	b.see("cards_per_ip")
	for _, l := range looks {
		b.as(l)
		assert.Empty(t, b.barriers(), "%+v", l)
	}
	policy := eval[string](b, "document.querySelector('meta[http-equiv=Content-Security-Policy]').content")
	assert.Contains(t, policy, "default-src 'none'")
	assert.NotContains(t, policy, "script-src")
	assert.Equal(t, 0, eval[int](b, "document.scripts.length"))
	pdf, err := chromedp.Run(ctx, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperSize{Width: 8.27, Height: 11.69})))
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(pdf), "%PDF-"))
	assert.Greater(t, len(pdf), 10_000)
	// What is printed is as wide as the paper.
	b.do(chromedp.EmulateViewport(700, 900))
	assert.LessOrEqual(t, eval[int](b, "document.documentElement.scrollWidth - document.documentElement.clientWidth"), 0)
}
