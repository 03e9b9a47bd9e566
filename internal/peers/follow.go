package peers

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// silence is how long a stream may bring no event and no comment: a peer sends one each
	// half second.
	silence = 2 * time.Second
	// A stream that lasted for lasting is opened again at once; after one that did not, the
	// wait doubles from firstWait to longestWait, half of it more or less.
	lasting     = 10 * time.Second
	firstWait   = 100 * time.Millisecond
	longestWait = 15 * time.Second
	// look is how often the addresses of names are looked at, and elsewhere how long an
	// address is left alone that is this instance, or one that is followed at another address.
	look      = time.Second
	elsewhere = 30 * time.Second
)

// A Stream says what is followed.
type Stream struct {
	Path string // of server-sent events that end in time
	// Event takes an event of the instance with that id. data is good until it returns. at,
	// if not 0, is the number of the event at its instance: a stream that is opened again goes
	// on behind the last. With ok false the peer is cut off: the event is in no form it knows.
	// It is called from one goroutine for each address.
	Event func(instance, name string, data []byte) (at uint64, ok bool)
	// Unreachable takes the names of the peers that are not followed now, sorted, as often as
	// they change. It must not block.
	Unreachable func(names []string)
	// Tried is called once each peer is followed, or could not be for the first time.
	Tried func()
}

// Follow follows all peers until ctx ends, or Close, over one connection to each address.
// Where a connection ends it is opened again, after a while where that did not last; what
// happened meanwhile comes then, as far as the peer has kept it.
func (p *Peers) Follow(ctx context.Context, s Stream) {
	if p == nil {
		s.Tried()
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.closed, cancel)()
	f := &following{peers: p, stream: s, why: make(map[*peer]map[string]string), instances: make(map[string]string)}
	var tried, running sync.WaitGroup
	for _, each := range p.peers {
		tried.Add(1)
		running.Go(func() { f.followPeer(ctx, each, tried.Done) })
	}
	tried.Wait()
	s.Tried()
	running.Wait()
}

// following is the state of Follow.
type following struct {
	peers  *Peers
	stream Stream

	mu        sync.Mutex
	why       map[*peer]map[string]string // why what is so named is not followed; empty: it is
	told      []string                    // to Stream.Unreachable
	instances map[string]string           // where an instance is followed, by its id and run
}

// followPeer follows all addresses of a peer. tried is called once each was tried.
func (f *following) followPeer(ctx context.Context, each *peer, tried func()) {
	running := make(map[netip.Addr]context.CancelFunc)
	var all sync.WaitGroup
	defer all.Wait()
	again := time.NewTicker(look)
	defer again.Stop()
	for first := true; ; first = false {
		waiting, stop := context.WithTimeout(ctx, patience)
		addresses, err := each.names.addresses(waiting)
		stop()
		if err != nil {
			f.set(each, ofName, err.Error())
		} else {
			f.forget(each, ofName)
		}
		for address, stop := range running {
			if !slices.Contains(addresses, address) {
				stop()
				delete(running, address)
			}
		}
		var begun sync.WaitGroup
		for _, address := range addresses {
			if running[address] != nil {
				continue
			}
			its, stop := context.WithCancel(ctx)
			running[address] = stop
			begun.Add(1)
			all.Go(func() { f.followAddress(its, each, address, sync.OnceFunc(begun.Done)) })
		}
		if first {
			begun.Wait()
			tried()
		}
		select {
		case <-ctx.Done():
			for _, stop := range running {
				stop()
			}
			return
		case <-again.C:
		}
	}
}

// A position is where a stream is to go on.
type position struct {
	instance string // whose number at is
	at       uint64 // 0: not known
}

// Why a stream is not followed that is no trouble.
var (
	errOwn   = errors.New("this instance")
	errTwice = errors.New("an instance that is followed already")
)

// followAddress follows one address of a peer until ctx ends. tried is called, more than once,
// when it is followed, or cannot be.
func (f *following) followAddress(ctx context.Context, each *peer, address netip.Addr, tried func()) {
	at, named := each.at(address)
	defer tried()
	defer f.forget(each, named)
	var last position
	wait := firstWait
	for ctx.Err() == nil {
		began := time.Now()
		err := f.open(ctx, each, at, &last, func() {
			f.set(each, named, "")
			tried()
		})
		var cut *violation
		if wait = min(2*wait, longestWait); time.Since(began) >= lasting {
			wait = firstWait
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errOwn), errors.Is(err, errTwice):
			f.forget(each, named)
			wait = elsewhere
		case err == nil && time.Since(began) >= lasting:
			continue
		case err == nil && wait < time.Second: // that the peer is away shows at the next try
		case err == nil:
			f.set(each, named, "ends its stream at once")
		case errors.As(err, &cut):
			f.set(each, named, err.Error())
			wait = longestWait
		default:
			f.set(each, named, err.Error())
		}
		tried()
		pause(ctx, wait/2+rand.N(wait))
	}
}

// open opens the stream of an address and reads it to its end. opened is called once it is
// open. The error is nil where the peer ended it.
func (f *following) open(ctx context.Context, each *peer, at string, last *position, opened func()) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer func() {
		if fault := recover(); fault != nil {
			err = errors.New("is not followed, by a fault of this instance")
			if f.peers.settings.Panicked != nil {
				f.peers.settings.Panicked(fault)
			}
		}
	}()
	late := time.AfterFunc(patience, func() { cancel(context.DeadlineExceeded) })
	defer late.Stop()
	var query []byte
	if last.at != 0 {
		query = strconv.AppendUint([]byte("after="), last.at, 10)
	}
	q := Question{Target: Target(f.stream.Path, query), Caller: f.peers.settings.Instance}
	response, err := f.peers.send(ctx, each, at, q)
	if err != nil {
		return broken(ctx, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, maxHead))
		return errors.New(refusal(response.StatusCode, body))
	}
	id, run, ok := readInstance(response.Header)
	own := f.peers.settings.Instance
	switch {
	case !ok:
		return errors.New("does not say which instance it is")
	case id == own && run == f.peers.run:
		return errOwn
	case id == own:
		return errors.New("has the same id as this instance: set instance to another one")
	case last.instance != id && last.at != 0:
		*last = position{}
		return nil // the number was another's
	case !f.take(id+" "+run, at):
		return errTwice
	}
	defer f.leave(id + " " + run)
	late.Stop()
	last.instance = id
	opened()
	quiet := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer quiet.Stop()
	events := newEvents(response.Body)
	for {
		name, data, err := events.next(ctx)
		if err != nil {
			return broken(ctx, err)
		}
		quiet.Reset(silence)
		if name == "" {
			continue // a comment
		}
		number, ok := f.stream.Event(id, name, data)
		if !ok {
			return errForm
		}
		if number != 0 {
			last.at = number
		}
	}
}

// broken returns why a stream does not go on; nil where it ended as it should.
func broken(ctx context.Context, err error) error {
	var cut *violation
	switch cause := context.Cause(ctx); {
	case errors.As(err, &cut):
		return err
	case errors.Is(cause, errSilent):
		return errSilent
	case errors.Is(cause, context.DeadlineExceeded):
		return errors.New(whyNot(cause))
	case err == io.EOF:
		return nil
	}
	return errors.New(whyNot(err))
}

var errSilent = errors.New("sends nothing for two seconds")

// take reports whether the instance is not followed at another address, and notes that it is
// at this one.
func (f *following) take(instance, at string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.instances[instance] != "" {
		return false
	}
	f.instances[instance] = at
	return true
}

func (f *following) leave(instance string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.instances, instance)
}

// ofName stands for the name of the peer, in place of that of an address.
const ofName = ""

// set notes why an address, or the peer itself, is not followed; empty: it is.
func (f *following) set(each *peer, named, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.why[each] == nil {
		f.why[each] = make(map[string]string)
	}
	f.why[each][named] = why
	f.tell(each)
}

// forget notes that there is nothing to say of an address, or the peer itself.
func (f *following) forget(each *peer, named string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.why[each][named]; known {
		delete(f.why[each], named)
		f.tell(each)
	}
}

// tell tells who is not followed, where that has changed, and why.
func (f *following) tell(of *peer) {
	var names []string
	for each, addresses := range f.why {
		for named, why := range addresses {
			if why != "" {
				names = append(names, cmp.Or(named, each.name))
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if !slices.Equal(names, f.told) {
		f.told = names
		f.stream.Unreachable(names)
	}
	var answers []Answer
	for named, why := range f.why[of] {
		answers = append(answers, Answer{Peer: named, Why: why})
	}
	if len(answers) == 0 {
		return // nothing is known of it
	}
	slices.SortFunc(answers, func(x, y Answer) int { return cmp.Compare(x.Peer, y.Peer) })
	of.trouble.note(of.name, answers, f.peers.settings.Changed)
}

// pause waits, until ctx ends at the latest.
func pause(ctx context.Context, duration time.Duration) {
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
