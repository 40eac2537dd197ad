package visible

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func TestCheck(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"ASCII", "Bank: pay 100.00 CHF to Alice?", ""},
		{"Latin, Greek, Cyrillic, Chinese", "Zürich, Ελλάδα, Москва, 中文, ﷽", ""},
		{"tab and line breaks", "a\tb\nc\r\nd\re\ff", ""},
		{"decomposed letters", "e\u0301a\u0302\u0301", ""},
		{"Burmese with four marks", "လျှို့ဝှက်", ""},
		{"Tibetan, Thai", "བསྒྲུབས ที่นี่", ""},

		{"null", "a\x00b", "a character that no phone can show: U+0000 at position 2"},
		{"vertical tab", "\v", "a character that no phone can show: U+000B at position 1"},
		{"next line", "ab\u0085", "a character that no phone can show: U+0085 at position 3"},
		{"position in characters", "äöü😀\u200bx", "a character that no phone can show: U+200B at position 5"},
		{"invalid UTF-8", "a\xffb", "a character that no phone can show: U+FFFD at position 2"},
		{"half a pair in UTF-8", "\xed\xa0\x80", "a character that no phone can show: U+FFFD at position 1"},
		{"replacement character", "\ufffd", "a character that no phone can show: U+FFFD at position 1"},
		{"object", "\ufffc", "a character that no phone can show: U+FFFC at position 1"},

		{"four marks", "a\u0300\u0301\u0302\u0303", ""},
		{"five marks", "a\u0300\u0301\u0302\u0303\u0304", "too many marks on one character: U+0304 at position 6"},
		{"five marks around a joiner", "क\u0300\u0301\u0303\u094d\u200d\u0302", "too many marks on one character: U+0302 at position 7"},
		{"enclosing marks count", "a\u20dd\u0301\u20de\u0302\u20df", "too many marks on one character: U+20DF at position 6"},
		{"the same mark twice", "a\u0301\u0301", "the same mark twice in a row: U+0301 at position 3"},
		{"the same mark on two letters", "a\u0301a\u0301", ""},
		{"the same mark around another", "a\u0301\u0302\u0301", ""},
		{"Vietnamese, Greek", "Nguyễn ế ệ ữ ặ, ᾧ ΐ", ""},
		{"Vietnamese, decomposed", "e\u0302\u0301 e\u0323\u0302 u\u031b\u0303", ""},
		{"the same mark on a composed letter", "\u00e9\u0301", "the same mark twice in a row: U+0301 at position 2"},
		{"the same mark, composed twice", "\u1ebf\u0301", "the same mark twice in a row: U+0301 at position 2"},
		{"the same mark under another code point", "a\u0301\u0341", "the same mark twice in a row: U+0341 at position 3"},
		{"a mark that is two", "a\u0308\u0344", "the same mark twice in a row: U+0344 at position 3"},
		{"the same mark after one in another place", "\u00e9\u0323\u0301", "the same mark twice in a row: U+0301 at position 3"},
		{"a mark of a letter with several parts", "\u0cbf\u0cc0", "the same mark twice in a row: U+0CC0 at position 2"},
		{"four marks, two of them composed", "\u1ebf\u0300\u0303", ""},
		{"five marks, two of them composed", "\u1ebf\u0300\u0303\u0304", "too many marks on one character: U+0304 at position 4"},
		{"the same mark around another, composed", "\u00e9\u0302\u0301", ""},
		{"marks on each of two lines", "a\u0300\u0301\u0302\u0303\n\u0300\u0301\u0302\u0303", ""},

		{"three line breaks", "a\n\n\nb", ""},
		{"four line breaks", "a\n\n\n\nb", "more than three line breaks in a row: U+000A at position 5"},
		{"CR LF is one", "a\r\n\r\n\r\nb", ""},
		{"CR LF four times", "a\r\n\r\n\r\n\r\nb", "more than three line breaks in a row: U+000D at position 8"},
		{"all kinds", "a\n\f\r\r\nb", "more than three line breaks in a row: U+000D at position 5"},
		{"blank lines", "a\n \n\t\n\u00a0\u3000\u2800\nb", "more than three line breaks in a row: U+000A at position 10"},
		{"lines with a mark only", "a\n\u0301\n\u0302\n\u0303\nb", "more than three line breaks in a row: U+000A at position 8"},
		{"at the beginning", "\n\n\n\nb", "more than three line breaks in a row: U+000A at position 4"},
		{"at the end", "b\n\n\n\n", "more than three line breaks in a row: U+000A at position 5"},
		{"lines that show something", strings.Repeat("a\n\n\n", 20), ""},

		{"emoji", "👍🏽 🇨🇭 😀", ""},
		{"emoji with a selector", "❤️ ☎️ ©️", ""},
		{"emoji with joiners", "👨\u200d👩\u200d👧\u200d👦 👩🏽\u200d💻 🏳️\u200d🌈 🧑🏻\u200d❤️\u200d💋\u200d🧑🏿", ""},
		{"keycap", "1️⃣ #️⃣", ""},
		{"selector on a letter", "a\ufe0f", "a character that no phone can show: U+FE0F at position 2"},
		{"selector on a digit without keycap", "1\ufe0f", "a character that no phone can show: U+FE0F at position 2"},
		{"selector twice", "❤\ufe0f\ufe0f", "a character that no phone can show: U+FE0F at position 3"},
		{"text selector", "❤\ufe0e", "a character that no phone can show: U+FE0E at position 2"},
		{"joiner between letters", "a\u200db", "a character that no phone can show: U+200D at position 2"},
		{"joiner between emoji that do not join", "👍\u200d👎", "a character that no phone can show: U+200D at position 2"},
		{"joiner after an emoji", "👨\u200d", "a character that no phone can show: U+200D at position 2"},
		{"joiner after a sequence", "👨\u200d💻\u200d💻", "a character that no phone can show: U+200D at position 4"},
		{"flag with tags", "🏴\U000e0067\U000e007f", "a character that no phone can show: U+E0067 at position 2"},

		{"joiners after a virama", "क\u094d\u200dष क\u094d\u200cष", ""},
		{"joiner at the beginning", "\u200dक", "a character that no phone can show: U+200D at position 1"},
		{"joiner after a vowel", "का\u200d", "a character that no phone can show: U+200D at position 3"},
		{"non-joiner in Persian", "می\u200cخواهم", ""},
		{"non-joiner across a mark", "ب\u064e\u200c\u064fب", ""},
		{"non-joiner at the end", "می\u200c", "a character that no phone can show: U+200C at position 3"},
		{"non-joiner where nothing joins", "د\u200cخ", "a character that no phone can show: U+200C at position 2"},
		{"non-joiner in Latin", "a\u200cb", "a character that no phone can show: U+200C at position 2"},
		{"two non-joiners", "می\u200c\u200cخ", "a character that no phone can show: U+200C at position 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := Check(test.text); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("Check(%+q) = %q, want %q", test.text, got, test.want)
			}
		})
	}
}

// TestComposedMarks: a text and its composed form, which looks the same, have the same
// verdict.
func TestComposedMarks(t *testing.T) {
	for r := range rune(utf8.MaxRune + 1) {
		d := []rune(norm.NFD.String(string(r)))
		last := d[len(d)-1]
		if d[0] == r || classOf(last)&mark == 0 {
			continue
		}
		if err := Check(string(r)); err != nil {
			t.Errorf("%U: %v", r, err)
		}
		if err := Check(string(r) + string(last)); err == nil || !strings.HasPrefix(err.Error(), sameMark) {
			t.Errorf("%U and %U: %v", r, last, err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.StringOfN(rapid.SampledFrom([]rune("aeéếᾧ가\u0301\u0302\u0323\u0344\u0345\u0cc6\u0ccbक\u094d\n")), 1, 8, -1).Draw(rt, "text")
		composed, decomposed := Check(norm.NFC.String(s)), Check(norm.NFD.String(s))
		if (Check(s) == nil) != (decomposed == nil) || (composed == nil) != (decomposed == nil) {
			rt.Fatalf("%+q: %v, composed %v, decomposed %v", s, Check(s), composed, decomposed)
		}
	})
}

// TestEmojiSequences checks that every RGI sequence is accepted, and none with another
// joiner or selector at its end.
func TestEmojiSequences(t *testing.T) {
	eachLine(t, "ucd/emoji.txt", func(line string) {
		var s string
		for f := range strings.FieldsSeq(line) {
			s += string(codePoint(t, f))
		}
		if err := Check("x" + s + "x"); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if Check(s+"\u200d") == nil || Check(s+"\ufe0f") == nil {
			t.Errorf("%s: more is accepted", line)
		}
	})
}

func TestRefused(t *testing.T) {
	for r, want := range map[rune]bool{'a': false, 'ä': false, '\n': false, '\x00': true, '\u202e': true, '\u200d': true, '\ufe0f': true} {
		if Refused(r) != want {
			t.Errorf("Refused(%U) = %v", r, !want)
		}
	}
}

func TestRuns(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"abc 12":                   "abc 12",
		"12 שלום עולם - 30":        "12 |<שלום עולם>| - 30",
		"שלום, עולם!":              "<שלום>|, |<עולם>|!",
		"ש ":                       "<ש>| ",
		"אב\u05b0ג":                "<אב\u05b0ג>",
		"می\u200cخواهم 5":          "<می\u200cخواهم>| 5",
		"ب١٢ب":                     "<ب>|١٢|<ب>", // Arabic digits
		"א\nב":                     "<א>|\n|<ב>",
		"a\r\nb\rc\fd":             "a\nb\nc\nd",
		"\u0301א":                  "\u0301|<א>",
		"א \u0301ב":                "<א>| \u0301|<ב>",
		"\u07ca\u07c1\u07c2\u07ca": "<\u07ca>|\u07c1\u07c2|<\u07ca>", // N'Ko digits are right-to-left
		"א־ב":                      "<א>|־|<ב>",                      // maqaf, a sign
	} {
		var got []string
		for _, r := range Runs(text) {
			if r.RightToLeft {
				r.Text = "<" + r.Text + ">"
			}
			got = append(got, r.Text)
		}
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("Runs(%q) = %q, want %q", text, s, want)
		}
	}
}

// FuzzCheck looks for texts that are accepted although a character of them is refused
// everywhere, or in which much lies between two visible characters.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{"", "Bank: ok?", "a\u200db", "👨\u200d👩\u200d👧\u200d👦", "می\u200cخواهم", "a\n\n\n\nb", "a\u0301\u0301", "1️⃣", "a\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := Check(s)
		var p *Problem
		if err != nil {
			if !errors.As(err, &p) || p.Position < 1 || p.Position > utf8.RuneCountInString(s) {
				t.Fatalf("%v", err)
			}
			if r := []rune(s)[p.Position-1]; r != p.Rune || !Refused(r) && classOf(r)&mark == 0 && !strings.ContainsRune("\n\r\f", r) {
				t.Fatalf("%v, but there is %U", p, r)
			}
			return
		}
		checkInvariants(t, s)
	})
}

// checkInvariants checks an accepted text in another way than Check does.
func checkInvariants(t *testing.T, s string) {
	if !utf8.ValidString(s) {
		t.Fatalf("%q is accepted", s)
	}
	marks, breaks := 0, 0
	var joined strings.Builder
	for _, r := range strings.ReplaceAll(s, "\r\n", "\n") {
		c := classOf(r)
		switch {
		case r == zwj || r == zwnj || r == emojiForm:
		case c&refused != 0:
			t.Fatalf("%+q is accepted with %U", s, r)
		case c&mark != 0:
			marks++
		case strings.ContainsRune("\n\r\f", r):
			breaks++
			marks = 0
		default:
			marks = 0
			if c&blank == 0 {
				breaks = 0
			}
		}
		if marks > 5 || breaks > maxBreaks { // a keycap is one mark more
			t.Fatalf("%+q is accepted with %d marks, %d line breaks", s, marks, breaks)
		}
	}
	for _, r := range Runs(s) {
		joined.WriteString(r.Text)
		if first, _ := utf8.DecodeRuneInString(r.Text); r.RightToLeft != (classOf(first)&rightToLeft != 0) {
			t.Fatalf("%+q begins a run of %+q", first, s)
		}
	}
	if joined.String() != lineFeeds.Replace(s) {
		t.Fatalf("the runs of %+q are another text: %+q", s, joined.String())
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	for _, s := range []string{benchASCII, benchUnicode} {
		if n := testing.AllocsPerRun(100, func() { _ = Check(s) }); n != 0 {
			t.Errorf("%v allocations for %q", n, s)
		}
	}
}

var (
	benchASCII   = "Bank: " + strings.Repeat("pay 100.00 CHF to Alice? ", 9)
	benchUnicode = "Zürich: " + strings.Repeat("Überweisung für Łukasz 👩🏽\u200d💻 ", 4)
)

func BenchmarkCheck(b *testing.B) {
	for name, s := range map[string]string{"ASCII": benchASCII, "Unicode": benchUnicode} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = Check(s)
			}
		})
	}
}
