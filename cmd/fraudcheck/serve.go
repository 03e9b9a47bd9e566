package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"fraudcheck/internal/config"
)

// serve runs the service until SIGTERM or SIGINT, and returns nil after a clean stop. The
// error is what is wrong with the settings, why a port cannot go on, what failed at the
// stop, or that of a further signal: see endedBySignal.
func serve(f *flags, stdout, stderr io.Writer) error {
	files := new(fileWatch)
	// Before the file is read, so that a change while it is read is a change.
	files.follow(f.Config, config.Defaults())
	p, err := configure(f, config.FilesAndPipes)
	if err != nil {
		return err
	}
	files.follow(f.Config, p.settings)

	// The reader of the log may go away, and its file may grow too large.
	signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ)
	s, err := newService(p, stderr)
	if err != nil {
		return err
	}
	defer s.closeLog()

	// Until here a signal to stop ends the process at once: nothing is in flight.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals, hangups := make(chan os.Signal, 3), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(signals)
	defer signal.Stop(hangups)
	stops := withoutRepeats(ctx, signals)

	// Signals are taken over before the first request can arrive.
	s.start(stdout)
	m := newManager(s)
	go m.run(ctx)
	r := reloader{flags: f, files: files, service: s, manager: m, running: *p.settings, lists: p.listFiles, callers: p.authSettings}
	go r.run(ctx, hangups) // so that a stop never waits for a reload

	var failed error // why it cannot go on; nil: it is to stop
	select {
	case failed = <-s.failed:
	case sig := <-stops:
		m.tellStopping(s.settings.DrainDelay, s.settings.Drain)
		failed = s.awaitDrain(sig, stops)
	}
	// In a goroutine: a stop may wait for what does not end, and a further signal must
	// still be heard.
	stopped := make(chan error, 1)
	go func() {
		if failed == nil {
			failed = s.stop()
		} else {
			s.stopPhase.Store(int32(writing))
			s.close()
		}
		stopped <- failed
	}()
	for ended := false; !ended; {
		select {
		case err = <-stopped:
			ended = true
		case <-stops:
			err = endedBySignal(stopPhase(s.stopPhase.Load()), s.hasRequestsInFlight())
			ended = err != nil
		}
	}
	if err != nil {
		s.log.Error("Stopped: " + err.Error())
	}
	return err
}
