package node

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/cluster"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/store"
	"github.com/signum-mssp/signum/internal/store/pgtest"
)

func openForSecrets(t *testing.T, url string) (*store.Store, *cluster.Cluster) {
	t.Helper()
	s, err := store.Open(t.Context(), url, store.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c, err := cluster.New(cluster.Config{Store: s.Nodes(), Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

// Nodes agree on a secret, which is encrypted as soon as there is a master key, and cannot be read
// without that.
func TestSharedSecret(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	secret := func(master string) (string, error) {
		c := testConfig(t)
		if master != "" {
			c.SIM.MasterKey = config.NewSecret(strings.Repeat(master, 16))
		}
		n := &Node{cfg: c}
		n.rows, n.peers = openForSecrets(t, url)
		got, err := n.sharedSecret(t.Context(), "test", newKey)
		return string(got), err
	}
	plain, err := secret("")
	if err != nil || len(plain) != 32 {
		t.Fatalf("%d octets, %v", len(plain), err)
	}
	if again, err := secret(""); again != plain || err != nil {
		t.Errorf("another node has another secret, %v", err)
	}
	s, _ := openForSecrets(t, url)
	stored := func() string {
		v, err := s.Value(context.Background(), sharedSecrets, "test")
		if err != nil {
			t.Fatal(err)
		}
		return string(v)
	}
	if !strings.Contains(stored(), plain) {
		t.Error("without a master key the secret is not what is in the database")
	}
	if sealed, err := secret("0f1e"); sealed != plain || err != nil {
		t.Errorf("with a master key the secret is another one, %v", err)
	}
	if strings.Contains(stored(), plain) {
		t.Error("with a master key the secret is not encrypted")
	}
	if again, err := secret("0f1e"); again != plain || err != nil {
		t.Errorf("encrypted, the secret is another one, %v", err)
	}
	for master, problem := range map[string]string{"": "there is no sim.master_key", "1e0f": "is not for this sim.master_key"} {
		if _, err := secret(master); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("master key %q: %v", master, err)
		}
	}
}
