package phones

import (
	"context"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/smsc"
)

// Air connects an SMSC with handsets.
type Air struct{ *handset.Network }

// DeliverSM implements smsc.Radio.
func (a Air) DeliverSM(ctx context.Context, msisdn string, tpdu []byte) ([]byte, error) {
	report, err := a.Network.DeliverSM(ctx, msisdn, tpdu)
	if errors.Is(err, person.ErrUnknown) {
		err = fmt.Errorf("%w: %w", smsc.ErrUnknown, err)
	}
	return report, err
}
