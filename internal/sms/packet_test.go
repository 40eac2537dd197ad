package sms

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

// packetOf returns a packet of n octets, each different from its neighbours.
func packetOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func TestSplitPacket(t *testing.T) {
	for _, tt := range []struct {
		size  int
		sizes []int // of the user data
	}{
		{1, []int{4}},
		{136, []int{139}},
		{137, []int{140}},
		{138, []int{140, 6 + 6}},
		{266, []int{140, 140}},
		{267, []int{140, 140, 6 + 1}},
		{400, []int{140, 140, 140}},
		{401, []int{140, 140, 140, 7}},
	} {
		packet := packetOf(tt.size)
		parts, err := SplitPacket(packet, IEICommand, 0xfe)
		if err != nil {
			t.Fatal(err)
		}
		var sizes []int
		r := NewReassembler(time.Minute, 10)
		for i, part := range parts {
			sizes = append(sizes, len(part))
			m, ok, err := r.Add(time.Time{}, "1", part)
			if err != nil || ok != (i == len(parts)-1) {
				t.Fatalf("%d: part %d: %t, %v", tt.size, i+1, ok, err)
			}
			if ok && (m.IEI != IEICommand || !bytes.Equal(m.Packet, packet)) {
				t.Errorf("%d: reassembled %02X %x", tt.size, m.IEI, m.Packet)
			}
		}
		if !slices.Equal(sizes, tt.sizes) {
			t.Errorf("%d: parts of %v", tt.size, sizes)
		}
	}
}

func TestSplitPacketHeaders(t *testing.T) {
	parts, err := SplitPacket(packetOf(300), IEIResponse, 0xab)
	if err != nil || len(parts) != 3 {
		t.Fatal(len(parts), err)
	}
	for i, want := range [][]byte{
		{7, 0, 3, 0xab, 3, 1, 0x71, 0},
		{5, 0, 3, 0xab, 3, 2},
		{5, 0, 3, 0xab, 3, 3},
	} {
		if !bytes.HasPrefix(parts[i], want) {
			t.Errorf("part %d begins %x", i+1, parts[i][:8])
		}
	}
	if parts, err := SplitPacket([]byte{9}, IEIResponse, 0xab); err != nil || !bytes.Equal(parts[0], []byte{2, 0x71, 0, 9}) {
		t.Errorf("%x, %v", parts, err)
	}
	if parts, err := SplitPacket(packetOf(MaxPacket), IEICommand, 0); err != nil || len(parts) != 255 || len(parts[254]) != 140 {
		t.Errorf("%d parts, %v", len(parts), err)
	}
	for _, n := range []int{0, MaxPacket + 1} {
		if _, err := SplitPacket(packetOf(n), IEICommand, 0); err == nil {
			t.Errorf("%d octets are taken", n)
		}
	}
}
