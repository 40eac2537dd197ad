package signum

// Network is the mobile network of a SIM.
type Network struct {
	MCC  string // three digits
	MNC  string // two or three digits
	Name string
}

// UnknownNetwork is what answers say when nothing is known.
var UnknownNetwork = Network{MCC: "000", MNC: "00", Name: "Unknown network"}

// OrUnknown is n, or UnknownNetwork for the zero value.
func (n Network) OrUnknown() Network {
	if n == (Network{}) {
		return UnknownNetwork
	}
	return n
}
