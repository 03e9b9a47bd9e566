package main

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"fraudcheck/internal/door"
	"fraudcheck/internal/velocity"
	"fraudcheck/internal/wire"
)

// bare is the least that a service on fasthttp could do: it reads the body and answers
// with as many bytes as to a check of a new address. It serves until it is killed. It
// runs as a process of its own (bench -bare), as what it is compared with does.
func bare(listen string) error {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	return errors.Join(serveBare(ln), fmt.Errorf("%s: closed", listen))
}

// serveBare serves on the listener.
func serveBare(ln net.Listener) error {
	body := bareBody()
	s := &fasthttp.Server{NoDefaultServerHeader: true, Handler: func(ctx *fasthttp.RequestCtx) {
		if len(ctx.PostBody()) == 0 {
			ctx.Error("no body", fasthttp.StatusBadRequest)
			return
		}
		ctx.SetContentType("application/json")
		ctx.Response.SetBodyRaw(body)
	}}
	return s.Serve(ln)
}

// bareBody returns a real answer, made once: its bytes are the same for every call.
func bareBody() []byte {
	d := velocity.Decision{Rules: []velocity.RuleResult{{Rule: &velocity.DefaultRule, Count: 1}}}
	return wire.AppendDecision(nil, &d, string(door.AppendID(nil, time.Now())))
}
