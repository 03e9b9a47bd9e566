package main

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// logPanic logs a panic that was recovered, by the type of its value and the stack. The
// value is not logged: it may quote what the code failed on, such as a record or the
// configuration. It must be called by the deferred function that recovered, so that the
// stack is that of the panic.
func logPanic(log *slog.Logger, message string, fault any) {
	log.Error(message, "type", fmt.Sprintf("%T", fault), "stack", string(debug.Stack()))
}
