package sms

import "errors"

// Room for a secured packet, in octets (TS 31.115, clause 4): in a message of its
// own, in the first part of several, in the later parts.
const (
	roomSingle = MaxUserData - 3
	roomFirst  = MaxUserData - 8
	roomLater  = MaxUserData - 6
)

// MaxPacket is the longest packet that can be split, in octets.
const MaxPacket = roomFirst + 254*roomLater

// SplitPacket makes the user data of a secured packet, each with its header and
// at most 140 octets: one message up to 137 octets, else parts of 132 and then
// 134 octets. The element iei (IEICommand, IEIResponse) is in the first one only.
func SplitPacket(packet []byte, iei byte, ref byte) ([][]byte, error) {
	switch {
	case len(packet) == 0:
		return nil, errors.New("sms: there is no packet to split")
	case len(packet) > MaxPacket:
		return nil, errors.New("sms: the packet is too long for 255 parts")
	case len(packet) <= roomSingle:
		return [][]byte{append(Header{{ID: iei}}.Append(nil), packet...)}, nil
	}
	total := 1 + (len(packet)-roomFirst+roomLater-1)/roomLater
	parts := make([][]byte, 0, total)
	for seq := 1; seq <= total; seq++ {
		h := Header{Concat{Ref: uint16(ref), Total: byte(total), Seq: byte(seq)}.Element()}
		room := roomLater
		if seq == 1 {
			h = append(h, Element{ID: iei})
			room = roomFirst
		}
		n := min(room, len(packet))
		parts = append(parts, append(h.Append(nil), packet[:n]...))
		packet = packet[n:]
	}
	return parts, nil
}
