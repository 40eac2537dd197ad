package smpp

// DataSM is a message in another form (SMPP 3.4, 4.7.1): its addresses may be longer,
// and its text is message_payload. Some SMSCs send receipts and messages so.
type DataSM struct {
	ServiceType                              string
	Source, Dest                             Address
	ESMClass, RegisteredDelivery, DataCoding byte
	TLVs                                     []TLV
}

// DataSMResp answers a data_sm.
type DataSMResp SubmitSMResp

// Command implements Body.
func (*DataSM) Command() CommandID { return CmdDataSM }

// Command implements Body.
func (*DataSMResp) Command() CommandID { return CmdDataSM | respBit }

// Deliver returns the same as a deliver_sm.
func (d *DataSM) Deliver() *DeliverSM {
	m := &SubmitSM{
		ServiceType: d.ServiceType, Source: d.Source, Dest: d.Dest, ESMClass: d.ESMClass,
		RegisteredDelivery: d.RegisteredDelivery, DataCoding: d.DataCoding,
	}
	m.fold(d.TLVs)
	return (*DeliverSM)(m)
}

func (d *DataSM) append(b []byte) ([]byte, error) {
	w := &writer{b: b}
	w.cstring(d.ServiceType, lenServiceType, StatusInvServiceType, "service_type")
	w.octets(d.Source.TON, d.Source.NPI)
	w.cstring(d.Source.Addr, lenDataAddress, StatusInvSrc, "source_addr")
	w.octets(d.Dest.TON, d.Dest.NPI)
	w.cstring(d.Dest.Addr, lenDataAddress, StatusInvalidDst, "destination_addr")
	w.octets(d.ESMClass, d.RegisteredDelivery, d.DataCoding)
	w.tlvs(d.TLVs)
	return w.done()
}

func parseData(r *reader) *DataSM {
	d := &DataSM{ServiceType: r.unused(lenServiceType, StatusInvServiceType, "service_type")}
	d.Source.TON, d.Source.NPI = r.octet(), r.octet()
	d.Source.Addr = r.unused(lenDataAddress, StatusInvSrc, "source_addr")
	d.Dest.TON, d.Dest.NPI = r.octet(), r.octet()
	d.Dest.Addr = r.unused(lenDataAddress, StatusInvalidDst, "destination_addr")
	d.ESMClass, d.RegisteredDelivery, d.DataCoding = r.octet(), r.octet(), r.octet()
	d.TLVs = r.tlvs()
	r.wholePayload()
	return d
}

func (d *DataSMResp) append(b []byte) ([]byte, error) { return (*SubmitSMResp)(d).append(b) }
