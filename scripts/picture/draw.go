package main

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"time"
)

// The screen, in columns and rows, and the size of one of its cells in pixels.
const (
	columns, rows       = 80, 30
	cellWidth, rowPitch = 8.4, 19
	margin, bar         = 16, 34
)

// Pauses that a reader makes.
const (
	keyPress  = 28 * time.Millisecond
	beforeKey = 900 * time.Millisecond
	afterKey  = 250 * time.Millisecond
	toRead    = 1800 * time.Millisecond
)

// row is a line as it stands on the screen, which wraps what is longer than it is wide.
type row struct {
	at      time.Duration // when it appears
	text    string
	command bool
	took    time.Duration // of a command: how long it took
}

// play says when each line appears: a command after it was typed, its output as it was
// recorded.
func play(lines []line) (screen []row, end time.Duration) {
	var begin time.Duration
	for _, l := range lines {
		at := begin + l.at
		if l.command() {
			if len(screen) > 0 {
				end += toRead
			}
			at = end + beforeKey
			begin = at + time.Duration(len(l.text))*keyPress + afterKey
		}
		if n := len(screen); n > 0 {
			at = max(at, screen[n-1].at) // a line that was recorded early does not appear before those above it
		}
		for i, part := range wrap(l.text) {
			r := row{at: at, text: part, command: l.command() && i == 0}
			if r.command {
				r.took = l.at
			}
			screen = append(screen, r)
		}
		end = max(end, at, begin)
	}
	return screen, end
}

func wrap(text string) (parts []string) {
	cells := []rune(text)
	for len(cells) > columns {
		parts, cells = append(parts, string(cells[:columns])), cells[columns:]
	}
	return append(parts, string(cells))
}

// styles give the parts of a line their colour. The first pattern that matches counts, and
// its groups are coloured.
var styles = []struct {
	pattern *regexp.Regexp
	class   string
}{
	{regexp.MustCompile(`^ *\d+ ms  AP +(VERIFIED.*)`), "good"},
	{regexp.MustCompile(`^(Verified) +(yes)`), "good"},
	{regexp.MustCompile(`^(ready https://\S+)`), "good"},
	{regexp.MustCompile(`^signum: (\d{3} \w+)`), "bad"},
	{regexp.MustCompile(`^( *\d+ ms)`), "dim"},
	{regexp.MustCompile(`^(Example \d.*|Signum sandbox.*)`), "strong"},
}

// paint returns a line as SVG text.
func paint(text string) string {
	for _, s := range styles {
		m := s.pattern.FindStringSubmatchIndex(text)
		if m == nil {
			continue
		}
		var b strings.Builder
		from := 0
		for g := 2; g < len(m); g += 2 {
			fmt.Fprintf(&b, `%s<tspan class="%s">%s</tspan>`, html.EscapeString(text[from:m[g]]), s.class, html.EscapeString(text[m[g]:m[g+1]]))
			from = m[g+1]
		}
		return b.String() + html.EscapeString(text[from:])
	}
	return html.EscapeString(text)
}

// draw returns the picture.
func draw(lines []line) string {
	screen, end := play(lines)
	var b strings.Builder
	width, height := 2*margin+columns*cellWidth, float64(bar+rows*rowPitch+margin)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img">
<title>A terminal: a sandbox starts, a user signs, and a user refuses</title>
<style>%s%s</style>
<rect class="screen" x="0.5" y="0.5" width="%.0f" height="%.0f" rx="8"/>
<circle cx="20" cy="18" r="5" fill="#ff5f57"/><circle cx="38" cy="18" r="5" fill="#febc2e"/><circle cx="56" cy="18" r="5" fill="#28c840"/>
<svg x="%d" y="%d" width="%.0f" height="%d"><g class="roll">
`, width, height, width, height, css, roll(screen, end), width-1, height-1, margin, bar, columns*cellWidth+2, rows*rowPitch)
	for i, r := range screen {
		b.WriteString(r.svg(i))
	}
	b.WriteString("</g></svg>\n</svg>\n")
	return b.String()
}

// svg draws the row in its place.
func (r row) svg(place int) string {
	if r.text == "" {
		return ""
	}
	y := float64(place*rowPitch) + 14
	cells := len([]rune(r.text))
	body := paint(r.text)
	after := ""
	if r.command {
		typed := r.text[len(prompt):]
		class := "typed"
		if strings.HasPrefix(typed, "#") {
			class = "dim"
		}
		body = fmt.Sprintf(`<tspan class="good">$</tspan> <tspan class="%s">%s</tspan>`, class, html.EscapeString(typed))
		// A cover that shrinks key by key.
		keys := len([]rune(typed))
		after = fmt.Sprintf(`<rect class="cover" x="%.1f" y="%d" width="%.1f" height="%d" style="animation:type %.2fs steps(%d) %.2fs both"/>`,
			2*cellWidth, place*rowPitch, float64(keys)*cellWidth+1, rowPitch, (time.Duration(keys) * keyPress).Seconds(), keys, r.at.Seconds())
		if r.took > 0 {
			took := fmt.Sprintf("%.2f s", r.took.Seconds())
			after += fmt.Sprintf(`<text class="dim" text-anchor="end" x="%.1f" y="%.0f" style="animation:show 1ms %.2fs both">%s</text>`,
				columns*cellWidth, y, (r.at + time.Duration(len(r.text))*keyPress + afterKey + r.took).Seconds(), took)
		}
	}
	return fmt.Sprintf(`<text x="0" y="%.0f" textLength="%.1f" style="animation:show 1ms %.2fs both">%s</text>%s`+"\n",
		y, float64(cells)*cellWidth, r.at.Seconds(), body, after)
}

// roll moves the lines up when the screen is full.
func roll(screen []row, end time.Duration) string {
	last := max(0, len(screen)-rows)
	var b strings.Builder
	fmt.Fprintf(&b, ".roll{transform:translateY(-%dpx);animation:roll %.2fs step-end forwards}\n@keyframes roll{0%%{transform:none}", last*rowPitch, end.Seconds())
	for i := rows; i < len(screen); i++ {
		if i+1 < len(screen) && screen[i+1].at == screen[i].at {
			continue
		}
		fmt.Fprintf(&b, "%.3f%%{transform:translateY(-%dpx)}", 100*screen[i].at.Seconds()/end.Seconds(), (i+1-rows)*rowPitch)
	}
	fmt.Fprintf(&b, "100%%{transform:translateY(-%dpx)}}\n", last*rowPitch)
	return b.String()
}

const css = `
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace;fill:#d6deeb;white-space:pre}
.screen{fill:#0d1420;stroke:#3a475c}
.cover{fill:#0d1420;transform:scaleX(0);transform-box:fill-box;transform-origin:right}
.good{fill:#7ee787}.bad{fill:#ff9d8a}.dim{fill:#8b98ab}.strong,.typed{fill:#fff;font-weight:600}
@keyframes show{from{visibility:hidden}to{visibility:visible}}
@keyframes type{from{transform:none}to{transform:scaleX(0)}}
@media (prefers-reduced-motion:reduce){*{animation:none!important}}
`
