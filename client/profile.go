package client

import (
	"context"
	"strings"

	"github.com/signum-mssp/signum"
)

// Profile asks what a user can do. Profiles of the answer lists the signature
// profiles that this party may use with this user now. A user who has none, or is
// unknown, is fault 105.
//
// The words of params, in any order, ask for more, which comes in Extension of the
// answer:
//
//	sscds        the devices: SIM and Apps
//	state        with sscds: their states (Signum always tells them)
//	certs        with sscds: their certificates, each with its chain
//	pinstatus    with sscds: whether their PINs are blocked
//	carddetails  with sscds: the mobile network of the SIM
//	rcstatus     whether the user has a recovery code
//	aastatus     whether a signature request would activate the SIM
//
// The constants are signum.ParamSSCDs and so on. To ask for everything:
// c.Profile(ctx, msisdn, signum.ProfileParams...). A service may ignore words that
// it does not know.
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
