package main

import (
	"bytes"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A proxy between fraudcheck and a memcached does to replies what networks and failing
// servers do. Requests pass unchanged, so memcached carries them out: what is lost is the
// answer.
type proxy struct {
	addr, to string // where it listens, and the server
	ln       net.Listener
	trouble  atomic.Pointer[trouble]
	replies  atomic.Uint64 // that had trouble
	mu       sync.Mutex
	conns    map[net.Conn]struct{} // nil once closed
	over     chan struct{}         // closed when another trouble begins, and at the end
	running  sync.WaitGroup
}

// A trouble is what happens to replies; the zero value is nothing.
type trouble struct {
	delay, jitter time.Duration // each reply is late by delay and up to jitter more
	cut           bool          // only the first bytes arrive, one more each time; then the connection closes
	reset         bool          // as cut, but the connection is reset
	garbage       bool          // another reply arrives in its place
	stall         bool          // half of it arrives, and the rest when the trouble is over
}

// garbage takes the place of replies, beside random bytes.
var garbage = [...]string{
	"\n", "\r\n", "VALUE\r\n", "VALUE x 0 -1 1\r\n", "END", "STORED\r\nSTORED\r\n", "VALUE x 0 1900000000 1\r\n", "\x00\x00\x00\x00\r\n",
	"VALUE fraudcheck 0 5 1\r\nhello\r\nEND\r\n", "ERROR\r\n", "SERVER_ERROR out of memory storing object\r\n", "CLIENT_ERROR \r\n",
}

// newProxy starts a proxy to the server on a free port, without trouble.
func newProxy(to string) (*proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{addr: ln.Addr().String(), to: to, ln: ln, conns: make(map[net.Conn]struct{}), over: make(chan struct{})}
	p.trouble.Store(&trouble{})
	p.running.Go(p.accept)
	return p, nil
}

// set begins a trouble, and ends the one before it.
func (p *proxy) set(t trouble) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble.Store(&t)
	close(p.over)
	p.over = make(chan struct{})
}

// isOver returns a channel that is closed when the present trouble is over.
func (p *proxy) isOver() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// close ends every connection.
func (p *proxy) close() {
	_ = p.ln.Close()
	p.set(trouble{})
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.running.Wait()
}

// keep registers a connection for close; it returns false when the proxy is closed.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		_ = c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

// drop closes a connection and forgets it.
func (p *proxy) drop(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// accept connects each client to the server, with a goroutine for each direction.
func (p *proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return
		}
		server, err := net.DialTimeout("tcp", p.to, time.Second)
		if err != nil {
			_ = client.Close()
			continue
		}
		// Closed meanwhile: keep has closed the connection.
		if !p.keep(client) || !p.keep(server) {
			return
		}
		p.running.Go(func() {
			pass(client, server)
			p.drop(server)
		})
		p.running.Go(func() {
			p.reply(server, client)
			p.drop(client)
			p.drop(server)
		})
	}
}

// pass copies requests until either side ends.
func pass(from, to net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}

// A chunk is bytes that a server sent, and when they came.
type chunk struct {
	bytes []byte
	at    time.Time
}

// listen reads chunks until done is closed or the connection ends.
func listen(from net.Conn, done <-chan struct{}) <-chan chunk {
	chunks := make(chan chunk, 64)
	go func() {
		defer close(chunks)
		for {
			buf := make([]byte, 32<<10)
			n, err := from.Read(buf)
			if n > 0 {
				select {
				case chunks <- chunk{buf[:n], time.Now()}:
				case <-done:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return chunks
}

// reply passes replies on; bytes that come in one chunk count as one reply. A delay is
// that of a long distance: replies arrive as close together as they were sent.
func (p *proxy) reply(from, to net.Conn) {
	done := make(chan struct{})
	defer close(done)
	for received := range listen(from, done) {
		reply, over := received.bytes, p.isOver()
		if t := *p.trouble.Load(); t != (trouble{}) {
			count := p.replies.Add(1)
			time.Sleep(time.Until(received.at.Add(t.delay + rand.N(t.jitter+1))))
			switch {
			case t.garbage:
				reply = garbageReply(count)
			case t.stall:
				_, _ = to.Write(reply[:len(reply)/2])
				reply = reply[len(reply)/2:]
				<-over
			}
			// One byte more each time: sooner or later a reply is cut at every place.
			if t.cut || t.reset {
				_, _ = to.Write(reply[:count%uint64(len(reply))])
				if tcp, ok := to.(*net.TCPConn); ok && t.reset {
					_ = tcp.SetLinger(0)
				}
				return
			}
		}
		if _, failed := to.Write(reply); failed != nil {
			return
		}
	}
}

// garbageReply returns the n-th wrong reply: in turn one that looks like the protocol's,
// and random bytes.
func garbageReply(n uint64) []byte {
	if n%2 == 0 {
		return []byte(garbage[n/2%uint64(len(garbage))])
	}
	b := bytes.Repeat([]byte{0}, 1+rand.IntN(300))
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}
