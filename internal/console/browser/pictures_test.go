package browser

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// The pictures in docs/images are taken by
//
//	PICTURES=../../../docs/images go test -run Pictures .
func TestPictures(t *testing.T) {
	folder := os.Getenv("PICTURES")
	if folder == "" {
		t.Skip("the variable PICTURES names no folder")
	}
	s := open(t, 1)
	b := s.console(0, "ana", "/console")
	b.see("live")
	s.trade1()
	s.attack("203.0.113.45", 4)
	s.attack(address, 8)
	s.check(0, "192.0.2.8", "listed")
	for i := range 5 {
		s.check(0, shopper(20+i), "late")
	}
	take := func(name, theme string) {
		b.as(look{1040, 640, 1, theme})
		eval[any](b, "document.activeElement.blur(), null")
		picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), picture, 0o644))
	}
	b.see("Since you came: 4 blocked")
	take("console-live.png", "dark")
	b.open("/console/address/203.0.113.7")
	b.button("What it counts: 6 entries")
	b.until("document.querySelectorAll('tr.block').length > 0")
	take("console-address.png", "light")
}
