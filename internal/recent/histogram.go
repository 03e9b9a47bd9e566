package recent

import (
	"math/bits"
	"time"
)

// TookLength is how many numbers a Took of [Minute] has at most.
const TookLength = 4 * 22

// A histogram counts times by four buckets for each power of two microseconds, so a quantile
// of it is at most an eighth off. What takes longer than about four seconds is in the last.
type histogram [TookLength]uint64

// bucketOf returns the bucket of a time: its leading bit, and the two that follow.
func bucketOf(took time.Duration) int {
	us := uint64(max(took.Microseconds(), 0))
	if us < 4 {
		return int(us)
	}
	leading := bits.Len64(us) - 1
	return min(4*(leading-1)+int(us>>(leading-2)&3), len(histogram{})-1)
}

// boundOf returns the least time of the bucket.
func boundOf(bucket int) time.Duration {
	if bucket < 4 {
		return time.Duration(bucket) * time.Microsecond
	}
	return time.Duration(4+bucket%4) << (bucket/4 - 1) * time.Microsecond
}
