package callers

import (
	"strconv"

	"fraudcheck/internal/velocity"
)

// reached lists the reasons; those that are rules with the count and what it is over.
func reached(d *velocity.Decision) string {
	var b []byte
	for _, reason := range d.Reasons {
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = append(b, reason...)
		for i := range d.Rules {
			r := &d.Rules[i]
			if r.Rule.Name != reason {
				continue
			}
			over := r.Rule.BlockOver
			if r.Outcome == velocity.Review {
				over = r.Rule.ReviewOver
			}
			b = strconv.AppendInt(append(b, '='), int64(r.Count), 10)
			b = strconv.AppendInt(append(b, '>'), int64(over), 10)
		}
	}
	return string(b)
}
