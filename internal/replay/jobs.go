package replay

import (
	"runtime"
	"sync"
)

// A job is some rows that one goroutine parses: of a chunk, or rows that are held.
type job struct {
	number int64
	chunk  *chunk
	held   []heldRow

	rows []row      // parsed, in the order of the history
	used int        // of rows
	pans []panCount // by field
	page heldPage
	done chan struct{}
}

// next returns the next row to be filled.
func (j *job) next() *row {
	if j.used == len(j.rows) {
		j.rows = append(j.rows, row{})
	}
	j.used++
	return &j.rows[j.used-1]
}

// run has jobs made by produce, worked on by many goroutines, and consumed here, one after
// the other in the order in which they were made. The first error ends it.
func run(produce func(emit func(job) bool) error, workers []func(*job), consume func(*job) error) error {
	todo, order := make(chan *job), make(chan *job, 2*len(workers))
	stop := make(chan struct{})
	spare := sync.Pool{New: func() any { return new(job) }}
	var produced error
	var group sync.WaitGroup
	group.Go(func() {
		defer close(todo)
		defer close(order)
		number := int64(0)
		produced = produce(func(made job) bool {
			j := spare.Get().(*job)
			j.number, j.chunk, j.held, j.used, j.done = number, made.chunk, made.held, 0, make(chan struct{})
			number++
			for _, to := range []chan *job{order, todo} {
				select {
				case to <- j:
				case <-stop:
					return false
				}
			}
			return true
		})
	})
	for _, work := range workers {
		group.Go(func() {
			for j := range todo {
				work(j)
				close(j.done)
			}
		})
	}
	var err error
	for j := range order {
		if err != nil {
			continue // so that no one waits for ever
		}
		<-j.done
		if err = consume(j); err != nil {
			close(stop)
			continue
		}
		spare.Put(j)
	}
	group.Wait()
	if err == nil {
		err = produced
	}
	return err
}

// workers returns one for each processor.
func workers(make func() func(*job)) (all []func(*job)) {
	for range runtime.GOMAXPROCS(0) {
		all = append(all, make())
	}
	return all
}
