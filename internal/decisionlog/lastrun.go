package decisionlog

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
)

// tailSize is how many bytes at the end of a file are read to find its last line, which is
// far shorter.
const tailSize = 1 << 20

// lastRun finds out how the last run in the folder ended: the number of its last line, and
// whether it did not say that it ended. It is 0 and false where there was none.
func lastRun(dir string) (seq uint64, unknown bool) {
	days, _ := filepath.Glob(filepath.Join(dir, FileName+".????-??-??")) // sorted, so by day
	for _, path := range slices.Backward(append(days, filepath.Join(dir, FileName))) {
		lines := bytes.Split(tail(path), []byte{'\n'})
		ended := true
		for _, line := range slices.Backward(lines) {
			if len(line) == 0 {
				continue
			}
			var l struct {
				Seq  uint64
				Kind string
				Lost *uint64
			}
			if json.Unmarshal(line, &l) == nil && l.Seq > 0 {
				return l.Seq, !ended || l.Kind != "gap" || l.Lost == nil || *l.Lost != 0
			}
			ended = false // torn
		}
		if !ended {
			unknown = true
		}
	}
	return 0, unknown
}

// tail returns the end of the file; nothing where it cannot be read.
func tail(path string) []byte {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	text := make([]byte, min(info.Size(), tailSize))
	n, _ := file.ReadAt(text, info.Size()-int64(len(text)))
	return text[:n]
}
