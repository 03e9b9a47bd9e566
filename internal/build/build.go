// Package build says what the running program was built from.
package build

import "runtime/debug"

// The version with a leading v, the hash of the commit, and its date in RFC 3339. The
// linker sets them in a release and in an image (deploy/release, Dockerfile), there without
// the version where it is not known; other builds know what Go recorded.
var version, commit, date string

// Info returns what Go recorded of this build, and the version and commit that the linker
// set as if Go had recorded them. The result is false where Go recorded nothing.
func Info() (*debug.BuildInfo, bool) {
	info, ok := debug.ReadBuildInfo()
	if ok && version != "" {
		info.Main.Version = version
	}
	if ok && commit != "" {
		info.Settings = append(info.Settings,
			debug.BuildSetting{Key: "vcs.revision", Value: commit}, debug.BuildSetting{Key: "vcs.time", Value: date})
	}
	return info, ok
}
