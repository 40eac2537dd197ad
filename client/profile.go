package client

import (
	"context"
	"strings"

	"github.com/signum-mssp/signum"
)

// Profile asks what a user can do. Profiles of the answer are the signature
// profiles that this party may use with this user now; who has none, or is not
// known, is fault 105.
//
// The words of params, in any order, ask for more, in Extension; without any
// there is none:
//
//	sscds        the devices: SIM and Apps
//	state        with sscds: their states (Signum tells them always)
//	certs        with sscds: their certificates, each with its chain
//	pinstatus    with sscds: whether their PINs are blocked
//	carddetails  with sscds: the mobile network of the SIM
//	rcstatus     whether the user has a recovery code
//	aastatus     whether a signature request would activate the SIM
//
// They are signum.ParamSSCDs and so on; a service may ignore others.
// For all of them: c.Profile(ctx, msisdn, signum.ProfileParams...).
func (c *Client) Profile(ctx context.Context, msisdn string, params ...string) (*signum.ProfileResponse, error) {
	resp, err := c.Do(ctx, &signum.ProfileRequest{
		Header: c.header(version("2", "0"), ""),
		MSISDN: msisdn,
		Params: strings.Join(params, " "),
	})
	if err != nil {
		return nil, err
	}
	return resp.(*signum.ProfileResponse), nil
}
