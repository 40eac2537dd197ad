//go:build !unix

package check

func (r *run) disk() {}
