package scp80

import (
	"fmt"
	"testing"
)

// A request in one SMS, and one in three.
func BenchmarkCommand(b *testing.B) {
	for _, alg := range []byte{algAES, algTripleDES2} {
		for _, n := range []int{98, 370} {
			c := &Command{Params: Params{SPI: [2]byte{0x16, 0x39}, KIc: 0x10 | alg, KID: 0x10 | alg}, Counter: 1, Data: make([]byte, n)}
			k := Keys{KIc: key(16, 1), KID: key(16, 2)}
			packet, err := c.Seal(k)
			if err != nil {
				b.Fatal(err)
			}
			name := fmt.Sprintf("%s-%d", map[byte]string{algAES: "AES", algTripleDES2: "3DES"}[alg], n)
			b.Run("Seal/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Seal(k); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("Open/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := OpenCommand(packet, k); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
