package smpp

import "fmt"

// Bind opens a session (SMPP 3.4, 4.1). The mode is one of the three bind
// commands. SystemID has at most 15 characters, Password 8, SystemType 12.
type Bind struct {
	Mode                           CommandID
	SystemID, Password, SystemType string
	Version, TON, NPI              byte
	AddressRange                   string
}

// BindResp answers a bind. If the status is an error, the body may be missing.
type BindResp struct {
	Mode     CommandID // of the bind
	SystemID string    // of the SMSC
	TLVs     []TLV
}

// Command implements Body.
func (b *Bind) Command() CommandID { return b.Mode }

// Command implements Body.
func (b *BindResp) Command() CommandID { return b.Mode | respBit }

// String leaves the password out.
func (b *Bind) String() string { return fmt.Sprintf("%v %q", b.Mode, b.SystemID) }

// GoString leaves the password out.
func (b *Bind) GoString() string { return "smpp.Bind(" + b.String() + ")" }

func (b *Bind) append(buf []byte) ([]byte, error) {
	w := &writer{b: buf}
	if !bindCommand(b.Mode) {
		w.fail(StatusInvCmdID, "not a bind command")
	}
	w.cstring(b.SystemID, lenSystemID, StatusInvSysID, "system_id")
	w.cstring(b.Password, lenPassword, StatusInvPaswd, "password")
	w.cstring(b.SystemType, lenSystemType, StatusInvSystemType, "system_type")
	w.octets(b.Version, b.TON, b.NPI)
	w.cstring(b.AddressRange, lenAddressRange, StatusBindFailed, "address_range")
	return w.done()
}

func parseBind(cmd CommandID, r *reader) *Bind {
	b := &Bind{
		Mode:       cmd,
		SystemID:   r.cstring(lenSystemID, StatusInvSysID, "system_id"),
		Password:   r.cstring(lenPassword, StatusInvPaswd, "password"),
		SystemType: r.cstring(lenSystemType, StatusInvSystemType, "system_type"),
	}
	b.Version, b.TON, b.NPI = r.octet(), r.octet(), r.octet()
	b.AddressRange = r.cstring(lenAddressRange, StatusBindFailed, "address_range")
	return b
}

func (b *BindResp) append(buf []byte) ([]byte, error) {
	w := &writer{b: buf}
	if !bindCommand(b.Mode) {
		w.fail(StatusInvCmdID, "not a bind command")
	}
	w.cstring(b.SystemID, lenSystemID, StatusInvSysID, "system_id")
	w.tlvs(b.TLVs)
	return w.done()
}

func parseBindResp(mode CommandID, r *reader) *BindResp {
	r.tolerant = true
	return &BindResp{Mode: mode, SystemID: r.rest(lenSystemID), TLVs: r.tlvs()}
}

func bindCommand(c CommandID) bool {
	return c == CmdBindReceiver || c == CmdBindTransmitter || c == CmdBindTransceiver
}
