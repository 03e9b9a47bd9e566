package main

import (
	"runtime/debug"

	"fraudcheck/internal/build"
)

// version returns on one line what this program was built from.
func version() string {
	info, ok := build.Info()
	if !ok {
		return "fraudcheck (unknown build)"
	}
	return buildVersion(info)
}

// buildVersion returns the version of the program, the commit and its date where the build
// knows them, and the versions of Go and of the HTTP library. A date is in RFC 3339.
func buildVersion(info *debug.BuildInfo) string {
	built := make(map[string]string)
	for _, s := range info.Settings {
		built[s.Key] = s.Value
	}
	text := "fraudcheck " + info.Main.Version
	if commit := built["vcs.revision"]; commit != "" {
		text += " commit " + commit[:min(len(commit), 12)]
		if built["vcs.modified"] == "true" {
			text += " (modified)"
		}
		text += " " + built["vcs.time"]
	}
	text += " " + info.GoVersion
	for _, m := range info.Deps {
		if m.Path == "github.com/valyala/fasthttp" {
			text += " fasthttp " + m.Version
		}
	}
	return text
}
