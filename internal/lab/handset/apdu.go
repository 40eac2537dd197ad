package handset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// This file encodes the APDUs of a handset and decodes the commands of a card (ETSI TS
// 102 221, TS 102 223; 3GPP TS 31.111). It knows neither users nor the network.

// Class and instructions of the APDUs.
const (
	claToolkit          = 0x80
	insTerminalProfile  = 0x10
	insFetch            = 0x12
	insTerminalResponse = 0x14
	insEnvelope         = 0xc2
)

// Status words.
const (
	swOK          = 0x9000
	swToolkitBusy = 0x9300
	swNothing     = 0x6f00 // stands for the missing status word of an answer
)

// Proactive commands (TS 102 223, clause 9.4).
const (
	cmdDisplayText = 0x21
	cmdGetInput    = 0x23
	cmdSendSM      = 0x13
)

// General results (TS 102 223, clause 8.12).
const (
	resultOK              = 0x00
	resultEnded           = 0x10 // proactive session terminated by the user
	resultBack            = 0x11
	resultNoResponse      = 0x12
	resultNetworkUnable   = 0x21 // with the cause 0: none in particular
	resultBeyond          = 0x30 // beyond the terminal's capabilities
	resultNotUnderstood   = 0x32 // command data not understood
	resultRequiredMissing = 0x36
)

// Tags without the comprehension bit (TS 102 223, clause 9.3).
const (
	tagDetails        = 0x01
	tagDevices        = 0x02
	tagResult         = 0x03
	tagDuration       = 0x04
	tagAddress        = 0x06
	tagTPDU           = 0x0b
	tagText           = 0x0d
	tagResponseLength = 0x11

	comprehension = 0x80

	tagProactive = 0xd0
	tagDownload  = 0xd1 // SMS-PP data download
)

// Device identities.
const (
	deviceCard    = 0x81
	deviceHandset = 0x82
	deviceNetwork = 0x83
)

// profile is the TERMINAL PROFILE (TS 102 223, clause 5.2): profile download,
// SMS-PP data download, command result, UCS2 entry and display, DISPLAY TEXT,
// GET INPUT and SEND SHORT MESSAGE.
var profile = []byte{0x13, 0xe1, 0x05, 0x02}

// apdu returns a command with data of less than 256 octets.
func apdu(ins byte, data []byte) []byte {
	return append([]byte{claToolkit, ins, 0, 0, byte(len(data))}, data...)
}

// fetchAPDU fetches a command of n octets; 256 is encoded as 0.
func fetchAPDU(n int) []byte { return []byte{claToolkit, insFetch, 0, 0, byte(n)} }

// splitAnswer splits an answer into data and status word.
func splitAnswer(answer []byte) (data []byte, sw uint16) {
	n := len(answer) - 2
	if n < 0 {
		return nil, swNothing
	}
	return answer[:n], binary.BigEndian.Uint16(answer[n:])
}

// appendTLV appends a BER-TLV with a value of up to 255 octets.
func appendTLV(b []byte, tag byte, value ...byte) []byte {
	b = append(b, tag)
	if len(value) > 0x7f {
		b = append(b, 0x81)
	}
	return append(append(b, byte(len(value))), value...)
}

// envelope returns the ENVELOPE (SMS-PP DOWNLOAD) of an SMS-DELIVER (TS 31.111, clause
// 7.1.1.2). The service centre is an address as in an RP header.
func envelope(centre, tpdu []byte) ([]byte, error) {
	var b []byte
	b = appendTLV(b, tagDevices|comprehension, deviceNetwork, deviceCard)
	b = appendTLV(b, tagAddress, centre...)
	b = appendTLV(b, tagTPDU|comprehension, tpdu...)
	if len(b) > 250 {
		return nil, fmt.Errorf("an SMS-DELIVER of %d octets is too long", len(tpdu))
	}
	return apdu(insEnvelope, appendTLV(nil, tagDownload, b...)), nil
}

// header is the part of a command that its response repeats.
type header struct{ number, kind, qualifier byte }

// command is a proactive command. Its slices share memory with the answer to FETCH.
type command struct {
	header
	text     []byte        // DISPLAY TEXT, GET INPUT: with its DCS in front
	min, max int           // GET INPUT: characters; max is 255 for no limit
	duration time.Duration // 0: none given
	tpdu     []byte        // SEND SHORT MESSAGE
}

var errMalformed = errors.New("malformed proactive command")

// parseCommand decodes a proactive command (D0 …). The error is errMalformed; details
// reports whether the command can be answered even so.
func parseCommand(b []byte) (c command, details bool, err error) {
	tag, body, rest, ok := nextTLV(b)
	if !ok || tag != tagProactive || len(rest) > 0 {
		return c, false, errMalformed
	}
	for len(body) > 0 {
		var value []byte
		if tag, value, body, ok = nextTLV(body); !ok {
			return c, details, errMalformed
		}
		switch tag &^ comprehension {
		case tagDetails:
			if len(value) != 3 {
				return c, details, errMalformed
			}
			c.number, c.kind, c.qualifier = value[0], value[1], value[2]
			details = true
		case tagText:
			c.text = value
		case tagTPDU:
			c.tpdu = value
		case tagResponseLength:
			if len(value) != 2 {
				return c, details, errMalformed
			}
			c.min, c.max = int(value[0]), int(value[1])
		case tagDuration:
			if c.duration, ok = parseDuration(value); !ok {
				return c, details, errMalformed
			}
		}
	}
	if !details {
		return c, false, errMalformed
	}
	return c, true, nil
}

// nextTLV returns the first TLV of b, with a tag of one octet and a length of one, two or
// three octets.
func nextTLV(b []byte) (tag byte, value, rest []byte, ok bool) {
	if len(b) < 2 {
		return 0, nil, nil, false
	}
	tag, n, b := b[0], int(b[1]), b[2:]
	switch {
	case n == 0x81 && len(b) >= 1:
		n, b = int(b[0]), b[1:]
	case n == 0x82 && len(b) >= 2:
		n, b = int(binary.BigEndian.Uint16(b)), b[2:]
	case n > 0x7f:
		return 0, nil, nil, false
	}
	if n > len(b) {
		return 0, nil, nil, false
	}
	return tag, b[:n], b[n:], true
}

// parseDuration decodes a unit and an interval of at least 1 (TS 102 223, clause 8.8).
func parseDuration(b []byte) (time.Duration, bool) {
	if len(b) != 2 || b[1] == 0 {
		return 0, false
	}
	n := time.Duration(b[1])
	switch b[0] {
	case 0:
		return n * time.Minute, true
	case 1:
		return n * time.Second, true
	case 2:
		return n * time.Second / 10, true
	}
	return 0, false
}

// response returns the TERMINAL RESPONSE to a command (TS 102 223, clause 6.8). more are
// TLVs that only this command has.
func (c header) response(result byte, more ...byte) []byte {
	var b []byte
	b = appendTLV(b, tagDetails|comprehension, c.number, c.kind, c.qualifier)
	b = appendTLV(b, tagDevices|comprehension, deviceHandset, deviceCard)
	if result == resultNetworkUnable {
		b = appendTLV(b, tagResult|comprehension, result, 0)
	} else {
		b = appendTLV(b, tagResult|comprehension, result)
	}
	return apdu(insTerminalResponse, append(b, more...))
}

// Qualifiers of GET INPUT and DISPLAY TEXT (TS 102 223, clause 8.6).
const (
	inputAlphabet = 1 << 0 // any character; otherwise digits, *, # and +
	inputUCS2     = 1 << 1
	inputHidden   = 1 << 2
	inputPacked   = 1 << 3
	textWaits     = 1 << 7 // for the user to clear it
	smPacking     = 1 << 0 // of SEND SHORT MESSAGE: the handset must pack
)
