package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"fraudcheck/internal/testbed"
)

func fifo(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	return path
}

func TestReadFileIsBoundedInBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Truncate(path, MaxFileBytes))
	for _, files := range []Files{RegularFiles, FilesAndPipes} {
		text, err := ReadFile(path, files)
		require.NoError(t, err)
		assert.Len(t, text, MaxFileBytes)
	}
	require.NoError(t, os.Truncate(path, MaxFileBytes+1))
	for _, files := range []Files{RegularFiles, FilesAndPipes} {
		_, err := ReadFile(path, files)
		assert.EqualError(t, err, "it is larger than 16 MiB")
	}
	_, err := ReadFile("/dev/zero", FilesAndPipes)
	assert.EqualError(t, err, "it is larger than 16 MiB")
}

func TestReadFileReadsAPipeOnlyAtTheStart(t *testing.T) {
	path := fifo(t)
	_, err := ReadFile(path, RegularFiles)
	assert.EqualError(t, err, "it is no regular file")

	go func() { // the writer comes late, and in parts larger than a pipe holds
		writer, err := os.OpenFile(path, os.O_WRONLY, 0)
		if assert.NoError(t, err) {
			_, err = writer.WriteString(strings.Repeat("a", 1<<20))
			assert.NoError(t, err)
			_, err = writer.WriteString(strings.Repeat("b", 1<<20))
			assert.NoError(t, err)
			assert.NoError(t, writer.Close())
		}
	}()
	text, err := ReadFile(path, FilesAndPipes)
	require.NoError(t, err)
	assert.Equal(t, strings.Repeat("a", 1<<20)+strings.Repeat("b", 1<<20), string(text))

	for _, path := range []string{t.TempDir(), "/dev/null"} {
		_, err := ReadFile(path, RegularFiles)
		assert.EqualError(t, err, "it is no regular file")
	}
	_, err = ReadFile(t.TempDir(), FilesAndPipes)
	assert.EqualError(t, err, "is a directory")
	_, err = ReadFile(filepath.Join(t.TempDir(), "hunter2"), RegularFiles)
	assert.EqualError(t, err, "no such file or directory", "without the path")
}

// The test takes as long as ReadTimeout.
func TestReadFileIsBoundedInTime(t *testing.T) {
	testbed.SkipShort(t, "waits out the five seconds that a file may take to be read")
	t.Parallel()
	for name, open := range map[string]func(path string){
		"no writer": func(string) {},
		"a writer that never ends": func(path string) {
			writer, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			t.Cleanup(func() { _ = writer.Close() })
			_, err = writer.WriteString("listen: ")
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := fifo(t)
			open(path)
			since := time.Now()
			_, err := ReadFile(path, FilesAndPipes)
			assert.EqualError(t, err, "reading took longer than 5s")
			assert.Less(t, time.Since(since), 2*ReadTimeout)
		})
	}
}
