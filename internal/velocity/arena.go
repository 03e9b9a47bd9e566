package velocity

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	pageSize  = 4096 // bytes: one of the system's pages
	pageCells = pageSize / cellSize
	pageSlots = pageSize / slotSize
	maxPages  = 1 << 32 / pageCells // as many as refs can number the cells of
)

// An arena is memory outside the garbage collector's world: it neither looks at it
// nor, as it would beside its own, lets as much garbage again gather. Shards take
// it by the page, one after the other, so that what is in use lies close together.
// A page takes memory when it is first written; until then it is a number.
type arena struct {
	cells []cell // all of it, seen as cells,
	slots []slot // and as slots
	taken atomic.Uint32
}

// newArena reserves that many pages; more must not be taken.
func newArena(pages int) (*arena, error) {
	size := (1 + pages) * pageSize // page 0 is never used: a ref of 0 means none
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("expected no more than this machine can reserve: %w", err)
	}
	first := unsafe.Pointer(&memory[0])
	a := &arena{
		cells: unsafe.Slice((*cell)(first), size/cellSize),
		slots: unsafe.Slice((*slot)(first), size/slotSize),
	}
	runtime.AddCleanup(a, func(memory []byte) { _ = unix.Munmap(memory) }, memory)
	return a, nil
}

// page takes one more page, zeroed, and returns its number.
func (a *arena) page() uint32 { return a.taken.Add(1) }
