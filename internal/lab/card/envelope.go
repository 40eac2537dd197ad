package card

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/sms"
)

const (
	// partsLifetime is how long a card waits for the missing parts of a message.
	partsLifetime = 5 * time.Minute
	// partsCap bounds the parts of one sender: one message of maximum length, and a
	// few parts of another.
	partsCap = 8
	// maxParts bounds the parts of all senders, because one can pretend to be many.
	maxParts = 32
	// maxPostponed bounds the messages that a busy card keeps.
	maxPostponed = 4
)

// envelope handles ENVELOPE (SMS-PP DOWNLOAD), 3GPP TS 31.111, clause 7.1: an SMS that
// the phone passes on to the card. Data in the answer are the user data of the delivery
// report, with their header.
func (c *Card) envelope(a apdu) ([]byte, uint16) {
	if len(a.data) == 0 || a.data[0] != tagDownload {
		return nil, swIncorrectData
	}
	body, rest, ok := cutValue(a.data[1:])
	if !ok || len(rest) > 0 {
		return nil, swIncorrectData
	}
	o, ok := parseObjects(body)
	if !ok {
		return nil, swIncorrectData
	}
	devices, _ := o.find(tagDevices)
	tpdu, ok := o.find(tagSMS)
	if !ok || !bytes.Equal(devices, []byte{deviceNetwork, deviceCard}) {
		return nil, swIncorrectData
	}
	d, err := sms.ParseDeliver(tpdu)
	if err != nil || !d.UDHI || d.From.TON == sms.TONAlphanumeric {
		return nil, swIncorrectData
	}
	c.tick()
	return c.download(d)
}

// download reassembles a message and handles it once it is complete.
func (c *Card) download(d *sms.Deliver) ([]byte, uint16) {
	now := c.now()
	source := string([]byte{d.From.TON, d.From.NPI}) + d.From.Digits
	name := sha256.Sum256(append([]byte(source+"\x00"), d.UD...))
	m, whole := c.postponed(name, now)
	if !whole {
		if c.parts.Len() >= maxParts {
			c.parts = sms.NewReassembler(partsLifetime, partsCap)
		}
		var err error
		if m, whole, err = c.parts.Add(now, source, d.UD); err != nil {
			return nil, swIncorrectData
		}
	}
	switch {
	case !whole:
		return nil, c.pending()
	case m.IEI != sms.IEICommand:
		return nil, swIncorrectData
	}
	data, sw := c.command(d.From, m.Packet)
	if sw == swToolkitBusy {
		c.postpone(name, m, now)
	}
	return data, sw
}

// postponed is a message that arrived while the card was busy. The network repeats
// only its last part, the one that the card refused.
type postponed struct {
	name    [sha256.Size]byte // of the last part
	message sms.Message
	forget  time.Time
}

func (c *Card) postpone(name [sha256.Size]byte, m sms.Message, now time.Time) {
	if len(c.put) == maxPostponed {
		c.put = slices.Delete(c.put, 0, 1)
	}
	c.put = append(c.put, postponed{name, m, now.Add(partsLifetime)})
}

// postponed returns and removes the message with this last part.
func (c *Card) postponed(name [sha256.Size]byte, now time.Time) (sms.Message, bool) {
	c.put = slices.DeleteFunc(c.put, func(p postponed) bool { return !now.Before(p.forget) })
	i := slices.IndexFunc(c.put, func(p postponed) bool { return p.name == name })
	if i < 0 {
		return sms.Message{}, false
	}
	m := c.put[i].message
	c.put = slices.Delete(c.put, i, i+1)
	return m, true
}
