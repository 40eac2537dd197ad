// Command sbomcheck checks the SBOM of a program: that it is valid CycloneDX,
// and that it lists the modules and the Go release that the program was built
// from, as the program itself says, with the same checksums.
//
// It knows nothing of what the program does.
package main
