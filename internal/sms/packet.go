package sms

import "errors"

// Room for a secured packet, in octets (TS 31.115, clause 4): in a single message,
// in the first part of several, and in later parts.
const (
	roomSingle = MaxUserData - 3
	roomFirst  = MaxUserData - 8
	roomLater  = MaxUserData - 6
)

// MaxPacket is the length of the longest packet that can be split, in octets.
const MaxPacket = roomFirst + 254*roomLater

// Parts returns how many messages carry a packet of n octets.
func Parts(n int) int {
	if n <= roomSingle {
		return 1
	}
	return 1 + (n-roomFirst+roomLater-1)/roomLater
}

// SplitPacket returns the user data that carries a secured packet, at most 140
// octets each, header included. Up to 137 octets of packet fit a single message;
// otherwise the first part has 132 octets of it, the later ones 134. Only the first
// part has the element iei (IEICommand, IEIResponse).
func SplitPacket(packet []byte, iei byte, ref byte) ([][]byte, error) {
	switch {
	case len(packet) == 0:
		return nil, errors.New("sms: the packet is empty")
	case len(packet) > MaxPacket:
		return nil, errors.New("sms: the packet is too long for 255 parts")
	}
	total := Parts(len(packet))
	if total == 1 {
		return [][]byte{append(Header{{ID: iei}}.Append(nil), packet...)}, nil
	}
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
