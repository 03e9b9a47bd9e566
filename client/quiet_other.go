//go:build !unix

package fraudcheck

// isQuiet is not known here; the retry sees a connection that has ended.
func (c *conn) isQuiet() bool { return true }
