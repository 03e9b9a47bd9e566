package recent

import "fraudcheck/internal/velocity"

// NewBlockedOf is NewBlocked for fewer entries.
func NewBlockedOf(checker *velocity.Checker, limit int) *Blocked { return newBlocked(checker, limit) }

// NotShared has the next list made anew.
func (b *Blocked) NotShared() { b.lists.asked = 0 }
