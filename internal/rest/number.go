package rest

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/edge"
)

// whole reads a scalar that holds a whole number: 80, 80.0, 8e1 and the strings
// with the same text are all "80". Whatever is not a whole number from 0 to
// 99999 keeps its text, and is checked behind edge.Service.
func (d *decoder) whole(dst *string, what string) error {
	if err := d.text(dst, what); err != nil {
		return err
	}
	if digits, ok := wholeNumber(*dst); ok {
		*dst = edge.Intern([]byte(digits))
	}
	return nil
}

// maxDigits is how many digits a whole number may have. No member needs more, and
// an exponent must not make a long text of a short one.
const maxDigits = 5

// jsonNumber is a number (RFC 8259, clause 6). The groups are sign, integer,
// fraction and exponent.
var jsonNumber = regexp.MustCompile(`^(-)?(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$`)

// wholeNumber returns the digits of a JSON number whose value is whole and from 0
// to 99999.
func wholeNumber(number string) (digits string, ok bool) {
	part := jsonNumber.FindStringSubmatch(number)
	if part == nil {
		return "", false
	}
	negative, integer, all := part[1] != "", part[2], part[2]+part[3]
	nonzero := strings.TrimLeft(all, "0")
	significant := strings.TrimRight(nonzero, "0")
	if significant == "" {
		return "0", true // whatever the sign and the exponent are
	}
	exponent, err := strconv.Atoi(cmp.Or(part[4], "0"))
	// The value is 0.significant times ten to the power of point.
	point := len(integer) - (len(all) - len(nonzero)) + exponent
	if err != nil || negative || point < len(significant) || point > maxDigits {
		return "", false
	}
	return significant + strings.Repeat("0", point-len(significant)), true
}

// number reads an MSISDN. A serializer that wrote it as a JSON number may have
// changed it: what is not plain digits is not the number that the party meant.
func (d *decoder) number(msisdn *string) error {
	number := d.json.PeekKind() == jsontext.KindNumber
	if err := d.text(msisdn, "MSISDN"); err != nil {
		return err
	}
	if number && strings.Trim(*msisdn, "0123456789") != "" {
		return signum.Faultf(signum.WrongParam, "MSISDN must be a string, or a number of plain digits")
	}
	return nil
}
