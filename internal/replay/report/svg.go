package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// The plots are SVG with the page's classes for colours, so they are light, dark and
// printable with it. Coordinates have one digit behind the point.

const (
	width, height = 720, 240
	left, bottom  = 64, 36 // for the axes
	top, right    = 28, 12
)

// A plot draws lines in a box with two axes.
type plot struct {
	strings.Builder
	maxX, maxY float64
}

// newPlot begins a plot. The title is what a screen reader hears.
func newPlot(title, labelX, labelY string, maxX, maxY float64) *plot {
	p := &plot{maxX: nice(maxX), maxY: nice(maxY)}
	fmt.Fprintf(p, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, width, height, template.HTMLEscapeString(title))
	for i := range 5 {
		y := p.y(p.maxY * float64(i) / 4)
		fmt.Fprintf(p, `<line class="grid" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/><text class="mark end" x="%d" y="%.1f">%s</text>`, left, y, width-right, y, left-6, y+4, short(p.maxY*float64(i)/4))
	}
	fmt.Fprintf(p, `<text class="mark end" x="%d" y="%d">%s</text>`, width-right, height-4, template.HTMLEscapeString(labelX))
	fmt.Fprintf(p, `<text class="mark" x="%d" y="%d">%s</text>`, 0, 12, template.HTMLEscapeString(labelY))
	return p
}

func (p *plot) x(v float64) float64 { return left + v/p.maxX*(width-left-right) }
func (p *plot) y(v float64) float64 { return height - bottom - v/p.maxY*(height-top-bottom) }

// markX writes a text below the axis.
func (p *plot) markX(v float64, text string) {
	fmt.Fprintf(p, `<text class="mark middle" x="%.1f" y="%d">%s</text>`, p.x(v), height-bottom+16, template.HTMLEscapeString(text))
}

// line draws points, and lines between them. Each point says what it is when it is pointed at.
func (p *plot) line(class string, points []point) {
	fmt.Fprintf(p, `<polyline class="line %s" points="`, class)
	for _, q := range points {
		fmt.Fprintf(p, "%.1f,%.1f ", p.x(q.x), p.y(q.y))
	}
	p.WriteString(`"/>`)
	for _, q := range points {
		fmt.Fprintf(p, `<circle class="%s" cx="%.1f" cy="%.1f" r="3.5"><title>%s</title></circle>`, class, p.x(q.x), p.y(q.y), template.HTMLEscapeString(q.name))
	}
}

type point struct {
	x, y float64
	name string
}

// bar draws a bar from the axis, the i-th of n.
func (p *plot) bar(class string, i, n int, from, to float64, name string) {
	wide := float64(width-left-right) / float64(n)
	gap := min(2, wide/5)
	fmt.Fprintf(p, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`,
		class, left+float64(i)*wide, p.y(to), wide-gap, p.y(from)-p.y(to), template.HTMLEscapeString(name))
}

// html ends the plot.
func (p *plot) html() template.HTML { return template.HTML(p.String() + "</svg>") }

// nice is the least of 1, 2, 4, 6, 8 and 10 times a power of ten that is at least v.
func nice(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 4, 6, 8} {
		if v <= m*power {
			return m * power
		}
	}
	return 10 * power
}

// short is a number with at most three digits.
func short(v float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= unit.size {
			return fmt.Sprintf("%.4g%s", v/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%.3g", v)
}
