package storetest

import "testing"

// Numbers are listed in pages, in order, and no page is empty before the end.
func testNumbers(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	var want []string
	for n := range 5 {
		sub := subscriber(n)
		want = append(want, sub.MSISDN)
		must(t, s.PutSubscriber(ctx, sub))
	}
	var got []string
	for after, more := "", true; more; {
		page, err := s.Numbers(ctx, after, 2)
		must(t, err)
		got = append(got, page...)
		if more = len(page) == 2; more {
			after = page[1]
		}
	}
	same(t, want, got)
	for _, after := range []string{"\xff", "a\x00", want[4]} {
		page, err := s.Numbers(ctx, after, 2)
		must(t, err)
		same(t, []string(nil), page)
	}
	page, err := s.Numbers(ctx, "", 0)
	must(t, err)
	same(t, []string(nil), page)
}
