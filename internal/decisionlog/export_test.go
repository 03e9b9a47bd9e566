package decisionlog

// Waiting returns how many events the writer has not taken yet.
func (l *Log) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pending.entries)
}
