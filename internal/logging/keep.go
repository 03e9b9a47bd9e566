package logging

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Log files are kept for a number of days, and within a number of bytes: whole days leave
// first, the oldest one first. Where one day has more lines than there is room for, its
// first half leaves: a file that has half of all bytes is put away under its own day
// before that day is over, and the next half replaces it.

// makeRoom makes room for more bytes in the file.
func (f *dailyFile) makeRoom(more int64) error {
	if !f.info.Mode().IsRegular() {
		return nil // a device: nothing is kept
	}
	if f.size > 0 && f.size+more > f.maxBytes/2 {
		if err := os.Rename(f.path, f.path+"."+dayOf(f.now())); err != nil {
			return err
		}
		_ = f.drop()
		if err := f.open(); err != nil {
			return err
		}
		f.removeOld(more)
	}
	if f.size+f.others+more > f.maxBytes {
		f.removeOld(more)
	}
	return nil
}

// removeOld removes the rotated files of days that are not kept any more, and then the
// oldest ones until there is room for more bytes. A file that cannot be removed is tried
// again the next time.
func (f *dailyFile) removeOld(more int64) {
	entries, _ := os.ReadDir(f.dir) // by name, which here is by day
	oldest := dayOf(f.now().AddDate(0, 0, -f.days))
	var rotated []fs.FileInfo
	f.others = 0
	for _, e := range entries {
		day, ok := strings.CutPrefix(e.Name(), f.name+".")
		if _, err := time.Parse(time.DateOnly, day); !ok || err != nil || e.IsDir() {
			continue
		}
		if day < oldest {
			_ = os.Remove(filepath.Join(f.dir, e.Name()))
		} else if info, err := e.Info(); err == nil {
			rotated = append(rotated, info)
			f.others += info.Size()
		}
	}
	for _, info := range rotated {
		if f.size+f.others+more <= f.maxBytes {
			return
		}
		if err := os.Remove(filepath.Join(f.dir, info.Name())); err == nil || errors.Is(err, fs.ErrNotExist) {
			f.others -= info.Size()
		}
	}
}
