package signum

// Network is the mobile network of a SIM (ITU-T E.212).
type Network struct {
	MCC  string // three digits
	MNC  string // two or three digits
	Name string // as the operator calls itself; may be empty
}

// UnknownNetwork stands in answers for a network of which nothing is known.
var UnknownNetwork = Network{MCC: "000", MNC: "00", Name: "Unknown network"}

// OrUnknown returns n, or [UnknownNetwork] if n is the zero value.
func (n Network) OrUnknown() Network {
	if n == (Network{}) {
		return UnknownNetwork
	}
	return n
}
