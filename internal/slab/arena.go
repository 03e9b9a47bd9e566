package slab

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	pageSize  = 4096 // bytes: one page of the operating system
	pageCells = pageSize / cellSize
	pageSlots = pageSize / slotSize
	maxPages  = 1 << 32 / pageCells // a ref numbers no more cells

	// stepPages is how many pages are mapped at once. Mapping all of max_bytes at the
	// start would fail under a limit of address space (RLIMIT_AS) or strict overcommit
	// that what is really used never reaches.
	stepPages = 4096 // 16 MiB
	stepCells = stepPages * pageCells
)

// A step is pages mapped together. The last step of an arena may be mapped shorter;
// pages beyond its end are never handed out.
type step [stepCells]cell

// An arena is memory outside the Go heap: the garbage collector does not scan it, and
// does not let as much garbage gather beside it. Several shards share an arena and take
// it page by page, so that what is in use lies close together.
type arena struct {
	pages int   // most pages, with page 0
	steps steps // nil where nothing is mapped yet

	mu     sync.Mutex
	taken  int // pages handed out, with page 0
	mapped int // pages
}

// newArena maps the first step of an arena with that many pages.
func newArena(pages int) (*arena, error) {
	pages++ // page 0 is not handed out: ref 0 means none
	a := &arena{pages: pages, steps: make(steps, (pages+stepPages-1)/stepPages), taken: 1}
	if err := a.mapStep(); err != nil {
		return nil, fmt.Errorf("expected no more than this machine can reserve: %w", err)
	}
	return a, nil
}

func (a *arena) mapStep() error {
	n := min(stepPages, a.pages-a.mapped)
	memory, err := unix.Mmap(-1, 0, n*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	if err != nil {
		return err
	}
	a.steps[a.mapped/stepPages] = (*step)(unsafe.Pointer(&memory[0]))
	a.mapped += n
	runtime.AddCleanup(a, func(memory []byte) { _ = unix.Munmap(memory) }, memory)
	return nil
}

// page hands out a zeroed page and returns its number; 0 when there is none left, or
// the system gives no more. A page takes memory when it is first written.
//
// The lock orders the writing of steps before every use of a page in them.
func (a *arena) page() uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.taken == a.pages || a.taken == a.mapped && a.mapStep() != nil {
		return 0
	}
	a.taken++
	return uint32(a.taken - 1)
}

// steps are the memory of an arena. Their number never changes, so every shard has a
// copy of the slice: one load less on the way to each cell.
type steps []*step

func (s steps) cell(r ref) *cell { return &s[r/stepCells][r%stepCells] }

// slots are the page seen as part of an index.
func (s steps) slots(page uint32) *[pageSlots]slot {
	return (*[pageSlots]slot)(unsafe.Pointer(s.cell(ref(page * pageCells))))
}
