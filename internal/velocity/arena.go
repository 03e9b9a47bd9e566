package velocity

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// reserve takes size bytes of address space, zeroed, for as long as owner is in
// use. They lie outside the garbage collector's world: it neither looks at them
// nor, as it would for its own, lets as much garbage again gather beside them. A
// page takes memory when it is first written; until then it is a number.
func reserve[T any](size int, owner *T) ([]byte, error) {
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("expected no more than this machine can reserve: %w", err)
	}
	// Every shard begins to write in a place of its own: a huge page for each
	// would take the whole bound for a few hundred records.
	if runtime.GOOS == "linux" {
		const noHugePage = 15                // unix.MADV_NOHUGEPAGE, which other systems do not define
		_ = unix.Madvise(memory, noHugePage) // where there are none, none are used
	}
	runtime.AddCleanup(owner, func(memory []byte) { _ = unix.Munmap(memory) }, memory)
	return memory, nil
}
