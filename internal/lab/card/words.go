package card

import (
	"strconv"

	"github.com/signum-mssp/signum/internal/lang"
)

// phrases are the card's own words, all in the GSM default alphabet.
type phrases struct {
	asks, tells       string // precede the name of a party whose text is to be signed, or read
	pin               string // asks for the PIN
	wrong             string // precedes pin after a wrong PIN
	oneLeft, manyLeft string // tries; manyLeft follows a number
	newPIN, again     string
	differ            string // precedes newPIN if the two new PINs differ
}

var languages = map[string]phrases{
	"en": {
		asks: "Request from", tells: "Message from",
		pin: "Enter your PIN", wrong: "Wrong PIN.", oneLeft: "1 try left.", manyLeft: " tries left.",
		newPIN: "Choose a PIN of 4 to 8 digits", again: "Repeat the new PIN", differ: "The two PINs are not the same.",
	},
	"de": {
		asks: "Anfrage von", tells: "Nachricht von",
		pin: "PIN eingeben", wrong: "PIN falsch.", oneLeft: "Noch 1 Versuch.", manyLeft: " Versuche bleiben.",
		newPIN: "Neue PIN wählen, 4 bis 8 Ziffern", again: "Neue PIN wiederholen", differ: "Die beiden PIN sind nicht gleich.",
	},
	"fr": {
		asks: "Demande de", tells: "Message de",
		pin: "Entrez votre PIN", wrong: "PIN incorrect.", oneLeft: "Encore 1 essai.", manyLeft: " essais restants.",
		newPIN: "Choisissez un PIN de 4 à 8 chiffres", again: "Répétez le nouveau PIN", differ: "Les deux PIN sont différents.",
	},
	"it": {
		asks: "Richiesta di", tells: "Messaggio di",
		pin: "Inserire il PIN", wrong: "PIN errato.", oneLeft: "Resta 1 tentativo.", manyLeft: " tentativi rimasti.",
		newPIN: "Scegliere un PIN da 4 a 8 cifre", again: "Ripetere il nuovo PIN", differ: "I due PIN sono diversi.",
	},
}

// words returns the phrases of a language, or of the default language if the card
// does not know it.
func words(language string) phrases {
	if w, ok := languages[language]; ok {
		return w
	}
	return languages[lang.Default]
}

// askPIN returns the question for the PIN, with the tries that are left if any was
// wrong.
func (w phrases) askPIN(wrong bool, left int) string {
	switch {
	case !wrong && left == MaxTries:
		return w.pin
	case left == 1:
		return w.after(wrong, w.oneLeft)
	}
	return w.after(wrong, strconv.Itoa(left)+w.manyLeft)
}

func (w phrases) after(wrong bool, left string) string {
	if wrong {
		return w.wrong + " " + left + " " + w.pin
	}
	return w.pin + ". " + left
}
