package session

import "time"

func toMs(t time.Time) int64 { return t.UnixMilli() }
