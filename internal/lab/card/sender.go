package card

import (
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/sms"
)

// introduction shows who asks, on a screen of its own, then plays a script. What the
// script shows and signs is independent of it, so that no text can pass for the name.
type introduction struct {
	who  text
	read bool
	then script
}

// introduced precedes a script with the screen of its sender, if the request names one.
func introduced(who text, s script) script {
	if len(who.data) == 0 {
		return s
	}
	return &introduction{who: who, then: s}
}

func (i *introduction) ask(c *Card, d *dialogue) {
	if i.read {
		i.then.ask(c, d)
		return
	}
	c.displayText(d, StepParty, i.who)
}

func (i *introduction) next(c *Card, d *dialogue, typed string) {
	if i.read {
		i.then.next(c, d, typed)
		return
	}
	i.read = true
	i.ask(c, d)
}

func (i *introduction) back(c *Card, d *dialogue) (first bool) {
	if !i.read {
		return true
	}
	if first := i.then.back(c, d); first {
		i.read = false
	}
	return false
}

// sender returns the screen that shows the name of a party after the card's own words. It is
// empty without a name. The rules are those of texts; besides, a name is short and has
// one line.
func sender(name applet.Text, words string) (text, error) {
	if len(name.Data) == 0 {
		return text{}, nil
	}
	t, err := readable(name)
	if err != nil {
		return text{}, err
	}
	s, err := t.String()
	if err != nil || name.Count > applet.MaxParty || !applet.OneLine(s) {
		return text{}, errIllegible
	}
	s = words + "\n" + s
	if t.dcs == dcsUCS2 {
		data, _ := sms.EncodeUCS2(s) // it was decoded from UCS2
		return text{dcsUCS2, data}, nil
	}
	return spell(s), nil
}
