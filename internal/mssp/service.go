package mssp

// DefaultServiceName is what users know the service by unless the operator
// chooses another name: on the pages, and in the texts that it sends.
const DefaultServiceName = "Signum"
